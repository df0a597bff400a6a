"""Proves the promises about accounts and transfers with one scan of the transfers.

The scan adds them up by both accounts, currency and kind; all that is promised of balances, currencies and roles is
true of the transfers if it is true of these few sums.
"""

from dataclasses import dataclass

from app.audit.promises import MAX_FINDINGS, Breaks, Broken, Finding, Promise
from app.db import Connection

_SUMS = """
WITH sums AS MATERIALIZED (
    SELECT debit_id, credit_id, currency, kind, count(*) AS n, sum(amount) AS amount, min(id) AS first,
           count(order_id) AS for_orders
    FROM transfers GROUP BY debit_id, credit_id, currency, kind
), changes AS MATERIALIZED (
    SELECT account_id, sum(change) AS change
    FROM (SELECT debit_id AS account_id, -amount AS change FROM sums UNION ALL SELECT credit_id, amount FROM sums) s
    GROUP BY account_id
), ways AS (
    SELECT s.*, d.role AS debit_role, d.currency AS debit_currency, c.role AS credit_role, c.currency AS credit_currency
    FROM sums s LEFT JOIN accounts d ON d.id = s.debit_id LEFT JOIN accounts c ON c.id = s.credit_id
), balances AS (
    SELECT a.id, a.role, a.currency, a.balance, COALESCE(c.change, 0) AS change
    FROM accounts a LEFT JOIN changes c ON c.account_id = a.id
), escrows AS (
    SELECT currency, sum(held) AS held, sum(owed) AS owed FROM (
        SELECT currency, change AS held, 0 AS owed FROM balances WHERE role = 'escrow'
        UNION ALL SELECT currency, 0, price FROM orders WHERE state IN ('accepted', 'in_progress')
    ) e GROUP BY currency
), currencies AS (
    SELECT currency, sum(CASE WHEN role = 'customer' THEN balance ELSE change END) AS total
    FROM balances GROUP BY currency
)
"""

PROMISES: dict[str, tuple[Promise, ...]] = {
    "balances": (
        Promise(
            "every balance equals its transfers",
            broken="role = 'customer' AND balance <> change",
            subject="'account ' || id",
            detail="'balance ' || balance || ', transfers ' || change",
        ),
    ),
    "ways": (
        Promise(
            "a transfer stays within one currency",
            broken="(currency = debit_currency AND currency = credit_currency) IS NOT TRUE",
            subject="'transfer ' || first",
            detail="concat(n, ' from account ', debit_id, ' to ', credit_id, ' in ', currency, ': ', debit_currency,"
            " ' to ', credit_currency)",
        ),
        Promise(
            "a transfer runs between the accounts of its kind",
            broken="""(CASE kind
                WHEN 'charge' THEN debit_role = 'customer' AND credit_role = 'escrow'
                WHEN 'settle' THEN debit_role = 'escrow' AND credit_role = 'sales'
                WHEN 'refund' THEN debit_role = 'escrow' AND credit_role = 'customer'
                WHEN 'reverse' THEN debit_role = 'sales' AND credit_role = 'customer'
                WHEN 'topup' THEN debit_role = 'funding' AND credit_role = 'customer'
                WHEN 'adjust'
                THEN (debit_role, credit_role) IN (('adjustments', 'customer'), ('customer', 'adjustments'))
            END) IS NOT TRUE""",
            subject="'transfer ' || first",
            detail="concat(n, ' of kind ', kind, ' from ', debit_role, ' account ', debit_id, ' to ', credit_role,"
            " ' account ', credit_id)",
        ),
    ),
    "escrows": (
        Promise(
            "escrow equals the price of open orders",
            broken="held <> owed",
            subject="'escrow ' || currency",
            detail="'holds ' || held || ', open orders ' || owed",
        ),
    ),
    "currencies": (
        Promise(
            "all accounts of a currency sum to zero",
            broken="total <> 0",
            subject="'currency ' || currency",
            detail="'sum ' || total",
        ),
    ),
}
"""By the relation of the statement above whose rows they are about."""


@dataclass(frozen=True, slots=True)
class Books:
    """How many accounts and transfers there are, how many of these are for orders, and what is broken."""

    accounts: int
    transfers: int
    for_orders: int
    broken: Broken


async def prove_books(conn: Connection) -> Books:
    """Prove the promises about accounts and transfers; ``conn`` has the audit's snapshot."""
    parts = [
        "SELECT NULL AS promise, count(*)::text AS subject, (SELECT COALESCE(sum(n), 0) FROM sums)::text AS detail,"
        " (SELECT COALESCE(sum(for_orders), 0) FROM sums)::bigint AS n FROM accounts"
    ]
    parts += [
        f"(SELECT '{promise.words}', {promise.subject}, {promise.detail}, count(*) OVER () FROM {relation}"
        f" WHERE {promise.broken} LIMIT {MAX_FINDINGS})"
        for relation, promises in PROMISES.items()
        for promise in promises
    ]
    # Composed of the constants above; nothing in it comes from outside.
    rows = await (await conn.execute(_SUMS + " UNION ALL ".join(parts))).fetchall()
    broken: Broken = {}
    for row in rows[1:]:
        breaks = broken.setdefault(row["promise"], Breaks(row["n"]))
        breaks.findings.append(Finding(row["promise"], row["subject"], row["detail"]))
    return Books(int(rows[0]["subject"]), int(rows[0]["detail"]), rows[0]["n"], broken)
