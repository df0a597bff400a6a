"""Our own books of a supplier: what we paid in, less what our attempts cost. The only balance where none can be asked
for."""

from dataclasses import dataclass

from app.db import Connection
from app.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Books:
    """Amounts in micro-units of ``currency``; ``balance`` is what the account should hold by our books."""

    currency: str
    paid_in: int
    spent: int
    in_doubt: int
    balance: int


async def add_deposit(
    conn: Connection, supplier_id: int, *, amount: int, reference: str, note: str, staff_id: int | None
) -> tuple[int, bool]:
    """Write down a deposit once per reference; return its id and whether it is new. Invalid for zero."""
    if amount == 0:
        raise Invalid("A deposit is above or below zero.", field="amount")
    reference = reference.strip()
    if not reference:
        raise Invalid("A deposit needs a reference.", field="reference")
    cursor = await conn.execute(
        "INSERT INTO supplier_deposits (supplier_id, amount, reference, note, staff_id)"
        " SELECT id, %s, %s, %s, %s FROM suppliers WHERE id = %s"
        " ON CONFLICT (supplier_id, reference) DO NOTHING RETURNING id",
        (amount, reference, note, staff_id, supplier_id),
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
    is unclear or being sent is in doubt.
    """
    cursor = await conn.execute(
        "SELECT s.currency,"
        " (SELECT COALESCE(sum(amount), 0)::bigint FROM supplier_deposits WHERE supplier_id = s.id) AS paid_in,"
        " (SELECT COALESCE(sum(cost), 0)::bigint FROM attempts WHERE supplier_id = s.id"
        "   AND state IN ('placed', 'done')) AS spent,"
        " (SELECT COALESCE(sum(cost), 0)::bigint FROM attempts WHERE supplier_id = s.id"
        "   AND state IN ('sending', 'unclear')) AS in_doubt"
        " FROM suppliers s WHERE s.id = %s",
        (supplier_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such supplier.")
    return Books(**row, balance=row["paid_in"] - row["spent"])
