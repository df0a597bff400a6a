"""The one way in which staff move money or grant credit: done at once, or written down for a second pair of eyes.

Every face calls these and none calls the ledger's own functions, so that no door has a higher limit than another.
"""

from dataclasses import dataclass

from app.approvals.service import ApprovalKind, ApprovalRow, Wanted, ask
from app.db import Connection
from app.errors import Conflict, Invalid
from app.ledger import service as ledger
from app.orders.resolution import reverse_order


@dataclass(frozen=True, slots=True)
class FourEyes:
    """Above which amount two people are needed: ``above`` in micro-units of ``base``, None for never."""

    above: int | None
    base: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Money that moved: the transfer, and whether it is ``new`` or the reference had made it before."""

    transfer_id: int
    new: bool


async def needs_two(conn: Connection, eyes: FourEyes, amount: int, currency: str) -> bool:
    """Whether an amount in micro-units, of either sign, needs two people; without a rate nobody can say, so it does."""
    if eyes.above is None or amount == 0:
        return False
    if currency == eyes.base:
        return abs(amount) > eyes.above
    # Multiplied out, because nothing may be rounded away at the limit.
    cursor = await conn.execute(
        "SELECT %s::numeric * rate_of(%s) > %s::numeric * rate_of(%s) AS above",
        (abs(amount), currency, eyes.above, eyes.base),
    )
    row = await cursor.fetchone()
    return row is None or row["above"] is not False


async def refuse_alone(conn: Connection, eyes: FourEyes, amount: int, currency: str, *, field: str) -> None:
    """Raise Conflict if ``amount`` needs two people where nobody can be asked to approve."""
    if await needs_two(conn, eyes, amount, currency):
        raise Conflict(
            "This is above FOUR_EYES_ABOVE: ask for it by the staff API, for another to approve.", field=field
        )


async def topup(
    conn: Connection, eyes: FourEyes, customer_id: int, *, amount: int, reference: str, staff_id: int | None
) -> Moved | ApprovalRow:
    """Credit a customer once per reference, or ask for it; ``staff_id`` None cannot ask. Raises as ``ledger.topup``."""
    if amount <= 0:
        raise Invalid("An amount is above zero.", field="amount")
    reference = ledger.clean_reference(reference)
    account = await ledger.account_of(conn, customer_id)
    if await needs_two(conn, eyes, amount, account.currency):
        earlier = await ledger.given_before(conn, customer_id, kind="topup", amount=amount, reference=reference)
        if earlier is not None:
            return Moved(earlier, new=False)
        if staff_id is None:
            await refuse_alone(conn, eyes, amount, account.currency, field="amount")
        else:
            kind = ApprovalKind.TOPUP
            wanted = Wanted(kind, customer_id, amount, account.currency, reason=reference, reference=reference)
            return await ask(conn, wanted, staff_id=staff_id)
    return Moved(*await ledger.topup(conn, customer_id, amount=amount, reference=reference, staff_id=staff_id))


async def adjust(
    conn: Connection, eyes: FourEyes, customer_id: int, *, amount: int, reference: str, reason: str, staff_id: int
) -> Moved | ApprovalRow:
    """Correct a balance once per reference, or ask for it; raises as ``ledger.adjust``."""
    if amount == 0:
        raise Invalid("An amount is above or below zero.", field="amount")
    reason, reference = ledger.clean_reason(reason, "An adjustment"), ledger.clean_reference(reference)
    account = await ledger.account_of(conn, customer_id)
    if await needs_two(conn, eyes, amount, account.currency):
        earlier = await ledger.given_before(conn, customer_id, kind="adjust", amount=amount, reference=reference)
        if earlier is not None:
            return Moved(earlier, new=False)
        if account.balance + account.credit_limit + amount < 0:
            raise Conflict("The balance and credit limit do not cover that.", field="amount")
        wanted = Wanted(ApprovalKind.ADJUST, customer_id, amount, account.currency, reason, reference=reference)
        return await ask(conn, wanted, staff_id=staff_id)
    moved = await ledger.adjust(conn, customer_id, amount=amount, reference=reference, reason=reason, staff_id=staff_id)
    return Moved(*moved)


async def reverse(conn: Connection, eyes: FourEyes, order_id: int, *, reason: str, staff_id: int) -> ApprovalRow | None:
    """Reject a completed order and give back what was settled of it, or ask for it; Conflict, Invalid."""
    reason = ledger.clean_reason(reason, "A reversal")
    cursor = await conn.execute(
        "SELECT o.state, o.customer_id, o.currency::text, COALESCE(t.amount, 0) AS amount FROM orders o"
        " LEFT JOIN transfers t ON t.order_id = o.id AND t.kind = 'settle' WHERE o.id = %s",
        (order_id,),
    )
    order = await cursor.fetchone()
    if order is None or order["state"] != "completed":
        raise Conflict("Only a completed order can be reversed.")
    if await needs_two(conn, eyes, order["amount"], order["currency"]):
        wanted = Wanted(
            ApprovalKind.REVERSE, order["customer_id"], order["amount"], order["currency"], reason, order_id=order_id
        )
        return await ask(conn, wanted, staff_id=staff_id)
    await reverse_order(conn, order_id, reason=reason, staff_id=staff_id)
    return None


async def set_credit_limit(
    conn: Connection, eyes: FourEyes, customer_id: int, credit_limit: int, *, reason: str, staff_id: int
) -> ApprovalRow | None:
    """Set how far below zero a balance may go, or ask for it if it becomes more and is above the limit for one person.

    The limit itself is compared, not the step to it: many small steps would add up. Raises as the ledger does.
    """
    # Locked, because whether this is a raise is decided by the limit that it replaces.
    await conn.execute("SELECT 1 FROM accounts WHERE customer_id = %s FOR UPDATE", (customer_id,))
    account = await ledger.account_of(conn, customer_id)
    if credit_limit > account.credit_limit and await needs_two(conn, eyes, credit_limit, account.currency):
        wanted = Wanted(
            ApprovalKind.CREDIT_LIMIT,
            customer_id,
            credit_limit,
            account.currency,
            reason.strip() or "A higher credit limit",
            previous=account.credit_limit,
        )
        return await ask(conn, wanted, staff_id=staff_id)
    await ledger.set_credit_limit(conn, customer_id, credit_limit)
    return None
