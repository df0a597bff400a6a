"""What staff decide about orders: an unclear attempt resolved, an open order rejected, a completed one reversed."""

from dataclasses import replace

from app.connectors.errors import RefusalReason
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.orders import policy
from app.orders.attempts import ClaimedAttempt, Write, clean, record
from app.orders.cancelling import request_close
from app.orders.states import AttemptState, OrderState
from app.suppliers.service import route_facts

_UNCLEAR = """
SELECT w.*, a.state, a.lease_by FROM attempts a JOIN attempt_work w ON w.attempt_id = a.id
WHERE a.id = %s FOR UPDATE OF a
"""


async def resolve_attempt(
    conn: Connection, attempt_id: int, *, found: bool, remote_id: str | None, staff_id: int
) -> None:
    """Say what a person found out about an unclear attempt; ``conn`` is inside a transaction.

    Found: the supplier has it under ``remote_id`` and the poller asks after it. Not found: proof that nothing was
    bought, so the order takes the next route, or is rejected and refunded. Raises NotFound, Conflict if the attempt is
    not unclear or the id is another attempt's, Invalid if found without an id.

    The truth about an attempt that was abandoned puts the supplier's books right, and changes no order.
    """
    row = await (await conn.execute(_UNCLEAR, (attempt_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such attempt.")
    # A worker may hold it now to look for it; a person's word comes first, and the worker's then changes nothing.
    lease_by = row.pop("lease_by")
    state = AttemptState(row.pop("state"))
    if state not in (AttemptState.UNCLEAR, AttemptState.ABANDONED):
        raise Conflict("Only an unclear attempt can be resolved.")
    actor = f"staff {staff_id}"
    if not found and state is AttemptState.ABANDONED:
        write = Write(attempt_id, state, AttemptState.REFUSED, refusal=RefusalReason.OTHER, text=policy.NOT_TAKEN)
    elif not found:
        claim = ClaimedAttempt(**row)
        routes = await route_facts(conn, [(claim.service_id, claim.currency)])
        write = policy.not_there(claim, policy.NOT_TAKEN, routes[claim.service_id, claim.currency])
    else:
        remote_id = clean((remote_id or "").strip())
        if not remote_id:
            raise Invalid("The supplier's order id is needed.", field="remote_id")
        cursor = await conn.execute(
            "SELECT 1 FROM attempts WHERE remote_id = %s AND id <> %s"
            " AND supplier_id = (SELECT supplier_id FROM attempts WHERE id = %s)",
            (remote_id, attempt_id, attempt_id),
        )
        if await cursor.fetchone():
            raise Conflict("That id is another order's at this supplier.", field="remote_id")
        write = Write(attempt_id, state, AttemptState.DONE, remote_id=remote_id)
        if state is AttemptState.UNCLEAR:
            write = replace(write, new=AttemptState.PLACED, order_to=OrderState.IN_PROGRESS)
    if not await record(conn, [write], lease_by=lease_by, actor=actor):
        raise Conflict("The attempt was changed by somebody else; look again.")


async def reject_order(conn: Connection, order_id: int, *, reason: str, staff_id: int) -> None:
    """Close an open order unserved and refund it; ``conn`` is inside a transaction.

    Refused with Conflict while an attempt is being sent, with a supplier or unclear: it may have been bought, and money
    goes back only on proof. Raises NotFound and Invalid.
    """
    reason = clean(reason.strip())
    if not reason:
        raise Invalid("The customer needs a reason.", field="reason")
    outcome = await request_close(conn, order_id, actor=f"staff {staff_id}", reason=reason, wish=False)
    if outcome == "unknown":
        raise NotFound("There is no such order.")
    if outcome == "closed":
        raise Conflict("The order is closed already.")
    if outcome == "requested":
        raise Conflict("A supplier has this order, or may have it; resolve that first.")


async def reverse_order(conn: Connection, order_id: int, *, reason: str, staff_id: int) -> None:
    """Reject a completed order and give the money back from sales, once, with a reason.

    Raises Conflict if the order is not completed, Invalid without a reason.
    """
    reason = clean(reason.strip())
    if not reason:
        raise Invalid("A reversal needs a reason.", field="reason")
    cursor = await conn.execute("SELECT reverse_order(%s, %s, %s) AS done", (order_id, staff_id, reason))
    row = await cursor.fetchone()
    if row is None or not row["done"]:
        raise Conflict("Only a completed order can be reversed.")
