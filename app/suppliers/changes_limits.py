"""The limits within which a supplier's changes are taken over by themselves; beyond them a change waits for staff."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from app.db import Connection
from app.errors import Invalid, NotFound

MAX_UP, MAX_DOWN, MAX_MISSING = 1000, 100, 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """What may change by itself. The percents are of the cost so far, None for any.

    ``apply_fields`` lets change what an order has to bring where no mapped service needs it as it was; quantities and
    the type go with it. ``missing_limit`` is how many readings running have to lack a service before it is removed.
    """

    price_up_percent: int | None
    price_down_percent: int | None
    apply_new: bool
    apply_names: bool
    apply_fields: bool
    apply_removed: bool
    missing_limit: int


async def limits_of(conn: Connection, supplier_ids: Sequence[int]) -> dict[int, Limits]:
    """Return the limits of each of these suppliers that exists."""
    cursor = await conn.execute(
        "SELECT id, price_up_percent, price_down_percent, apply_new, apply_names, apply_fields, apply_removed,"
        " missing_limit FROM suppliers WHERE id = ANY (%s)",
        (list(supplier_ids),),
    )
    return {row.pop("id"): Limits(**row) for row in await cursor.fetchall()}


async def change_limits(conn: Connection, supplier_id: int, changes: Mapping[str, bool | int | None]) -> None:
    """Change the limits that are named; the next reading goes by them. ``conn`` is inside a transaction.

    Raises NotFound, and Invalid with the limit at fault.
    """
    # Two people at once change one after the other, and neither takes back what the other did.
    await conn.execute("SELECT 1 FROM suppliers WHERE id = %s FOR NO KEY UPDATE", (supplier_id,))
    before = (await limits_of(conn, [supplier_id])).get(supplier_id)
    if before is None:
        raise NotFound("There is no such supplier.")
    after = Limits(**{**asdict(before), **changes})
    for name, value, least, most in (
        ("price_up_percent", after.price_up_percent, 0, MAX_UP),
        ("price_down_percent", after.price_down_percent, 0, MAX_DOWN),
        ("missing_limit", after.missing_limit, 1, MAX_MISSING),
    ):
        if value is not None and not least <= value <= most:
            raise Invalid(f"The limit is {least} to {most}.", field=f"limits.{name}")
    await conn.execute(
        "UPDATE suppliers SET price_up_percent = %(price_up_percent)s, price_down_percent = %(price_down_percent)s,"
        " apply_new = %(apply_new)s, apply_names = %(apply_names)s, apply_fields = %(apply_fields)s,"
        " apply_removed = %(apply_removed)s, missing_limit = %(missing_limit)s WHERE id = %(id)s",
        {**asdict(after), "id": supplier_id},
    )
