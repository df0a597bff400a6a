"""Proves the ledger: six statements that are true of every database in which no credit was lost, doubled or invented.

1. Every customer's balance equals the sum of their transfers.
2. Every transfer stays within one currency, that of both of its accounts.
3. Escrow holds exactly the price of the open orders, per currency.
4. Every order that costs something was charged once, its price, to its own customer.
5. Every closed order has exactly the outcome its state names, together the amount charged; an open one has none.
6. All accounts of a currency sum to zero.

The proof reads one snapshot, so it runs beside a busy service without stopping it.
"""

from dataclasses import dataclass

from app.db import Connection


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that is broken: by what (``subject``), and how (``detail``)."""

    promise: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What was looked at and what was found; ``ok`` if nothing is broken."""

    accounts: int
    transfers: int
    orders: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise holds."""
        return not self.findings


_CHECKS = {
    "every balance equals its transfers": """
        SELECT 'account ' || a.id AS subject,
               'balance ' || a.balance || ', transfers ' || COALESCE(t.total, 0) AS detail
        FROM accounts a
        LEFT JOIN (
            SELECT account_id, sum(change) AS total FROM (
                SELECT debit_id AS account_id, -amount AS change FROM transfers
                UNION ALL SELECT credit_id, amount FROM transfers
            ) c GROUP BY account_id
        ) t ON t.account_id = a.id
        WHERE a.role = 'customer' AND a.balance <> COALESCE(t.total, 0)
    """,
    "a transfer stays within one currency": """
        SELECT 'transfer ' || t.id AS subject, t.currency || ': ' || d.currency || ' to ' || c.currency AS detail
        FROM transfers t JOIN accounts d ON d.id = t.debit_id JOIN accounts c ON c.id = t.credit_id
        WHERE t.currency <> d.currency OR t.currency <> c.currency
    """,
    "escrow equals the price of open orders": """
        SELECT 'escrow ' || currency AS subject, 'holds ' || sum(held) || ', open orders ' || sum(owed) AS detail
        FROM (
            SELECT a.currency, CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END AS held, 0 AS owed
            FROM accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id) WHERE a.role = 'escrow'
            UNION ALL
            SELECT currency, 0, price FROM orders WHERE state IN ('accepted', 'in_progress')
        ) e GROUP BY currency HAVING sum(held) <> sum(owed)
    """,
    "every order was charged once, its price, to its customer": """
        SELECT 'order ' || o.id AS subject, 'price ' || o.price || ', charged ' || COALESCE(t.amount::text, 'nothing')
               AS detail
        FROM orders o
        JOIN accounts a ON a.customer_id = o.customer_id
        LEFT JOIN transfers t ON t.order_id = o.id AND t.kind = 'charge'
        WHERE (t.id IS NULL AND o.price > 0)
           OR (t.id IS NOT NULL AND (t.amount <> o.price OR t.debit_id <> a.id OR t.currency <> o.currency))
    """,
    "every order has exactly the outcome its state names": """
        SELECT 'order ' || o.id AS subject, o.state || ' with ' || COALESCE(t.kinds, 'no outcome') AS detail
        FROM orders o
        LEFT JOIN (
            SELECT order_id, string_agg(kind, ' ' ORDER BY kind DESC) AS kinds,
                   sum(amount) FILTER (WHERE kind IN ('settle', 'refund')) AS out_of_escrow,
                   sum(amount) FILTER (WHERE kind = 'settle') AS settled,
                   sum(amount) FILTER (WHERE kind = 'reverse') AS reversed
            FROM transfers WHERE kind IN ('settle', 'refund', 'reverse') GROUP BY order_id
        ) t ON t.order_id = o.id
        WHERE COALESCE(t.kinds, '') <> ALL (
                  CASE WHEN o.price = 0 THEN ARRAY['']
                       WHEN o.state = 'completed' AND o.delivered IS NULL THEN ARRAY['settle']
                       WHEN o.state = 'completed' THEN ARRAY['settle refund', 'refund']
                       WHEN o.state = 'rejected' THEN ARRAY['refund', 'settle reverse', 'settle reverse refund']
                       ELSE ARRAY[''] END)
           OR t.out_of_escrow <> o.price
           OR t.reversed <> t.settled
           OR (o.state = 'completed' AND t.settled <> o.price * COALESCE(o.delivered, o.quantity) / o.quantity)
    """,
    "all accounts of a currency sum to zero": """
        SELECT 'currency ' || currency AS subject, 'sum ' || sum(amount) AS detail
        FROM (
            SELECT currency, balance AS amount FROM accounts WHERE role = 'customer'
            UNION ALL
            SELECT a.currency, CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END
            FROM accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id) WHERE a.role <> 'customer'
        ) s GROUP BY currency HAVING sum(amount) <> 0
    """,
}

MAX_FINDINGS = 100
"""How many breaks of one promise are listed; the first few tell the story."""


async def audit(conn: Connection) -> AuditResult:
    """Prove the ledger on one snapshot; ``conn`` must not be inside a transaction."""
    async with conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        counts = await (
            await conn.execute(
                "SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM transfers) AS transfers,"
                " (SELECT count(*) FROM orders) AS orders"
            )
        ).fetchone()
        findings: list[Finding] = []
        for promise, query in _CHECKS.items():
            cursor = await conn.execute(f"SELECT subject, detail FROM ({query}) q LIMIT {MAX_FINDINGS}")  # noqa: S608
            findings += [Finding(promise, row["subject"], row["detail"]) for row in await cursor.fetchall()]
    assert counts is not None  # noqa: S101  a select of counts returns one row
    return AuditResult(**counts, findings=tuple(findings))
