"""What waits for a second pair of eyes: written down once, decided once, and done in the transaction that decides."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.db import Connection
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.ledger import service as ledger
from app.orders.resolution import reverse_order


class ApprovalKind(StrEnum):
    """What is asked for."""

    TOPUP = "topup"
    ADJUST = "adjust"
    REVERSE = "reverse"
    CREDIT_LIMIT = "credit_limit"


class ApprovalState(StrEnum):
    """Where an approval is; every state but the first is an end."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """An act that waits for another member of staff, or what became of it; amounts in micro-units of ``currency``.

    ``amount`` is signed for an adjustment and the new limit for a credit limit, which was ``previous``. ``note`` is why
    it was refused, by a person or because it no longer fitted. ``transfer_id`` is the money that moved.
    """

    id: int
    kind: ApprovalKind
    customer_id: int
    customer: str
    order_id: int | None
    amount: int
    currency: str
    previous: int | None
    reference: str | None
    reason: str
    state: ApprovalState
    requested_by: int
    requester: str
    requested_at: datetime
    decided_by: int | None
    decider: str | None
    decided_at: datetime | None
    note: str
    transfer_id: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a member of staff asks for; see ``ApprovalRow``."""

    kind: ApprovalKind
    customer_id: int
    amount: int
    currency: str
    reason: str
    order_id: int | None = None
    previous: int | None = None
    reference: str | None = None


_APPROVALS = """
SELECT p.id, p.kind, p.customer_id, c.username AS customer, p.order_id, p.amount, p.currency::text, p.previous,
       p.reference, p.reason, p.state, p.requested_by, asker.email AS requester, p.requested_at, p.decided_by,
       decider.email AS decider, p.decided_at, p.note, p.transfer_id
FROM approvals p JOIN customers c ON c.id = p.customer_id
JOIN staff asker ON asker.id = p.requested_by
LEFT JOIN staff decider ON decider.id = p.decided_by
"""


async def ask(conn: Connection, wanted: Wanted, *, staff_id: int) -> ApprovalRow:
    """Write down what waits for another member of staff; the same asked for again is the same approval.

    Raises Conflict if something else waits under the same reference, or for the same order or credit limit.
    """
    cursor = await conn.execute(
        "INSERT INTO approvals (kind, customer_id, order_id, amount, currency, previous, reference, reason,"
        " requested_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
        (
            wanted.kind,
            wanted.customer_id,
            wanted.order_id,
            wanted.amount,
            wanted.currency,
            wanted.previous,
            wanted.reference,
            wanted.reason,
            staff_id,
        ),
    )
    row = await cursor.fetchone()
    if row is not None:
        return await get_approval(conn, row["id"])
    cursor = await conn.execute(
        f"{_APPROVALS} WHERE p.state = 'waiting' AND p.kind = %s AND p.customer_id = %s"
        " AND p.order_id IS NOT DISTINCT FROM %s AND p.reference IS NOT DISTINCT FROM %s",
        (wanted.kind, wanted.customer_id, wanted.order_id, wanted.reference),
    )
    found = await cursor.fetchone()
    if found is None or (found["amount"], found["previous"]) != (wanted.amount, wanted.previous):
        raise Conflict("Something else of this kind waits for approval already.")
    return _row(found)


