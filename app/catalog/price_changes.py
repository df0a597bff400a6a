"""What staff see of the prices that rules made, and decide about them: approve, reject, undo.

A change that was rejected or undone stands for as long as the rule makes the same price: no recomputing takes it over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.db import Connection
from app.errors import Conflict, NotFound

PRICING_LOCK = 0x70726963
"""The advisory lock under which prices are made and decided on, so that each sees what the other did."""


class PriceChangeState(StrEnum):
    """What became of a price: set by itself, waiting for staff, or what they decided."""

    APPLIED = "applied"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class PriceChangeRow:
    """A price that a rule made of ``cost``; amounts are micro-units of ``currency`` for one piece.

    ``price_group_id`` None: the list price. ``old`` None: the group had none. ``price`` is what it is now.
    """

    id: int
    service_id: int
    service: str
    price_group_id: int | None
    price_group: str | None
    rule_id: int | None
    currency: str
    cost: int
    old: int | None
    new: int
    price: int | None
    state: PriceChangeState
    found_at: datetime
    decided_at: datetime | None
    staff_id: int | None
    outdated_at: datetime | None


_CHANGES = """
SELECT c.id, c.service_id, v.name AS service, c.price_group_id, g.name AS price_group, c.rule_id,
       c.currency::text AS currency, c.cost, c.old, c.new,
       CASE WHEN c.price_group_id IS NULL THEN v.price ELSE p.price END AS price,
       c.state, c.found_at, c.decided_at, c.staff_id, c.outdated_at
FROM price_changes c
JOIN services v ON v.id = c.service_id
LEFT JOIN price_groups g ON g.id = c.price_group_id
LEFT JOIN group_prices p ON p.price_group_id = c.price_group_id AND p.service_id = c.service_id
"""


async def list_changes(
    conn: Connection,
    *,
    state: PriceChangeState | None = None,
    service_id: int | None = None,
    after: int = 0,
    newest_first: bool = False,
    limit: int,
) -> list[PriceChangeRow]:
    """Return price changes behind the one with the id ``after`` (0: the first) in order of id, of a service or of all.

    Those that wait are the ones that still can be decided; None is for all, whatever became of them.
    """
    behind = "" if not after else " AND c.id < %(after)s" if newest_first else " AND c.id > %(after)s"
    cursor = await conn.execute(
        f"{_CHANGES} WHERE (%(service)s::bigint IS NULL OR c.service_id = %(service)s)"
        " AND (%(state)s::text IS NULL"
        "      OR (c.state = %(state)s AND (c.state <> 'waiting' OR c.outdated_at IS NULL)))"
        f"{behind} ORDER BY c.id {'DESC' if newest_first else ''} LIMIT %(limit)s",
        {"after": after, "service": service_id, "state": state, "limit": limit},
    )
    return [PriceChangeRow(**{**row, "state": PriceChangeState(row["state"])}) for row in await cursor.fetchall()]


async def get_change(conn: Connection, change_id: int) -> PriceChangeRow:
    """Return a price change; NotFound if there is none."""
    row = await (await conn.execute(f"{_CHANGES} WHERE c.id = %s", (change_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such price change.")
    return PriceChangeRow(**{**row, "state": PriceChangeState(row["state"])})


async def lock_pricing(conn: Connection) -> None:
    """Wait for whoever makes prices or decides on them, and keep others out until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(%s)", (PRICING_LOCK,))


async def approve(conn: Connection, change_id: int, *, staff_id: int | None) -> None:
    """Set the price of a change that waits, or was turned down and still stands; ``conn`` is inside a transaction.

    Raises NotFound, and Conflict if the rule made another price since, the price was changed or set by hand since, or
    the change was taken over already.
    """
    await lock_pricing(conn)
    change = await get_change(conn, change_id)
    if change.outdated_at is not None:
        raise Conflict("The rule made another price since; look at the newer change.")
    if change.state in (PriceChangeState.APPLIED, PriceChangeState.APPROVED):
        raise Conflict("This change was taken over already.")
    if not await _take(conn, [change_id], staff_id=staff_id):
        raise Conflict("The price was changed since, or set by hand.")


async def approve_many(conn: Connection, change_ids: Sequence[int], *, staff_id: int | None) -> int:
    """Approve those that still wait and return how many did; the others stay as they are.

    ``conn`` is inside a transaction.
    """
    await lock_pricing(conn)
    return len(await _take(conn, await _waiting(conn, change_ids), staff_id=staff_id))


async def reject(conn: Connection, change_id: int, *, staff_id: int | None) -> None:
    """Turn down a change that waits; the price stays. ``conn`` is inside a transaction. NotFound, Conflict."""
    await lock_pricing(conn)
    change = await get_change(conn, change_id)
    if change.state is not PriceChangeState.WAITING or change.outdated_at is not None:
        raise Conflict("This change does not wait.")
    await _decide(conn, [change_id], PriceChangeState.REJECTED, staff_id)


async def reject_many(conn: Connection, change_ids: Sequence[int], *, staff_id: int | None) -> int:
    """Reject those that still wait and return how many did; the prices stay. ``conn`` is inside a transaction."""
    await lock_pricing(conn)
    waiting = await _waiting(conn, change_ids)
    await _decide(conn, waiting, PriceChangeState.REJECTED, staff_id)
    return len(waiting)


