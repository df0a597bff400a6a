"""What was earned in some days, by day, service, supplier or customer, in one currency; and all currencies together."""

from dataclasses import dataclass
from datetime import date, datetime

from app.db import Connection

BY = ("day", "service", "supplier", "customer")


@dataclass(frozen=True, slots=True)
class Earned:
    """What was earned, in micro-units of one currency; see ``ProfitDay`` for what the amounts are.

    ``subject_id`` is 0 and ``name`` a day for a day; of a supplier 0 stands for results that were served again.
    """

    subject_id: int
    name: str
    orders: int
    revenue: int
    reversed: int
    cost: int
    absorbed: int
    unpriced: int

    @property
    def profit(self) -> int:
        """What is left: revenue less what was given back and what all attempts cost."""
        return self.revenue - self.reversed - self.cost - self.absorbed


@dataclass(frozen=True, slots=True)
class Total:
    """What was earned in one currency; ``worth`` is the profit in the base currency at each day's rate, None for no
    rate."""

    currency: str
    earned: Earned
    worth: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """Which days (both belong to it), and which currency."""

    first: date
    last: date
    currency: str


_TOTALS = """
SELECT p.currency::text, sum(p.orders)::bigint AS orders, sum(p.revenue)::bigint AS revenue,
       sum(p.reversed)::bigint AS reversed, sum(p.cost)::bigint AS cost, sum(p.absorbed)::bigint AS absorbed,
       sum(p.unpriced)::bigint AS unpriced,
       sum(round((p.revenue - p.reversed - p.cost - p.absorbed) * CASE WHEN p.currency = %(base)s THEN 1
                 ELSE rate_at(p.currency, n.night) / rate_at(%(base)s, n.night) END))::bigint AS worth
FROM profit_days p, LATERAL (SELECT (p.day + 1)::timestamp AT TIME ZONE 'UTC' - interval '1 microsecond' AS night) n
WHERE p.dimension = 'all' AND p.day >= %(first)s AND p.day <= %(last)s
GROUP BY p.currency ORDER BY p.currency <> %(base)s, p.currency
"""
_BY_DAY = """
SELECT 0::bigint AS subject_id, p.day::text AS name, p.orders::bigint, p.revenue, p.reversed, p.cost, p.absorbed,
       p.unpriced::bigint
FROM profit_days p
WHERE p.dimension = 'all' AND p.currency = %(currency)s AND p.day >= %(first)s AND p.day <= %(last)s
ORDER BY p.day DESC LIMIT %(limit)s
"""
# ``turn`` is 1 for the most first and -1 for the least first.
_BY_SUBJECT = """
SELECT s.subject_id,
       COALESCE(CASE %(by)s WHEN 'service' THEN (SELECT name FROM services WHERE id = s.subject_id)
                            WHEN 'supplier' THEN (SELECT name FROM suppliers WHERE id = s.subject_id)
                            ELSE (SELECT name FROM customers WHERE id = s.subject_id) END, 'served again') AS name,
       s.orders, s.revenue, s.reversed, s.cost, s.absorbed, s.unpriced
FROM (
    SELECT p.subject_id, sum(p.orders)::bigint AS orders, sum(p.revenue)::bigint AS revenue,
           sum(p.reversed)::bigint AS reversed, sum(p.cost)::bigint AS cost, sum(p.absorbed)::bigint AS absorbed,
           sum(p.unpriced)::bigint AS unpriced,
           sum(p.revenue - p.reversed - p.cost - p.absorbed) * %(turn)s AS rank
    FROM profit_days p
    WHERE p.dimension = %(by)s AND p.currency = %(currency)s AND p.day >= %(first)s AND p.day <= %(last)s
    GROUP BY p.subject_id ORDER BY rank DESC, p.subject_id LIMIT %(limit)s
) s
ORDER BY s.rank DESC, s.subject_id
"""


async def totals(conn: Connection, first: date, last: date, *, base: str) -> list[Total]:
    """Return what was earned in each currency that had anything, the base currency first."""
    cursor = await conn.execute(_TOTALS, {"base": base, "first": first, "last": last})
    found = []
    for row in await cursor.fetchall():
        currency, worth = row.pop("currency"), row.pop("worth")
        found.append(Total(currency, Earned(0, currency, **row), worth))
    return found


async def earned_by(
    conn: Connection, asked: Question, *, by: str, least_first: bool = False, limit: int | None = None
) -> list[Earned]:
    """Return what was earned by each day (the newest first), or by each service, supplier or customer.

    Those of which most was left come first, or last if ``least_first``.
    """
    cursor = await conn.execute(
        _BY_DAY if by == "day" else _BY_SUBJECT,
        {
            "by": by,
            "currency": asked.currency,
            "first": asked.first,
            "last": asked.last,
            "turn": -1 if least_first else 1,
            "limit": limit,
        },
    )
    return [Earned(**row) for row in await cursor.fetchall()]


async def built_at(conn: Connection, last: date) -> datetime | None:
    """Return as of when the newest of the days up to ``last`` is, None if none was built."""
    cursor = await conn.execute("SELECT built_at FROM profit_builds WHERE day <= %s ORDER BY day DESC LIMIT 1", (last,))
    row = await cursor.fetchone()
    return row["built_at"] if row else None
