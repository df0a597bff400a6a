"""How old customers' debts are, after how many days they are overdue, and who is.

Top-ups and corrections pay the oldest debits first; what is refunded or reversed of an order was never owed. A side job
marks who is overdue every hour, and a change of terms counts at once. The mark goes in the transaction that pays what
was overdue, inside the ledger's own functions, so that no way of paying can forget it.
"""

from dataclasses import dataclass
from datetime import datetime

from app.db import Connection, Database
from app.errors import Invalid
from app.ledger.service import account_of

MAX_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Ageing:
    """A customer's debt in micro-units of ``currency`` by its age in whole days; ``oldest``: since when it is owed."""

    customer_id: int
    username: str
    currency: str
    debt: int
    days_0_7: int
    days_8_30: int
    days_31_60: int
    days_over_60: int
    oldest: datetime | None
    credit_limit: int
    credit_days: int | None
    overdue: bool


_AGEING = """
SELECT c.id AS customer_id, c.username, a.currency::text, g.debt, g.days_0_7, g.days_8_30, g.days_31_60,
       g.days_over_60, g.oldest, a.credit_limit, a.credit_days, a.overdue
FROM accounts a JOIN customers c ON c.id = a.customer_id, LATERAL ledger_ageing(a.id) g
"""


async def ageing_of(conn: Connection, customer_id: int) -> Ageing:
    """Return a customer's debt by age; all zero if they owe nothing. NotFound for an unknown customer."""
    account = await account_of(conn, customer_id)
    row = await (await conn.execute(f"{_AGEING} WHERE a.id = %s", (account.id,))).fetchone()
    assert row is not None  # noqa: S101  the account was just read, and none is ever removed
    return Ageing(**row)


async def debtors(conn: Connection, *, overdue: bool | None = None, after: int = 0, limit: int) -> list[Ageing]:
    """Return the customers who owe something, in order of id, those above ``after``; ``overdue`` None: all of them."""
    cursor = await conn.execute(
        f"{_AGEING} WHERE a.balance < 0 AND a.customer_id > %(after)s"
        " AND (%(overdue)s::boolean IS NULL OR a.overdue = %(overdue)s) ORDER BY a.customer_id LIMIT %(limit)s",
        {"after": after, "overdue": overdue, "limit": limit},
    )
    return [Ageing(**row) for row in await cursor.fetchall()]


async def set_credit_days(conn: Connection, customer_id: int, days: int | None) -> None:
    """Set after how many days a debt is overdue, None for never; it counts at once. Raises Invalid, NotFound."""
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise Invalid(f"Credit lasts 1 to {MAX_DAYS} days.", field="credit_days")
    account = await account_of(conn, customer_id)
    await conn.execute("SELECT ledger_set_terms(%s, %s)", (account.id, days))


async def refresh_overdue(db: Database) -> tuple[int, int]:
    """Look at every account that is overdue or could become so; return how many were looked at and are overdue.

    Each in its own transaction, so that nobody who orders meanwhile waits for more than their own.
    """
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT id FROM accounts WHERE overdue OR (credit_days IS NOT NULL AND balance < 0) ORDER BY id"
        )
        accounts = [row["id"] for row in await cursor.fetchall()]
        overdue = 0
        for account_id in accounts:
            row = await (await conn.execute("SELECT ledger_refresh_overdue(%s) AS it", (account_id,))).fetchone()
            overdue += bool(row and row["it"])
    return len(accounts), overdue
