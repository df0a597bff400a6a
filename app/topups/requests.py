"""Requests for credit: a customer says what was paid, staff say what arrived, and it is credited once."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from app.alarms.service import AlarmKind, end_alarms, raise_alarm
from app.approvals import asking
from app.approvals.asking import FourEyes, Moved
from app.approvals.service import ApprovalRow
from app.customers.once import Once, alone, keep, recall
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.ledger.service import account_of, clean_reason
from app.money import format_amount
from app.topups.offers import Method, Package, get_method, get_package

MAX_WAITING = 5
"""How many requests of one customer may wait at a time."""

MAX_AGE = timedelta(days=366)


class TopupState(StrEnum):
    """Where a request is; every state but the first is an end."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


class TooManyWaiting(Conflict):
    """The customer has as many requests waiting as one may have."""

    code = "too_many_waiting"


@dataclass(frozen=True, slots=True)
class TopupRow:
    """A request, or what became of it; amounts in micro-units of ``currency``.

    ``credit`` is due if it arrives as the customer says; ``credited`` is what staff gave. ``approval_id`` of a waiting
    one: it was approved by one of the staff, and waits for the second.
    """

    id: int
    customer_id: int
    customer: str
    method_id: int
    method: str
    package_id: int | None
    package: str | None
    amount: int
    credit: int
    currency: str
    sender: str
    paid_on: date
    note: str
    state: TopupState
    created_at: datetime
    approval_id: int | None
    credited: int | None
    transfer_id: int | None
    decided_by: int | None
    decider: str | None
    decided_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Payment:
    """What a customer says to have paid; a package, if one is named, says how much."""

    method_id: int
    amount: int | None
    sender: str
    paid_on: date
    note: str = ""
    package_id: int | None = None


_REQUESTS = """
SELECT r.id, r.customer_id, c.username AS customer, r.method_id, m.name AS method, r.package_id, p.name AS package,
       r.amount, r.credit, r.currency::text, r.sender, r.paid_on, r.note, r.state, r.created_at, r.approval_id,
       r.credited, r.transfer_id, r.decided_by, s.email AS decider, r.decided_at, r.reason
FROM topup_requests r
JOIN customers c ON c.id = r.customer_id
JOIN payment_methods m ON m.id = r.method_id
LEFT JOIN topup_packages p ON p.id = r.package_id
LEFT JOIN staff s ON s.id = r.decided_by
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; ``again``: the key of the call had made it before."""

    request: TopupRow
    again: bool = False


