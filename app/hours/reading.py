"""How the last hours or days went, for charts: a point for each of them, also for those in which nothing happened."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.db import Connection


class Span(StrEnum):
    """How far back is looked, and in what steps."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def steps(self) -> int:
        """How many points there are."""
        return {Span.DAY: 24, Span.WEEK: 28, Span.MONTH: 30}[self]

    @property
    def step(self) -> timedelta:
        """What one point stands for."""
        return timedelta(hours={Span.DAY: 1, Span.WEEK: 6, Span.MONTH: 24}[self])


@dataclass(frozen=True, slots=True)
class Point:
    """What happened from ``at`` on, for one step; orders of all currencies, amounts of the one that was asked for."""

    at: datetime
    placed: int
    completed: int
    rejected: int
    taken_back: int
    paid_in: int
    earned: int
    given_back: int


# The last step is the one under way; steps of days and quarters begin at midnight in UTC.
_POINTS = """
WITH steps AS (
    SELECT date_bin(%(step)s, now(), 'epoch') - n * %(step)s AS at FROM generate_series(0, %(steps)s - 1) n
)
SELECT s.at, COALESCE(sum(h.placed), 0)::bigint AS placed, COALESCE(sum(h.completed), 0)::bigint AS completed,
       COALESCE(sum(h.rejected), 0)::bigint AS rejected, COALESCE(sum(h.taken_back), 0)::bigint AS taken_back,
       COALESCE(sum(h.paid_in) FILTER (WHERE h.currency = %(currency)s), 0)::bigint AS paid_in,
       COALESCE(sum(h.earned) FILTER (WHERE h.currency = %(currency)s), 0)::bigint AS earned,
       COALESCE(sum(h.given_back) FILTER (WHERE h.currency = %(currency)s), 0)::bigint AS given_back
FROM steps s LEFT JOIN hours h ON h.hour >= s.at AND h.hour < s.at + %(step)s
GROUP BY s.at ORDER BY s.at
"""


async def points(conn: Connection, span: Span, *, currency: str) -> list[Point]:
    """Return the points of a span, the oldest first; the last one is under way."""
    cursor = await conn.execute(_POINTS, {"step": span.step, "steps": span.steps, "currency": currency})
    return [Point(**row) for row in await cursor.fetchall()]


async def currencies(conn: Connection, span: Span) -> list[str]:
    """Return the currencies in which anything happened in a span."""
    cursor = await conn.execute(
        "SELECT DISTINCT currency::text AS currency FROM hours WHERE hour >= now() - %s ORDER BY currency",
        (span.steps * span.step,),
    )
    return [row["currency"] for row in await cursor.fetchall()]


async def built_at(conn: Connection) -> datetime | None:
    """Return as of when the newest hour is, None if none was built."""
    row = await (await conn.execute("SELECT built_at FROM hours_built")).fetchone()
    return row["built_at"] if row else None
