"""Mark-up rules as staff set them up: one for each scope, currency and price group; the nearest makes the price."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.catalog.markup import Markup, Rule, Rules
from app.catalog.tables import MAX_PRICE
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.money import check_currency, format_amount

COST_BASES = ("first", "dearest")
MAX_BASIS_POINTS, MAX_UP, MAX_DOWN = 1_000_000, 1000, 100

_RULES = """
SELECT id, price_group_id, service_group_id, service_id, currency::text AS currency, basis_points, fixed, floor,
       least_margin, rounding_step, rounding_ending, up_percent, down_percent, cost_basis
FROM markup_rules
"""
_ADD = """
INSERT INTO markup_rules (
    currency, price_group_id, service_group_id, service_id, basis_points, fixed, floor, least_margin, rounding_step,
    rounding_ending, up_percent, down_percent, cost_basis)
VALUES (%(currency)s, %(price_group_id)s, %(service_group_id)s, %(service_id)s, %(basis_points)s, %(fixed)s, %(floor)s,
        %(least_margin)s, %(rounding_step)s, %(rounding_ending)s, %(up_percent)s, %(down_percent)s, %(cost_basis)s)
ON CONFLICT ON CONSTRAINT uq_markup_rules_scope DO NOTHING
RETURNING id
"""
_CHANGE = """
UPDATE markup_rules
SET basis_points = %(basis_points)s, fixed = %(fixed)s, floor = %(floor)s, least_margin = %(least_margin)s,
    rounding_step = %(rounding_step)s, rounding_ending = %(rounding_ending)s, up_percent = %(up_percent)s,
    down_percent = %(down_percent)s, cost_basis = %(cost_basis)s
WHERE id = %(id)s
"""
_CHANGEABLE = (
    "basis_points", "fixed", "floor", "least_margin", "rounding_step", "rounding_ending", "up_percent", "down_percent",
    "cost_basis",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule to set up, for the list prices or a price group's; of a service, a service group, or all services."""

    currency: str
    markup: Markup
    price_group_id: int | None = None
    service_group_id: int | None = None
    service_id: int | None = None
    up_percent: int | None = 20
    down_percent: int | None = 20
    cost_basis: str = "dearest"


async def add_rule(conn: Connection, new: NewRule) -> Rule:
    """Set a rule up; prices are made by it within a minute.

    Raises Invalid and NotFound with the field at fault, and Conflict if there is a rule for exactly this.
    """
    await _check_scope(conn, new)
    values = {
        **_values(new.markup),
        "up_percent": new.up_percent,
        "down_percent": new.down_percent,
        "cost_basis": new.cost_basis,
    }
    _check_values(values)
    values |= {
        "currency": new.currency,
        "price_group_id": new.price_group_id,
        "service_group_id": new.service_group_id,
        "service_id": new.service_id,
    }
    row = await (await conn.execute(_ADD, values)).fetchone()
    if row is None:
        raise Conflict("There is a rule for exactly this; change that one.")
    return await get_rule(conn, row["id"])


async def change_rule(conn: Connection, rule_id: int, changes: Mapping[str, Any]) -> Rule:
    """Change the columns that are named; what a rule is for stays. ``conn`` is inside a transaction.

    Raises NotFound, and Invalid with the field at fault.
    """
    cursor = await conn.execute(f"{_RULES} WHERE id = %s FOR UPDATE", (rule_id,))
    before = await cursor.fetchone()
    if before is None:
        raise NotFound("There is no such mark-up rule.")
    after = {name: changes.get(name, before[name]) for name in _CHANGEABLE}
    _check_values(after)
    await conn.execute(_CHANGE, {**after, "id": rule_id})
    return await get_rule(conn, rule_id)


