"""Moves money by calling the ledger's SQL functions, and reads accounts and transfers."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class AccountState:
    """A customer's account: amounts in micro-units of ``currency``."""

    id: int
    currency: str
    balance: int
    credit_limit: int


@dataclass(frozen=True, slots=True)
class TransferRow:
    """One line of a statement: ``change`` is signed from the customer's side, in micro-units."""

    id: int
    kind: str
    change: int
    currency: str
    order_id: int | None
    reference: str | None
    reason: str | None
    created_at: datetime


async def open_account(conn: Connection, customer_id: int, currency: str, credit_limit: int = 0) -> int:
    """Open a customer's account (once per customer) and return its id; Invalid for a credit limit below zero."""
    if credit_limit < 0:
        raise Invalid("A credit limit is zero or more.", field="credit_limit")
    cursor = await conn.execute("SELECT ledger_open_account(%s, %s, %s) AS id", (customer_id, currency, credit_limit))
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  a function call returns one row
    return int(row["id"])


async def account_of(conn: Connection, customer_id: int) -> AccountState:
    """Return the customer's account; NotFound if there is no such customer."""
    cursor = await conn.execute(
        "SELECT id, currency, balance, credit_limit FROM accounts WHERE customer_id = %s", (customer_id,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    return AccountState(**row)


async def set_credit_limit(conn: Connection, customer_id: int, credit_limit: int) -> None:
    """Set how far below zero a balance may go; Conflict if it is further below already."""
    if credit_limit < 0:
        raise Invalid("A credit limit is zero or more.", field="credit_limit")
    account = await account_of(conn, customer_id)
    cursor = await conn.execute(
        "UPDATE accounts SET credit_limit = %s WHERE id = %s AND balance + %s >= 0",
        (credit_limit, account.id, credit_limit),
    )
    if cursor.rowcount == 0:
        raise Conflict("The balance is further below zero than that limit.", field="credit_limit")


async def topup(
    conn: Connection, customer_id: int, *, amount: int, reference: str, staff_id: int | None
) -> tuple[int, bool]:
    """Credit a customer once per ``reference``; return the transfer's id and whether it is new.

    The same reference with another amount is a Conflict: it was used for something else. Raises Invalid for an amount
    that is not above zero or an empty reference, NotFound for an unknown customer.
    """
    if amount <= 0:
        raise Invalid("An amount is above zero.", field="amount")
    reference = reference.strip()
    if not reference or len(reference) > 200 or "\x00" in reference:
        raise Invalid("A reference has 1 to 200 characters.", field="reference")
    account = await account_of(conn, customer_id)
    cursor = await conn.execute("SELECT ledger_topup(%s, %s, %s, %s) AS id", (account.id, amount, reference, staff_id))
    row = await cursor.fetchone()
    if row is not None and row["id"] is not None:
        return row["id"], True
    cursor = await conn.execute(
        "SELECT id, amount FROM transfers WHERE kind = 'topup' AND credit_id = %s AND reference = %s",
        (account.id, reference),
    )
    earlier = await cursor.fetchone()
    if earlier is None or earlier["amount"] != amount:
        raise Conflict("This reference was used for another amount.", field="reference")
    return earlier["id"], False


async def adjust(conn: Connection, customer_id: int, *, amount: int, reason: str, staff_id: int | None) -> int:
    """Correct a balance up or down with a reason; return the transfer's id.

    Raises Conflict if the account does not cover what would be taken, Invalid for zero or an empty reason.
    """
    if amount == 0:
        raise Invalid("An amount is above or below zero.", field="amount")
    if not reason.strip():
        raise Invalid("An adjustment needs a reason.", field="reason")
    account = await account_of(conn, customer_id)
    cursor = await conn.execute(
        "SELECT ledger_adjust(%s, %s, %s, %s) AS id", (account.id, amount, reason.strip(), staff_id)
    )
    row = await cursor.fetchone()
    if row is None or row["id"] is None:
        raise Conflict("The balance and credit limit do not cover that.", field="amount")
    return int(row["id"])


async def statement(
    conn: Connection, customer_id: int, *, before: int | None = None, limit: int = 50
) -> list[TransferRow]:
    """Return the customer's transfers, newest first, those with an id below ``before``."""
    account = await account_of(conn, customer_id)
    cursor = await conn.execute(
        "SELECT id, kind, CASE WHEN credit_id = %(a)s THEN amount ELSE -amount END AS change, currency, order_id,"
        " reference, reason, created_at FROM transfers"
        " WHERE (debit_id = %(a)s OR credit_id = %(a)s) AND id < %(before)s ORDER BY id DESC LIMIT %(limit)s",
        {"a": account.id, "before": before or 2**63 - 1, "limit": limit},
    )
    return [TransferRow(**row) for row in await cursor.fetchall()]
