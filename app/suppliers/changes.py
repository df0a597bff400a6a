"""What staff see of a supplier's changes and decide about them: approve, reject, undo.

A change that was rejected or undone stands for as long as the supplier says the same: no reading takes it over, and a
price that rose keeps its routes blocked, because an order would be bought at theirs and not at ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.types.json import Jsonb

from app.db import Connection
from app.errors import Conflict, NotFound
from app.suppliers.changes_margin import Effect, effects_of

KEPT_DAYS = 90
"""How long a change is kept that holds no more: the supplier, or a later change, has said something else."""

MAX_FORGOTTEN = 50_000
"""How many are removed at a time, so that no transaction is long."""


class ChangeState(StrEnum):
    """What became of a change: taken over by itself, waiting for staff, or what they decided."""

    APPLIED = "applied"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change with the remote service as it is now. ``old`` and ``new`` hold the columns concerned, costs in
    micro-units of ``currency`` unless they name another; ``outdated_at`` is when the supplier said something else."""

    id: int
    supplier_id: int
    remote_service_id: int
    remote_id: str
    remote_name: str
    currency: str
    kind: str
    old: dict[str, Any]
    new: dict[str, Any]
    state: ChangeState
    found_at: datetime
    decided_at: datetime | None
    staff_id: int | None
    outdated_at: datetime | None
    effects: list[Effect]


_CHANGES = """
SELECT c.id, c.supplier_id, c.remote_service_id, m.remote_id, m.name AS remote_name,
       COALESCE(NULLIF(m.currency, ''), s.currency) AS currency, c.kind, c.old, c.new, c.state, c.found_at,
       c.decided_at, c.staff_id, c.outdated_at
FROM catalog_changes c
JOIN remote_services m ON m.id = c.remote_service_id
JOIN suppliers s ON s.id = c.supplier_id
"""


async def list_changes(
    conn: Connection,
    supplier_id: int | None,
    *,
    state: ChangeState | None = None,
    after: int = 0,
    newest_first: bool = False,
    limit: int,
) -> list[ChangeRow]:
    """Return a supplier's changes, or with None those of all, in order of id; NotFound if there is no such supplier.

    They begin behind the one with the id ``after``, 0 for the first of them. Those that wait are the ones that still
    can be decided; no state is for all, whatever became of them.
    """
    if supplier_id is not None:
        cursor = await conn.execute("SELECT 1 FROM suppliers WHERE id = %s", (supplier_id,))
        if await cursor.fetchone() is None:
            raise NotFound("There is no such supplier.")
    conditions = []
    if supplier_id is not None:
        conditions.append("c.supplier_id = %(supplier)s")
    if state is ChangeState.WAITING:
        conditions.append("c.state = 'waiting' AND c.outdated_at IS NULL")
    elif state is not None:
        conditions.append("c.state = %(state)s")
    if after:
        conditions.append("c.id < %(after)s" if newest_first else "c.id > %(after)s")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    cursor = await conn.execute(
        f"{_CHANGES} {where} ORDER BY c.id {'DESC' if newest_first else ''} LIMIT %(limit)s",
        {"supplier": supplier_id, "after": after, "state": state, "limit": limit},
    )
    return await _with_effects(conn, await cursor.fetchall())


