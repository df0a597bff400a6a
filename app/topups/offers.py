"""How customers may pay in: payment methods, and packages of credit, as staff set them up and customers see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql
from psycopg.errors import ForeignKeyViolation, UniqueViolation

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.money import check_currency

MAX_OFFERS = 200
"""How many methods, and how many packages, there may be; customers get all of theirs at once."""
MAX_POSITION = 1_000_000


@dataclass(frozen=True, slots=True)
class Method:
    """A way to pay in; amounts in micro-units of ``currency``. ``fee_percent`` is kept of what is paid in."""

    id: int
    name: str
    currency: str
    instructions: str
    min_amount: int
    max_amount: int | None
    fee_percent: Decimal
    active: bool
    position: int

    def credit_for(self, amount: int) -> int:
        """Return what is credited of an amount paid in, rounded down."""
        thousandths = int(self.fee_percent * 1000)
        return amount * (100_000 - thousandths) // 100_000


@dataclass(frozen=True, slots=True)
class Package:
    """Who pays ``pay`` is credited ``credit``; micro-units of ``currency``."""

    id: int
    name: str
    currency: str
    pay: int
    credit: int
    active: bool
    position: int


_METHODS = (
    "SELECT id, name, currency::text, instructions, min_amount, max_amount, fee_percent, active, position"
    " FROM payment_methods"
)
_PACKAGES = "SELECT id, name, currency::text, pay, credit, active, position FROM topup_packages"
_SHOWN = (
    " WHERE (%(currency)s::text IS NULL OR currency = %(currency)s) AND (active OR NOT %(active)s)"
    " ORDER BY position, name"
)


async def list_methods(conn: Connection, *, currency: str | None = None, active: bool = False) -> list[Method]:
    """Return the methods in display order: those of a currency, if one is named, and only active ones if ``active``."""
    cursor = await conn.execute(f"{_METHODS}{_SHOWN}", {"currency": currency, "active": active})
    return [Method(**row) for row in await cursor.fetchall()]


async def list_packages(conn: Connection, *, currency: str | None = None, active: bool = False) -> list[Package]:
    """Return the packages in display order, chosen as methods are."""
    cursor = await conn.execute(f"{_PACKAGES}{_SHOWN}", {"currency": currency, "active": active})
    return [Package(**row) for row in await cursor.fetchall()]


async def get_method(conn: Connection, method_id: int) -> Method:
    """Return a method; NotFound if there is none."""
    row = await (await conn.execute(f"{_METHODS} WHERE id = %s", (method_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such payment method.", field="method_id")
    return Method(**row)


async def get_package(conn: Connection, package_id: int) -> Package:
    """Return a package; NotFound if there is none."""
    row = await (await conn.execute(f"{_PACKAGES} WHERE id = %s", (package_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such package.", field="package_id")
    return Package(**row)


async def add_method(conn: Connection, values: Mapping[str, Any]) -> Method:
    """Set up a payment method from its columns; Invalid with the field at fault, Conflict for a name that is taken."""
    _check_method(values)
    return await get_method(conn, await _add(conn, "payment_methods", values))


async def add_package(conn: Connection, values: Mapping[str, Any]) -> Package:
    """Set up a package from its columns; Invalid with the field at fault, Conflict for a name that is taken."""
    _check_package(values)
    return await get_package(conn, await _add(conn, "topup_packages", values))


async def change_method(conn: Connection, method_id: int, changes: Mapping[str, Any]) -> Method:
    """Change the columns that are named, but never the currency; NotFound, Invalid, Conflict."""
    await _lock(conn, "payment_methods", method_id)
    before = await get_method(conn, method_id)
    _check_method({**{name: getattr(before, name) for name in _METHOD}, **changes})
    await _change(conn, "payment_methods", method_id, changes)
    return await get_method(conn, method_id)


async def change_package(conn: Connection, package_id: int, changes: Mapping[str, Any]) -> Package:
    """Change the columns that are named, but never the currency; requests keep what was offered to them."""
    await _lock(conn, "topup_packages", package_id)
    before = await get_package(conn, package_id)
    _check_package({**{name: getattr(before, name) for name in _PACKAGE}, **changes})
    await _change(conn, "topup_packages", package_id, changes)
    return await get_package(conn, package_id)


async def remove_method(conn: Connection, method_id: int) -> None:
    """Remove a method that no request names; NotFound, Conflict for one that was used: it can be made inactive."""
    await get_method(conn, method_id)
    await _remove(conn, "payment_methods", method_id)


async def remove_package(conn: Connection, package_id: int) -> None:
    """Remove a package that no request names; NotFound, Conflict for one that was used."""
    await get_package(conn, package_id)
    await _remove(conn, "topup_packages", package_id)


_METHOD = ("name", "currency", "instructions", "min_amount", "max_amount", "fee_percent")
_PACKAGE = ("name", "currency", "pay", "credit")


def _check_method(values: Mapping[str, Any]) -> None:
    _check_names(values)
    if len(values["instructions"]) > 4000:
        raise Invalid("The instructions have at most 4000 characters.", field="instructions")
    if values["min_amount"] <= 0:
        raise Invalid("The least amount is above zero.", field="min_amount")
    if values["max_amount"] is not None and values["max_amount"] < values["min_amount"]:
        raise Invalid("The most is not less than the least.", field="max_amount")
    fee = values["fee_percent"]
    if not 0 <= fee < 100 or fee != round(fee, 3):
        raise Invalid("A fee is 0 or more and below 100 percent, with at most three places.", field="fee_percent")


def _check_package(values: Mapping[str, Any]) -> None:
    _check_names(values)
    for name in ("pay", "credit"):
        if values[name] <= 0:
            raise Invalid("An amount is above zero.", field=name)


def _check_names(values: Mapping[str, Any]) -> None:
    if not 1 <= len(values["name"].strip()) <= 100:
        raise Invalid("A name has 1 to 100 characters.", field="name")
    try:
        check_currency(values["currency"])
    except ValueError as error:
        raise Invalid(f"{error}", field="currency") from error


async def _add(conn: Connection, table: str, values: Mapping[str, Any]) -> int:
    # Locked, so that the number is right: those who add together go one after another.
    await conn.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(table)))
    count = await (await conn.execute(sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(table)))).fetchone()
    if count is not None and count["n"] >= MAX_OFFERS:
        raise Conflict(f"There may be {MAX_OFFERS} of them; remove one that is not needed.")
    kept = _trimmed(values)
    names = sql.SQL(", ").join(map(sql.Identifier, kept))
    marks = sql.SQL(", ").join(map(sql.Placeholder, kept))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(sql.Identifier(table), names, marks)
    try:
        async with conn.transaction():
            row = await (await conn.execute(statement, kept)).fetchone()
    except UniqueViolation as error:
        raise Conflict("This name is taken.", field="name") from error
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return int(row["id"])


async def _lock(conn: Connection, table: str, row_id: int) -> None:
    # What is checked is the row as it will be: who changes another part of it at this moment goes first.
    statement = sql.SQL("SELECT 1 FROM {} WHERE id = %s FOR NO KEY UPDATE").format(sql.Identifier(table))
    await conn.execute(statement, (row_id,))


async def _change(conn: Connection, table: str, row_id: int, changes: Mapping[str, Any]) -> None:
    if not changes:
        return
    sets = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes
    )
    statement = sql.SQL("UPDATE {} SET {} WHERE id = {}").format(sql.Identifier(table), sets, sql.Literal(row_id))
    try:
        async with conn.transaction():
            await conn.execute(statement, _trimmed(changes))
    except UniqueViolation as error:
        raise Conflict("This name is taken.", field="name") from error


async def _remove(conn: Connection, table: str, row_id: int) -> None:
    try:
        async with conn.transaction():
            await conn.execute(sql.SQL("DELETE FROM {} WHERE id = %s").format(sql.Identifier(table)), (row_id,))
    except ForeignKeyViolation as error:
        raise Conflict("Requests name it; make it inactive instead.") from error


def _trimmed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.strip() if name == "name" else value for name, value in values.items()}