async def get_rule(conn: Connection, rule_id: int) -> Rule:
    """Return a rule; NotFound if there is none."""
    row = await (await conn.execute(f"{_RULES} WHERE id = %s", (rule_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such mark-up rule.")
    return _rule(row)


async def list_rules(conn: Connection, *, after: int = 0, limit: int) -> list[Rule]:
    """Return rules with an id above ``after`` in order of id."""
    cursor = await conn.execute(f"{_RULES} WHERE id > %s ORDER BY id LIMIT %s", (after, limit))
    return [_rule(row) for row in await cursor.fetchall()]


async def all_rules(conn: Connection) -> Rules:
    """Return every rule, to be asked for the one that makes a price."""
    return Rules(_rule(row) for row in await (await conn.execute(_RULES)).fetchall())


async def remove_rule(conn: Connection, rule_id: int) -> bool:
    """Remove a rule and return whether there was one; the prices it made stay as they are."""
    return (await conn.execute("DELETE FROM markup_rules WHERE id = %s", (rule_id,))).rowcount > 0


# Prices that a nearer rule reaches are left to the rules too; the nearest of them makes each.
_ADOPT_LIST = """
UPDATE services v SET price_source = 'rule'
FROM markup_rules r
WHERE r.id = %(rule)s AND r.price_group_id IS NULL AND v.currency = r.currency AND v.price_source <> 'rule'
  AND (r.service_id = v.id OR r.service_group_id = v.group_id OR num_nonnulls(r.service_id, r.service_group_id) = 0)
"""
_ADOPT_GROUP = """
UPDATE group_prices p SET price_source = 'rule'
FROM markup_rules r, services v
WHERE r.id = %(rule)s AND r.price_group_id = p.price_group_id AND v.id = p.service_id AND p.price_source <> 'rule'
  AND (r.service_id = v.id OR r.service_group_id = v.group_id OR num_nonnulls(r.service_id, r.service_group_id) = 0)
"""


async def adopt(conn: Connection, rule_id: int) -> int:
    """Leave the prices in a rule's reach that were set by hand to the rules, and return how many; NotFound."""
    rule = await get_rule(conn, rule_id)
    return (
        await conn.execute(_ADOPT_LIST if rule.price_group_id is None else _ADOPT_GROUP, {"rule": rule_id})
    ).rowcount


def _rule(row: dict[str, Any]) -> Rule:
    return Rule(
        **{name: row.pop(name) for name in list(row) if name not in Markup.__dataclass_fields__},
        markup=Markup(**row),
    )


def _values(markup: Markup) -> dict[str, Any]:
    return {name: getattr(markup, name) for name in Markup.__dataclass_fields__}


async def _check_scope(conn: Connection, new: NewRule) -> None:
    try:
        check_currency(new.currency)
    except ValueError as error:
        raise Invalid(str(error), field="currency") from error
    if new.service_id is not None and new.service_group_id is not None:
        raise Invalid("A rule is for a service or for a group of them.", field="service_id")
    cursor = await conn.execute(
        "SELECT (SELECT currency::text FROM services WHERE id = %(service_id)s) AS service,"
        " (SELECT id FROM service_groups WHERE id = %(service_group_id)s) AS service_group,"
        " (SELECT currency::text FROM price_groups WHERE id = %(price_group_id)s) AS price_group",
        {
            "service_id": new.service_id,
            "service_group_id": new.service_group_id,
            "price_group_id": new.price_group_id,
        },
    )
    found = await cursor.fetchone()
    assert found is not None  # noqa: S101  a SELECT of sub-selects has a row
    for field, name in (
        ("service_id", "service"), ("service_group_id", "service_group"), ("price_group_id", "price_group")
    ):  # fmt: skip
        if getattr(new, field) is not None and found[name] is None:
            raise NotFound(f"There is no such {name.replace('_', ' ')}.", field=field)
    priced_in = found["price_group"] or found["service"] or new.currency
    if priced_in != new.currency:
        raise Invalid(f"These prices are in {priced_in}.", field="currency")


def check_markup(markup: Markup) -> None:
    """Raise Invalid with the field at fault for what no mark-up can be."""
    if not 0 <= markup.basis_points <= MAX_BASIS_POINTS:
        raise Invalid("A mark-up is 0 to 10000 percent.", field="percent")
    for name, least in (("fixed", 0), ("floor", 0), ("least_margin", 0), ("rounding_step", 1), ("rounding_ending", 0)):
        if not least <= getattr(markup, name) <= MAX_PRICE:
            raise Invalid(f"The amount is {format_amount(least)} to {format_amount(MAX_PRICE)}.", field=name)
    if markup.rounding_ending >= markup.rounding_step:
        raise Invalid("The ending is below the step of rounding.", field="rounding_ending")


def _check_values(values: Mapping[str, Any]) -> None:
    """Raise Invalid with the column at fault for what no rule can be."""
    check_markup(Markup(**{name: values[name] for name in Markup.__dataclass_fields__}))
    for name, most in (("up_percent", MAX_UP), ("down_percent", MAX_DOWN)):
        if values[name] is not None and not 0 <= values[name] <= most:
            raise Invalid(f"The limit is 0 to {most}.", field=name)
    if values["cost_basis"] not in COST_BASES:
        raise Invalid(f"The cost is that of the {' or the '.join(COST_BASES)} route.", field="cost_basis")