async def request_topup(conn: Connection, customer_id: int, payment: Payment, *, call: Once | None = None) -> Asked:
    """Write down what a customer says to have paid, and tell staff; ``conn`` is inside a transaction that ends soon.

    Raises Invalid with the field at fault, NotFound, TooManyWaiting, and KeyReused.
    """
    # Those who ask at the same moment go one after another, and each sees what the others have.
    await conn.execute("SELECT 1 FROM customers WHERE id = %s FOR NO KEY UPDATE", (customer_id,))
    if call is not None:
        await alone(conn, customer_id)
        if (kept := await recall(conn, customer_id, call)) is not None:
            return Asked(await get_request(conn, kept["topup"]), again=True)
    payment = _checked(payment)
    account = await account_of(conn, customer_id)
    method = await get_method(conn, payment.method_id)
    if not method.active or method.currency != account.currency:
        raise NotFound("There is no such payment method.", field="method_id")
    package = None
    if payment.package_id is not None:
        package = await get_package(conn, payment.package_id)
        if not package.active or package.currency != account.currency:
            raise NotFound("There is no such package.", field="package_id")
    amount = _amount(payment, method, package)
    credit = method.credit_for(amount) if package is None else package.credit
    if credit <= 0:
        raise Invalid("The fee leaves nothing of this amount.", field="amount")
    cursor = await conn.execute(
        "SELECT count(*) AS n FROM topup_requests WHERE customer_id = %s AND state = 'waiting'", (customer_id,)
    )
    count = await cursor.fetchone()
    if count is not None and count["n"] >= MAX_WAITING:
        raise TooManyWaiting(f"At most {MAX_WAITING} requests may wait; ask again when one was decided.")
    cursor = await conn.execute(
        "INSERT INTO topup_requests (customer_id, method_id, package_id, amount, credit, currency, sender, paid_on,"
        " note) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (
            customer_id,
            method.id,
            payment.package_id,
            amount,
            credit,
            account.currency,
            payment.sender,
            payment.paid_on,
            payment.note,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    made = await get_request(conn, row["id"])
    if call is not None:
        await keep(conn, customer_id, call, {"topup": made.id})
    text = f"{made.customer} says to have paid {format_amount(amount)} {account.currency} by {made.method}."
    await raise_alarm(conn, AlarmKind.TOPUP_WAITING, _subject(made.id), text)
    return Asked(made)


async def get_request(conn: Connection, request_id: int, *, customer_id: int | None = None) -> TopupRow:
    """Return a request (of this customer, if one is named); NotFound if there is none."""
    cursor = await conn.execute(
        f"{_REQUESTS} WHERE r.id = %s AND r.customer_id = COALESCE(%s, r.customer_id)", (request_id, customer_id)
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such top-up request.")
    return _row(row)


async def list_requests(
    conn: Connection,
    *,
    state: TopupState | None = None,
    customer_id: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[TopupRow]:
    """Return requests newest first, those with an id below ``before``: in a state, of a customer, or all."""
    conditions = ["r.id < %(before)s"]
    conditions += ["r.state = %(state)s"] if state is not None else []
    conditions += ["r.customer_id = %(customer)s"] if customer_id is not None else []
    cursor = await conn.execute(
        f"{_REQUESTS} WHERE {' AND '.join(conditions)} ORDER BY r.id DESC LIMIT %(limit)s",
        {"before": before or 2**63 - 1, "state": state, "customer": customer_id, "limit": limit},
    )
    return [_row(row) for row in await cursor.fetchall()]


async def count_waiting(conn: Connection) -> int:
    """Return how many requests wait for staff."""
    row = await (await conn.execute("SELECT count(*) AS n FROM topup_requests WHERE state = 'waiting'")).fetchone()
    return int(row["n"]) if row else 0


async def approve_request(
    conn: Connection, eyes: FourEyes, request_id: int, *, credited: int | None, staff_id: int
) -> TopupRow:
    """Credit what arrived, once: ``credited`` in micro-units, or what is due if it arrived as the customer says.

    Above the limit for one person nothing moves; the request then waits for the second with its ``approval_id``. Raises
    NotFound, Invalid, and Conflict for one that is decided or waits for the second already.
    """
    request = await _open(conn, request_id)
    amount = request.credit if credited is None else credited
    # The reference is the request's own: whoever approves it, and however often, the ledger takes it once.
    given = await asking.topup(
        conn, eyes, request.customer_id, amount=amount, reference=f"top-up request {request.id}", staff_id=staff_id
    )
    if isinstance(given, ApprovalRow):
        # Its alarm stays: the second is told of it too, and a trigger ends it with their approval.
        await conn.execute("UPDATE topup_requests SET approval_id = %s WHERE id = %s", (given.id, request.id))
        return await get_request(conn, request.id)
    await _credit(conn, request, given, amount, staff_id)
    return await _told(conn, request)


async def refuse_request(conn: Connection, request_id: int, *, reason: str, staff_id: int) -> TopupRow:
    """End a request without credit, with a reason that the customer reads; NotFound, Invalid, Conflict as above."""
    reason = clean_reason(reason, "A refusal")
    request = await _open(conn, request_id)
    await conn.execute(
        "UPDATE topup_requests SET state = 'refused', reason = %s, decided_by = %s, decided_at = clock_timestamp()"
        " WHERE id = %s",
        (reason, staff_id, request.id),
    )
    return await _told(conn, request)


async def _open(conn: Connection, request_id: int) -> TopupRow:
    # Two who decide at once: the second waits here, and then sees what the first decided.
    await conn.execute("SELECT 1 FROM topup_requests WHERE id = %s FOR UPDATE", (request_id,))
    request = await get_request(conn, request_id)
    if request.state is not TopupState.WAITING:
        raise Conflict(f"This was {request.state} already.")
    if request.approval_id is not None:
        raise Conflict("This was approved by one and waits for another's approval.")
    return request


async def _credit(conn: Connection, request: TopupRow, moved: Moved, amount: int, staff_id: int) -> None:
    await conn.execute(
        "UPDATE topup_requests SET state = 'approved', credited = %s, transfer_id = %s, decided_by = %s,"
        " decided_at = clock_timestamp() WHERE id = %s",
        (amount, moved.transfer_id, staff_id, request.id),
    )


async def _told(conn: Connection, request: TopupRow) -> TopupRow:
    """Return the request as it is now; it is decided, so nobody needs to be told of it any more."""
    decided = await get_request(conn, request.id)
    await end_alarms(conn, [AlarmKind.TOPUP_WAITING], _subject(request.id))
    return decided


def _checked(payment: Payment) -> Payment:
    sender, note = payment.sender.strip(), payment.note.strip()
    if not 1 <= len(sender) <= 200 or "\x00" in sender:
        raise Invalid("The sender has 1 to 200 characters: the name or account that paid.", field="sender")
    if len(note) > 2000 or "\x00" in note:
        raise Invalid("A note has at most 2000 characters.", field="note")
    today = datetime.now(UTC).date()
    # It may be tomorrow already where the customer is.
    if not today - MAX_AGE <= payment.paid_on <= today + timedelta(days=1):
        raise Invalid("The date of the payment is not in the future and within the last year.", field="paid_on")
    return replace(payment, sender=sender, note=note)


def _amount(payment: Payment, method: Method, package: Package | None) -> int:
    amount = payment.amount
    if package is not None:
        if amount not in (None, package.pay):
            raise Invalid(f"This package costs {format_amount(package.pay)} {package.currency}.", field="amount")
        amount = package.pay
    if amount is None:
        raise Invalid("An amount or a package is needed.", field="amount")
    if amount < method.min_amount:
        raise Invalid(f"By {method.name} the least is {format_amount(method.min_amount)}.", field="amount")
    if method.max_amount is not None and amount > method.max_amount:
        raise Invalid(f"By {method.name} the most is {format_amount(method.max_amount)}.", field="amount")
    return amount


def _subject(request_id: int) -> str:
    return f"top-up request {request_id}"


def _row(row: dict[str, Any]) -> TopupRow:
    return TopupRow(**{**row, "state": TopupState(row["state"])})
