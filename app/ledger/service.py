"""Moves money by calling the ledger's SQL functions, and reads accounts."""

from dataclasses import dataclass
from typing import LiteralString

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class AccountState:
    """A customer's account: amounts in micro-units of ``currency``."""

    id: int
    currency: str
    balance: int
    credit_limit: int


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


async def available(conn: Connection, customer_id: int) -> int:
    """Return what a customer may spend now: the balance and, unless a debt is overdue, the credit limit."""
    cursor = await conn.execute(
        "SELECT balance + CASE WHEN overdue THEN 0 ELSE credit_limit END AS available FROM accounts"
        " WHERE customer_id = %s",
        (customer_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    return int(row["available"])


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


async def low_balance_of(conn: Connection, customer_id: int) -> int | None:
    """Return the balance below which a customer wants to be told, None for never; NotFound."""
    cursor = await conn.execute("SELECT low_balance FROM accounts WHERE customer_id = %s", (customer_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    threshold: int | None = row["low_balance"]
    return threshold


async def set_low_balance(conn: Connection, customer_id: int, threshold: int | None) -> None:
    """Tell a customer from now on each time that their balance falls below this; None: never. NotFound."""
    cursor = await conn.execute("UPDATE accounts SET low_balance = %s WHERE customer_id = %s", (threshold, customer_id))
    if cursor.rowcount == 0:
        raise NotFound("There is no such customer.")


async def topup(
    conn: Connection, customer_id: int, *, amount: int, reference: str, staff_id: int | None
) -> tuple[int, bool]:
    """Credit a customer once per ``reference``; return the transfer's id and whether it is new.

    The same reference with another amount is a Conflict: it was used for something else. Raises Invalid for an amount
    that is not above zero or an empty reference, NotFound for an unknown customer.
    """
    if amount <= 0:
        raise Invalid("An amount is above zero.", field="amount")
    reference = clean_reference(reference)
    account = await account_of(conn, customer_id)
    cursor = await conn.execute("SELECT ledger_topup(%s, %s, %s, %s) AS id", (account.id, amount, reference, staff_id))
    row = await cursor.fetchone()
    if row is not None and row["id"] is not None:
        return row["id"], True
    earlier = await given_before(conn, customer_id, kind="topup", amount=amount, reference=reference)
    if earlier is None:
        raise NotFound("There is no such customer.")
    return earlier, False


async def adjust(
    conn: Connection, customer_id: int, *, amount: int, reference: str, reason: str, staff_id: int | None
) -> tuple[int, bool]:
    """Correct a balance up or down once per ``reference``; return the transfer's id and whether it is new.

    Raises Conflict if the account does not cover what would be taken or the reference was used for another amount,
    Invalid for zero, an empty reason or an empty reference.
    """
    if amount == 0:
        raise Invalid("An amount is above or below zero.", field="amount")
    reason, reference = clean_reason(reason, "An adjustment"), clean_reference(reference)
    account = await account_of(conn, customer_id)
    cursor = await conn.execute(
        "SELECT ledger_adjust(%s, %s, %s, %s, %s) AS id", (account.id, amount, reference, reason, staff_id)
    )
    row = await cursor.fetchone()
    if row is not None and row["id"] is not None:
        return row["id"], True
    earlier = await given_before(conn, customer_id, kind="adjust", amount=amount, reference=reference)
    if earlier is None:
        raise Conflict("The balance and credit limit do not cover that.", field="amount")
    return earlier, False


# One query for each kind, in the words of its own index: an account may have a million other lines.
_GIVEN: dict[str, LiteralString] = {
    "topup": """
        SELECT t.id, t.amount AS change FROM accounts a
        JOIN transfers t ON t.kind = 'topup' AND t.credit_id = a.id AND t.reference = %(reference)s
        WHERE a.customer_id = %(customer)s
    """,
    "adjust": """
        SELECT t.id, CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END AS change FROM accounts a
        JOIN accounts s ON s.role = 'adjustments' AND s.currency = a.currency AND s.customer_id IS NULL
        JOIN transfers t ON t.kind = 'adjust' AND LEAST(t.debit_id, t.credit_id) = LEAST(a.id, s.id)
            AND GREATEST(t.debit_id, t.credit_id) = GREATEST(a.id, s.id) AND t.reference = %(reference)s
        WHERE a.customer_id = %(customer)s
    """,
}


async def given_before(conn: Connection, customer_id: int, *, kind: str, amount: int, reference: str) -> int | None:
    """Return the transfer that this reference made, None if it made none; Conflict if it was for another amount."""
    cursor = await conn.execute(_GIVEN[kind], {"customer": customer_id, "reference": reference})
    row = await cursor.fetchone()
    if row is None:
        return None
    if row["change"] != amount:
        raise Conflict("This reference was used for another amount.", field="reference")
    return int(row["id"])


MAX_REASON = 1000


def clean_reference(reference: str) -> str:
    """Return a reference without blanks around it; Invalid unless it has 1 to 200 characters."""
    reference = reference.strip()
    if not reference or len(reference) > 200 or "\x00" in reference:
        raise Invalid("A reference has 1 to 200 characters.", field="reference")
    return reference


def clean_reason(reason: str, what: str) -> str:
    """Return a reason without blanks around it; Invalid, saying that ``what`` needs one, if nothing is left, and for
    one that no list could show."""
    reason = reason.strip()
    if not reason or "\x00" in reason:
        raise Invalid(f"{what} needs a reason.", field="reason")
    if len(reason) > MAX_REASON:
        raise Invalid(f"A reason has at most {MAX_REASON} characters.", field="reason")
    return reason