async def get_change(conn: Connection, change_id: int) -> ChangeRow:
    """Return a change; NotFound if there is none."""
    row = await (await conn.execute(f"{_CHANGES} WHERE c.id = %s", (change_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such change.")
    return (await _with_effects(conn, [row]))[0]


async def _with_effects(conn: Connection, rows: Sequence[dict[str, Any]]) -> list[ChangeRow]:
    effects = await effects_of(conn, [row["id"] for row in rows])
    return [
        ChangeRow(**{**row, "state": ChangeState(row["state"]), "effects": effects.get(row["id"], [])}) for row in rows
    ]


async def approve(conn: Connection, change_id: int, *, staff_id: int | None) -> None:
    """Take a change over that waits, or was turned down and still stands; ``conn`` is inside a transaction.

    Raises NotFound, and Conflict if the supplier has said something else since, or it was taken over already.
    """
    change = await _locked(conn, change_id)
    if change["outdated_at"] is not None:
        raise Conflict("The supplier has said something else since; look at the newer change.")
    if change["state"] in (ChangeState.APPLIED, ChangeState.APPROVED):
        raise Conflict("This change was taken over already.")
    taken = {"removed_at": None} if change["kind"] == "new" else change["new"]
    await _write(conn, change["remote_service_id"], taken)
    await _decide(conn, change_id, ChangeState.APPROVED, staff_id)


async def approve_many(conn: Connection, supplier_id: int, change_ids: Sequence[int], *, staff_id: int | None) -> int:
    """Approve those of a supplier's changes that still wait and return how many did; the others stay as they are.

    ``conn`` is inside a transaction. NotFound if there is no such supplier.
    """
    await _lock_supplier(conn, supplier_id)
    decided = await _decide_waiting(conn, supplier_id, change_ids, ChangeState.APPROVED, staff_id)
    await conn.execute(
        "SELECT change_remote_services(array_agg(w.id), array_agg(w.new)) FROM ("
        " SELECT c.remote_service_id AS id, jsonb_object_agg(e.key, e.value) AS new FROM catalog_changes c"
        " CROSS JOIN jsonb_each(CASE c.kind WHEN 'new' THEN '{\"removed_at\": null}' ELSE c.new END) e"
        " WHERE c.id = ANY (%s) GROUP BY 1) w",
        (decided,),
    )
    return len(decided)


async def waiting_ids(conn: Connection, supplier_id: int) -> list[int]:
    """Return the ids of all of a supplier's changes that wait."""
    cursor = await conn.execute(
        "SELECT id FROM standing_changes WHERE supplier_id = %s AND state = 'waiting' ORDER BY id", (supplier_id,)
    )
    return [row["id"] for row in await cursor.fetchall()]


async def reject(conn: Connection, change_id: int, *, staff_id: int | None) -> None:
    """Turn down a change that waits; what we have stays. ``conn`` is inside a transaction. NotFound, Conflict."""
    change = await _locked(conn, change_id)
    if change["state"] != ChangeState.WAITING or change["outdated_at"] is not None:
        raise Conflict("This change does not wait.")
    await _decide(conn, change_id, ChangeState.REJECTED, staff_id)


async def reject_many(conn: Connection, supplier_id: int, change_ids: Sequence[int], *, staff_id: int | None) -> int:
    """Reject those of a supplier's changes that still wait and return how many did; the others stay as they are.

    ``conn`` is inside a transaction. NotFound if there is no such supplier.
    """
    await _lock_supplier(conn, supplier_id)
    return len(await _decide_waiting(conn, supplier_id, change_ids, ChangeState.REJECTED, staff_id))


async def undo(conn: Connection, change_id: int, *, staff_id: int | None) -> None:
    """Take a change back that was taken over, and do not follow the supplier in it until they say something else.

    ``conn`` is inside a transaction. Raises NotFound, and Conflict if it was never taken over, if the remote service
    has changed again since, or if a later change of its kind stands.
    """
    change = await _locked(conn, change_id)
    if change["state"] not in (ChangeState.APPLIED, ChangeState.APPROVED):
        raise Conflict("This change was not taken over.")
    cursor = await conn.execute(
        "SELECT CASE WHEN %(kind)s IN ('new', 'back') THEN m.removed_at IS NULL"
        "            WHEN %(kind)s = 'removed' THEN m.removed_at IS NOT NULL"
        "            ELSE jsonb_populate_record(m, %(new)s) IS NOT DISTINCT FROM m END"
        "       AND NOT EXISTS (SELECT FROM standing_changes c"
        "                       WHERE c.remote_service_id = m.id AND c.kind = %(kind)s) AS newest"
        " FROM remote_services m WHERE m.id = %(id)s",
        {"kind": change["kind"], "new": Jsonb(change["new"]), "id": change["remote_service_id"]},
    )
    row = await cursor.fetchone()
    if row is None or not row["newest"]:
        raise Conflict("The remote service has changed again since.")
    if change["kind"] in ("new", "back"):
        await conn.execute(
            "UPDATE remote_services SET removed_at = now() WHERE id = %s", (change["remote_service_id"],)
        )
    else:
        await _write(conn, change["remote_service_id"], change["old"])
    await _decide(conn, change_id, ChangeState.UNDONE, staff_id)


async def forget_changes(conn: Connection) -> int:
    """Delete old changes that hold no more, those found first before others, and return how many.

    One that was taken over holds as long as it is the last of its kind for its remote service: only that can be undone.
    """
    cursor = await conn.execute(
        "DELETE FROM catalog_changes WHERE id IN ("
        " SELECT c.id FROM catalog_changes c"
        " WHERE c.found_at < now() - make_interval(days => %(days)s) AND ("
        "   c.outdated_at < now() - make_interval(days => %(days)s)"
        "   OR c.state IN ('applied', 'approved') AND EXISTS ("
        "       SELECT FROM catalog_changes l WHERE l.remote_service_id = c.remote_service_id AND l.kind = c.kind"
        "       AND l.id > c.id AND l.found_at < now() - make_interval(days => %(days)s)"
        "       AND l.state IN ('applied', 'approved')))"
        " ORDER BY c.id LIMIT %(most)s)",
        {"days": KEPT_DAYS, "most": MAX_FORGOTTEN},
    )
    return cursor.rowcount


async def _lock_supplier(conn: Connection, supplier_id: int) -> None:
    """Wait for a reading under way to end, and keep the next one out."""
    cursor = await conn.execute("SELECT 1 FROM suppliers WHERE id = %s FOR NO KEY UPDATE", (supplier_id,))
    if await cursor.fetchone() is None:
        raise NotFound("There is no such supplier.")


async def _locked(conn: Connection, change_id: int) -> dict[str, Any]:
    """Return a change that nobody else changes until the transaction ends."""
    cursor = await conn.execute("SELECT supplier_id FROM catalog_changes WHERE id = %s", (change_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such change.")
    await _lock_supplier(conn, row["supplier_id"])
    cursor = await conn.execute("SELECT * FROM catalog_changes WHERE id = %s", (change_id,))
    change = await cursor.fetchone()
    if change is None:
        raise NotFound("There is no such change.")
    return change


async def _write(conn: Connection, remote_service_id: int, values: dict[str, Any]) -> None:
    await conn.execute(
        "SELECT change_remote_services(ARRAY[%s::bigint], ARRAY[%s::jsonb])", (remote_service_id, Jsonb(values))
    )


async def _decide(conn: Connection, change_id: int, state: ChangeState, staff_id: int | None) -> None:
    await conn.execute(
        "UPDATE catalog_changes SET state = %s, decided_at = now(), staff_id = %s WHERE id = %s",
        (state, staff_id, change_id),
    )


async def _decide_waiting(
    conn: Connection, supplier_id: int, change_ids: Sequence[int], state: ChangeState, staff_id: int | None
) -> list[int]:
    cursor = await conn.execute(
        "UPDATE catalog_changes SET state = %s, decided_at = now(), staff_id = %s"
        " WHERE id = ANY (%s) AND supplier_id = %s AND state = 'waiting' AND outdated_at IS NULL RETURNING id",
        (state, staff_id, list(change_ids), supplier_id),
    )
    return [row["id"] for row in await cursor.fetchall()]
