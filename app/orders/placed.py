"""One attempt that a supplier has, as an act of staff takes it: what a worker would have claimed, and who holds it."""

from dataclasses import dataclass

from app.db import Connection
from app.errors import NotFound
from app.orders.attempts import ClaimedPoll


@dataclass(frozen=True, slots=True)
class HeldAttempt:
    """An attempt as the poller sees it, with its state and ``lease_by``, the worker that holds it now, if any."""

    poll: ClaimedPoll
    state: str
    lease_by: str | None
    supplier_id: int
    supplier_kind: str


_HELD = """
SELECT a.id AS attempt_id, a.order_id, o.service_id, a.number, a.route_id, COALESCE(a.remote_id, '') AS remote_id,
       a.polls, COALESCE(extract(epoch FROM clock_timestamp() - a.placed_at), 0)::double precision AS age_seconds,
       COALESCE(o.late_at < clock_timestamp(), false) AS late, false AS cancel,
       v.next_after_rejection AND o.cancel_requested_at IS NULL AS next_after_rejection, o.quantity, o.price,
       o.currency::text AS currency, a.state, a.lease_by, a.supplier_id, s.kind
FROM attempts a JOIN orders o ON o.id = a.order_id JOIN services v ON v.id = o.service_id
JOIN suppliers s ON s.id = a.supplier_id
WHERE a.id = %s
"""


async def held_attempt(conn: Connection, attempt_id: int, *, lock: bool = False) -> HeldAttempt:
    """Return an attempt, locked until the transaction ends if ``lock``; NotFound if there is none."""
    # Not more than a change of the row takes: two who each wrote an exchange of it before would wait for each other.
    query = f"{_HELD} FOR NO KEY UPDATE OF a" if lock else _HELD
    row = await (await conn.execute(query, (attempt_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such attempt.")
    state, lease_by, supplier_id, kind = (row.pop(name) for name in ("state", "lease_by", "supplier_id", "kind"))
    return HeldAttempt(ClaimedPoll(**row), state, lease_by, supplier_id, kind)