async def _waiting(conn: Connection, change_ids: Sequence[int]) -> list[int]:
    cursor = await conn.execute(
        "SELECT id FROM price_changes WHERE id = ANY (%s) AND state = 'waiting' AND outdated_at IS NULL",
        (list(change_ids),),
    )
    return [row["id"] for row in await cursor.fetchall()]


_UNDO_LIST = """
UPDATE services v SET price = c.old FROM price_changes c
WHERE c.id = %s AND c.price_group_id IS NULL AND v.id = c.service_id AND v.price = c.new AND v.price_source = 'rule'
"""
_UNDO_GROUP = """
UPDATE group_prices p SET price = c.old FROM price_changes c
WHERE c.id = %s AND p.price_group_id = c.price_group_id AND p.service_id = c.service_id AND p.price = c.new
  AND p.price_source = 'rule'
"""
_UNDO_FIRST = """
DELETE FROM group_prices p USING price_changes c
WHERE c.id = %s AND p.price_group_id = c.price_group_id AND p.service_id = c.service_id AND p.price = c.new
  AND p.price_source = 'rule'
"""


async def undo(conn: Connection, change_id: int, *, staff_id: int | None) -> None:
    """Set the price back to what it was, and do not follow the rule until it makes another; inside a transaction.

    Raises NotFound, and Conflict if the change was never taken over, or the price has changed since.
    """
    await lock_pricing(conn)
    change = await get_change(conn, change_id)
    if change.state not in (PriceChangeState.APPLIED, PriceChangeState.APPROVED):
        raise Conflict("This change was not taken over.")
    # A newer change that stands is of a newer price: what would be undone is not what the rule says any more.
    cursor = await conn.execute(
        "SELECT 1 FROM price_changes n WHERE n.service_id = %s AND n.price_group_id IS NOT DISTINCT FROM %s"
        " AND n.outdated_at IS NULL AND n.state IN ('waiting', 'rejected', 'undone')",
        (change.service_id, change.price_group_id),
    )
    statement = _UNDO_LIST if change.price_group_id is None else _UNDO_FIRST if change.old is None else _UNDO_GROUP
    if await cursor.fetchone() is not None or (await conn.execute(statement, (change_id,))).rowcount == 0:
        raise Conflict("The price has changed again since.")
    await _decide(conn, [change_id], PriceChangeState.UNDONE, staff_id)


# Each price is written only where it still is what the change was made from, and was not set by hand meanwhile.
_TAKE_LIST = """
UPDATE services v SET price = c.new FROM price_changes c
WHERE c.id = ANY (%s) AND c.price_group_id IS NULL AND v.id = c.service_id AND v.price = c.old
  AND v.price_source = 'rule'
RETURNING c.id
"""
_TAKE_GROUP = """
UPDATE group_prices p SET price = c.new FROM price_changes c
WHERE c.id = ANY (%s) AND p.price_group_id = c.price_group_id AND p.service_id = c.service_id AND p.price = c.old
  AND p.price_source = 'rule'
RETURNING c.id
"""
_TAKE_FIRST = """
WITH wanted AS (
    SELECT id, price_group_id, service_id, new FROM price_changes
    WHERE id = ANY (%s) AND price_group_id IS NOT NULL AND old IS NULL
), made AS (
    INSERT INTO group_prices (price_group_id, service_id, price, price_source)
    SELECT price_group_id, service_id, new, 'rule' FROM wanted
    ON CONFLICT DO NOTHING RETURNING price_group_id, service_id
)
SELECT w.id FROM wanted w JOIN made USING (price_group_id, service_id)
"""


async def _take(conn: Connection, change_ids: Sequence[int], *, staff_id: int | None) -> list[int]:
    """Set the prices of these changes as far as they may be, approve those and return their ids."""
    taken: list[int] = []
    # A statement raises the catalogue's version even where it finds no row, so none runs that has nothing to do.
    cursor = await conn.execute(
        "SELECT bool_or(price_group_id IS NULL) AS list,"
        " bool_or(price_group_id IS NOT NULL AND old IS NOT NULL) AS own,"
        " bool_or(price_group_id IS NOT NULL AND old IS NULL) AS first"
        " FROM price_changes WHERE id = ANY (%s)",
        (list(change_ids),),
    )
    kinds = await cursor.fetchone()
    assert kinds is not None  # noqa: S101  an aggregate has a row
    for kind, statement in (("list", _TAKE_LIST), ("own", _TAKE_GROUP), ("first", _TAKE_FIRST)):
        if kinds[kind]:
            cursor = await conn.execute(statement, (list(change_ids),))
            taken += [row["id"] for row in await cursor.fetchall()]
    if taken:
        await _decide(conn, taken, PriceChangeState.APPROVED, staff_id)
    return taken


async def _decide(conn: Connection, change_ids: Sequence[int], state: PriceChangeState, staff_id: int | None) -> None:
    await conn.execute(
        "UPDATE price_changes SET state = %s, decided_at = now(), staff_id = %s WHERE id = ANY (%s)",
        (state, staff_id, list(change_ids)),
    )
