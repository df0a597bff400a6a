"""One change for many services at once: hidden, shown, moved to another group, priced anew; in one statement each."""

from collections.abc import Sequence

from app.catalog.markup import HUNDRED_PERCENT, round_up
from app.catalog.tables import MAX_PRICE
from app.db import Connection
from app.errors import Invalid, NotFound
from app.money import format_amount

MOST = 1000
"""How many services one change may be for."""

MAX_RISE, MAX_FALL = 100_000, -HUNDRED_PERCENT
"""How far prices may be moved at once, in basis points."""


async def set_state(conn: Connection, service_ids: Sequence[int], state: str) -> int:
    """Hide services or show them again and return how many changed; open orders go on."""
    if state not in ("active", "hidden"):
        raise Invalid("The state is active or hidden.", field="state")
    cursor = await conn.execute(
        "UPDATE services SET state = %s WHERE id = ANY (%s) AND state <> %s", (state, _checked(service_ids), state)
    )
    return cursor.rowcount


async def move_to_group(conn: Connection, service_ids: Sequence[int], group_id: int) -> int:
    """Move services to a group and return how many moved; NotFound if there is no such group."""
    if await (await conn.execute("SELECT 1 FROM service_groups WHERE id = %s", (group_id,))).fetchone() is None:
        raise NotFound("There is no such group.", field="group_id")
    cursor = await conn.execute(
        "UPDATE services SET group_id = %s WHERE id = ANY (%s) AND group_id <> %s",
        (group_id, _checked(service_ids), group_id),
    )
    return cursor.rowcount


async def leave_to_rules(conn: Connection, service_ids: Sequence[int]) -> int:
    """Leave the list prices of services to the mark-up rules and return how many were set by hand before."""
    cursor = await conn.execute(
        "UPDATE services SET price_source = 'rule' WHERE id = ANY (%s) AND price_source <> 'rule'",
        (_checked(service_ids),),
    )
    return cursor.rowcount


async def move_prices(conn: Connection, service_ids: Sequence[int], *, basis_points: int, step: int = 1) -> int:
    """Move the list prices of services by ``basis_points`` and return how many changed; they count as set by hand.

    Each is rounded up to a multiple of ``step``. ``conn`` is inside a transaction. Invalid, and then nothing changes,
    for a move that is too far or a price above the highest there is.
    """
    if step < 1 or step > MAX_PRICE:
        raise Invalid(f"The step is {format_amount(1)} to {format_amount(MAX_PRICE)}.", field="step")
    cursor = await conn.execute(
        "SELECT id, price FROM services WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE", (_checked(service_ids),)
    )
    changed = {
        row["id"]: price
        for row in await cursor.fetchall()
        if (price := round_up(moved(row["price"], basis_points), step, 0)) != row["price"]
    }
    if any(price > MAX_PRICE for price in changed.values()):
        raise Invalid(f"A price would be above {format_amount(MAX_PRICE)}.", field="percent")
    if changed:
        await conn.execute(
            "UPDATE services v SET price = n.price, price_source = 'manual'"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, price) WHERE v.id = n.id",
            (list(changed), list(changed.values())),
        )
    return len(changed)


def moved(price: int, basis_points: int) -> int:
    """Return a price moved by ``basis_points`` of it, rounded up; Invalid for a move that is too far."""
    if not MAX_FALL <= basis_points <= MAX_RISE:
        raise Invalid("Prices move by -100 to 1000 percent.", field="percent")
    return price - (-price * basis_points // HUNDRED_PERCENT)


def _checked(service_ids: Sequence[int]) -> list[int]:
    if not 1 <= len(service_ids) <= MOST:
        raise Invalid(f"Tick 1 to {MOST} services.", field="service")
    return list(service_ids)
