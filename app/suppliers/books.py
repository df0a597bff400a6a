"""Our own books of a supplier: what we paid in, less what our attempts cost. The only balance where none can be asked
for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.clock import now
from app.db import Connection
from app.errors import Invalid, NotFound

LATEST_DEPOSIT = timedelta(days=90)
"""A deposit may be written down so long after it arrived."""
MAX_REFERENCE = 200
MAX_NOTE = 500


@dataclass(frozen=True, slots=True)
class Books:
    """Amounts in micro-units of ``currency``; ``balance`` is what the account should hold by our books."""

    currency: str
    paid_in: int
    spent: int
    in_doubt: int
    balance: int


async def add_deposit(
    conn: Connection,
    supplier_id: int,
    *,
    amount: int,
    reference: str,
    note: str,
    staff_id: int | None,
    at: datetime | None = None,
) -> tuple[int, bool]:
    """Write down a deposit once per reference; return its id and whether it is new.

    It is in the currency of the account; ``at`` is when it arrived, now if not given. Invalid for zero, a time to come
    or one too long past.
    """
    if amount == 0:
        raise Invalid("A deposit is above or below zero.", field="amount")
    if at is not None and not now() - LATEST_DEPOSIT <= at <= now() + timedelta(minutes=1):
        raise Invalid(f"A deposit arrived in the last {LATEST_DEPOSIT.days} days.", field="at")
    reference = reference.strip()
    if not 1 <= len(reference) <= MAX_REFERENCE:
        raise Invalid(f"A deposit needs a reference of 1 to {MAX_REFERENCE} characters.", field="reference")
    if len(note) > MAX_NOTE:
        raise Invalid(f"A note has at most {MAX_NOTE} characters.", field="note")
    cursor = await conn.execute(
        "INSERT INTO supplier_deposits (supplier_id, amount, currency, reference, note, staff_id, at)"
        " SELECT id, %s, currency, %s, %s, %s, COALESCE(%s, now()) FROM suppliers WHERE id = %s"
        " ON CONFLICT (supplier_id, reference) DO NOTHING RETURNING id",
        (amount, reference, note, staff_id, at, supplier_id),
    )
    row = await cursor.fetchone()
    if row is not None:
        return row["id"], True
    cursor = await conn.execute(
        "SELECT id, amount FROM supplier_deposits WHERE supplier_id = %s AND reference = %s", (supplier_id, reference)
    )
    earlier = await cursor.fetchone()
    if earlier is None:
        raise NotFound("There is no such supplier.")
    if earlier["amount"] != amount:
        raise Invalid("This reference was used for another amount.", field="reference")
    return earlier["id"], False


async def books_of(conn: Connection, supplier_id: int) -> Books:
    """Return what our books say of a supplier; NotFound if there is none.

    An attempt costs when the supplier has it or delivered; one that failed or was refused costs nothing, and one that
    is unclear, abandoned or being sent is in doubt. What is in another currency than the account is not added to it.
    """
    cursor = await conn.execute(
        "SELECT s.currency,"
        " (SELECT COALESCE(sum(amount), 0)::bigint FROM supplier_deposits WHERE supplier_id = s.id"
        "   AND currency = s.currency) AS paid_in, bought.spent, bought.in_doubt"
        " FROM suppliers s CROSS JOIN LATERAL ("
        "  SELECT COALESCE(sum(cost) FILTER (WHERE state IN ('placed', 'done')), 0)::bigint AS spent,"
        "   COALESCE(sum(cost) FILTER (WHERE state IN ('sending', 'unclear', 'abandoned')), 0)::bigint AS in_doubt"
        "  FROM attempts WHERE supplier_id = s.id AND cost_currency = s.currency) bought"
        " WHERE s.id = %s",
        (supplier_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such supplier.")
    return Books(**row, balance=row["paid_in"] - row["spent"])


async def books_until(conn: Connection, supplier_id: int, moment: datetime, currency: str) -> int:
    """Return what the account should hold at a moment by what was paid in and bought before, in ``currency``."""
    cursor = await conn.execute(
        "SELECT (SELECT COALESCE(sum(amount), 0) FROM supplier_deposits"
        "  WHERE supplier_id = %(supplier)s AND currency = %(currency)s AND at <= %(moment)s)"
        " - (SELECT COALESCE(sum(cost), 0) FROM attempts"
        "  WHERE supplier_id = %(supplier)s AND cost_currency = %(currency)s AND sent_at <= %(moment)s"
        "    AND (state IN ('placed', 'done') OR (state = 'failed' AND closed_at > %(moment)s))) AS balance",
        {"supplier": supplier_id, "currency": currency, "moment": moment},
    )
    row = await cursor.fetchone()
    return int(row["balance"]) if row else 0