async def get_approval(conn: Connection, approval_id: int) -> ApprovalRow:
    """Return one approval; NotFound if there is none."""
    row = await (await conn.execute(f"{_APPROVALS} WHERE p.id = %s", (approval_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such approval.")
    return _row(row)


async def list_approvals(
    conn: Connection,
    *,
    state: str = ApprovalState.WAITING,
    customer_id: int | None = None,
    after: int = 0,
    limit: int,
) -> list[ApprovalRow]:
    """Return the approvals in a state, oldest first, those with an id above ``after``; Invalid for no state."""
    if state not in list(ApprovalState):
        raise Invalid(f"The state is one of {', '.join(ApprovalState)}.", field="state")
    cursor = await conn.execute(
        f"{_APPROVALS} WHERE p.state = %(state)s AND p.id > %(after)s"
        " AND (%(customer)s::bigint IS NULL OR p.customer_id = %(customer)s) ORDER BY p.id LIMIT %(limit)s",
        {"state": state, "after": after, "customer": customer_id, "limit": limit},
    )
    return [_row(row) for row in await cursor.fetchall()]


async def approve(conn: Connection, approval_id: int, *, staff_id: int) -> ApprovalRow:
    """Do what was asked for, once, in this transaction, and return the approval.

    What no longer fits (the order is not completed any more, the balance does not cover it) moves nothing: the approval
    comes back refused, with the reason in ``note``. Raises NotFound, Conflict if it is decided already, Forbidden for
    whoever asked.
    """
    wanted = await _waiting(conn, approval_id)
    if wanted.requested_by == staff_id:
        raise Forbidden("Another member of staff approves what you asked for.")
    try:
        async with conn.transaction():
            transfer_id = await _act(conn, wanted)
    except (Conflict, Invalid, NotFound) as error:
        return await _decide(conn, wanted, ApprovalState.REFUSED, staff_id, note=error.message)
    return await _decide(conn, wanted, ApprovalState.APPROVED, staff_id, transfer_id=transfer_id)


async def refuse(conn: Connection, approval_id: int, *, reason: str, staff_id: int) -> ApprovalRow:
    """End an approval without doing what was asked, with a reason; whoever asked withdraws instead.

    Raises NotFound, Conflict if it is decided already, Forbidden for whoever asked, Invalid without a reason.
    """
    reason = ledger.clean_reason(reason, "A refusal")
    wanted = await _waiting(conn, approval_id)
    if wanted.requested_by == staff_id:
        raise Forbidden("What you asked for yourself can be withdrawn.")
    return await _decide(conn, wanted, ApprovalState.REFUSED, staff_id, note=reason)


async def withdraw(conn: Connection, approval_id: int, *, staff_id: int) -> ApprovalRow:
    """Take back what one asked for oneself; raises NotFound, Conflict if it is decided, Forbidden for others."""
    wanted = await _waiting(conn, approval_id)
    if wanted.requested_by != staff_id:
        raise Forbidden("Only who asked can withdraw; refuse it instead.")
    return await _decide(conn, wanted, ApprovalState.WITHDRAWN, staff_id)


async def _waiting(conn: Connection, approval_id: int) -> ApprovalRow:
    # Two who decide at once: the second waits here, and then sees what the first decided.
    await conn.execute("SELECT 1 FROM approvals WHERE id = %s FOR UPDATE", (approval_id,))
    found = await get_approval(conn, approval_id)
    if found.state is not ApprovalState.WAITING:
        raise Conflict(f"This was {found.state} already.")
    return found


async def _act(conn: Connection, wanted: ApprovalRow) -> int | None:
    """Do what was asked for, in the name of who asked; return the transfer that it made."""
    staff_id, reference = wanted.requested_by, wanted.reference or ""
    match wanted.kind:
        case ApprovalKind.TOPUP:
            transfer_id, new = await ledger.topup(
                conn, wanted.customer_id, amount=wanted.amount, reference=reference, staff_id=staff_id
            )
        case ApprovalKind.ADJUST:
            transfer_id, new = await ledger.adjust(
                conn,
                wanted.customer_id,
                amount=wanted.amount,
                reference=reference,
                reason=wanted.reason,
                staff_id=staff_id,
            )
        case ApprovalKind.REVERSE:
            return await _reverse(conn, wanted.order_id or 0, wanted.reason, staff_id)
        case ApprovalKind.CREDIT_LIMIT:
            await _raise_limit(conn, wanted)
            return None
    if not new:
        raise Conflict("This reference was used before.")
    return transfer_id


async def _reverse(conn: Connection, order_id: int, reason: str, staff_id: int) -> int:
    await reverse_order(conn, order_id, reason=reason, staff_id=staff_id)
    cursor = await conn.execute("SELECT id FROM transfers WHERE order_id = %s AND kind = 'reverse'", (order_id,))
    row = await cursor.fetchone()
    if row is None:
        raise Conflict("There is nothing to give back for this order.")
    return int(row["id"])


async def _raise_limit(conn: Connection, wanted: ApprovalRow) -> None:
    # Locked, so that the limit which the approver saw is the one that is raised.
    await conn.execute("SELECT 1 FROM accounts WHERE customer_id = %s FOR UPDATE", (wanted.customer_id,))
    account = await ledger.account_of(conn, wanted.customer_id)
    if account.credit_limit != wanted.previous:
        raise Conflict("The credit limit was changed since this was asked for.")
    await ledger.set_credit_limit(conn, wanted.customer_id, wanted.amount)


async def _decide(
    conn: Connection,
    wanted: ApprovalRow,
    state: ApprovalState,
    staff_id: int,
    *,
    note: str = "",
    transfer_id: int | None = None,
) -> ApprovalRow:
    await conn.execute(
        "UPDATE approvals SET state = %s, decided_by = %s, decided_at = clock_timestamp(), note = %s, transfer_id = %s"
        " WHERE id = %s",
        (state, staff_id, note, transfer_id, wanted.id),
    )
    return await get_approval(conn, wanted.id)


def _row(row: dict[str, Any]) -> ApprovalRow:
    return ApprovalRow(**{**row, "kind": ApprovalKind(row["kind"]), "state": ApprovalState(row["state"])})
