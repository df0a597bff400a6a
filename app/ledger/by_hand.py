"""What staff moved by hand, over all customers: top-ups, corrections and reversals, the newest first."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from app.db import Connection, Database

KINDS = ("topup", "adjust", "reverse")
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class HandMove:
    """A transfer by hand: ``change`` is what the customer got, below zero what was taken, in micro-units."""

    id: int
    kind: str
    customer_id: int
    customer: str
    change: int
    currency: str
    order_id: int | None
    reference: str | None
    reason: str | None
    staff: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of them: of a kind (None: all), from ``since`` on and before ``until`` (None: no end)."""

    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


# A house has one system account for each role and currency, so the first three parts are a few reads at the end of an
# index. Those of sales have every settlement too: reversals are found by their own index, and they are few.
_MOVES = """
SELECT l.id, l.kind, c.id AS customer_id, c.username AS customer, l.change, l.currency::text, l.order_id, l.reference,
       l.reason, f.name AS staff, l.at
FROM (
    SELECT * FROM (
        (SELECT t.*, t.credit_id AS account_id, t.amount AS change, t.created_at AS at
         FROM accounts s CROSS JOIN LATERAL (
             SELECT * FROM transfers WHERE debit_id = s.id AND id < %(before)s AND created_at >= %(since)s
               AND created_at < %(until)s ORDER BY id DESC LIMIT %(limit)s) t
         WHERE (s.role = 'funding' AND 'topup' = ANY (%(kinds)s))
            OR (s.role = 'adjustments' AND 'adjust' = ANY (%(kinds)s)))
        UNION ALL
        (SELECT t.*, t.debit_id, -t.amount, t.created_at
         FROM accounts s CROSS JOIN LATERAL (
             SELECT * FROM transfers WHERE credit_id = s.id AND id < %(before)s AND created_at >= %(since)s
               AND created_at < %(until)s ORDER BY id DESC LIMIT %(limit)s) t
         WHERE s.role = 'adjustments' AND 'adjust' = ANY (%(kinds)s))
        UNION ALL
        (SELECT t.*, t.credit_id, t.amount, t.created_at FROM transfers t
         WHERE t.kind = 'reverse' AND 'reverse' = ANY (%(kinds)s) AND t.id < %(before)s
           AND t.created_at >= %(since)s AND t.created_at < %(until)s ORDER BY t.id DESC LIMIT %(limit)s)
    ) moves ORDER BY id DESC LIMIT %(limit)s
) l
JOIN accounts a ON a.id = l.account_id
JOIN customers c ON c.id = a.customer_id
LEFT JOIN staff f ON f.id = l.staff_id
ORDER BY l.id DESC
"""


async def moved_by_hand(conn: Connection, chosen: Chosen, *, before: int | None = None, limit: int) -> list[HandMove]:
    """Return what was moved, the newest first, those with an id below ``before``."""
    cursor = await conn.execute(
        _MOVES,
        {
            "before": before or 2**63 - 1,
            "since": chosen.since or "-infinity",
            "until": chosen.until or "infinity",
            "limit": limit,
            "kinds": [kind for kind in KINDS if chosen.kind in (None, kind)],
        },
    )
    return [HandMove(**row) for row in await cursor.fetchall()]


async def all_moved_by_hand(db: Database, chosen: Chosen) -> AsyncIterator[HandMove]:
    """Yield all of it, the newest first; no connection is held between two thousands."""
    before: int | None = None
    while True:
        async with db.pool.connection() as conn:
            rows = await moved_by_hand(conn, chosen, before=before, limit=_CHUNK)
        for row in rows:
            yield row
        if len(rows) < _CHUNK:
            return
        before = rows[-1].id
