"""Builds the days of profit from transfers and attempts.

A day is built again and again until an hour after its end, in which the last transactions of it have long ended. After
that only two things change it: the truth about an attempt that was abandoned, and an order that is sent again after it
was completed. The days that they touch are found by the attempts that ended since the last building.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic

from app.clock import now
from app.db import Connection, Database

FINAL_AFTER = timedelta(hours=1)
PACE_SECONDS = 60
SHARE = 50
"""A day under way is built at most once a minute, and rests fifty times as long as its building takes."""

_KEY = "'profit_days'::regclass::bigint"
"""What is locked while a day is built: this table's own number."""

_BUILD = """
INSERT INTO profit_days (
    dimension, currency, day, subject_id, orders, revenue, reversed, cost, absorbed, unpriced)
WITH sold AS (
    SELECT o.customer_id, o.service_id, COALESCE(d.supplier_id, 0) AS supplier_id, o.currency,
           CASE t.kind WHEN 'settle' THEN 1 ELSE 0 END AS orders,
           CASE t.kind WHEN 'settle' THEN t.amount ELSE 0 END AS revenue,
           CASE t.kind WHEN 'reverse' THEN t.amount ELSE 0 END AS reversed
    FROM transfers t
    JOIN orders o ON o.id = t.order_id
    LEFT JOIN LATERAL (
        SELECT a.supplier_id FROM attempts a WHERE a.order_id = o.id AND a.state = 'done' ORDER BY a.number DESC LIMIT 1
    ) d ON true
    WHERE t.created_at >= %(since)s AND t.created_at < %(until)s AND t.kind IN ('settle', 'reverse')
), bought AS (
    SELECT o.customer_id, o.service_id, a.supplier_id, o.currency,
           convert_up_at(a.cost, a.cost_currency, o.currency, a.closed_at) AS cost,
           a.state = 'done' AND NOT EXISTS (
               SELECT FROM attempts b WHERE b.order_id = a.order_id AND b.number > a.number AND b.state = 'done'
           ) AS delivered
    FROM attempts a
    JOIN orders o ON o.id = a.order_id
    WHERE a.closed_at >= %(since)s AND a.closed_at < %(until)s AND a.state IN ('done', 'abandoned')
), facts AS (
    SELECT customer_id, service_id, supplier_id, currency, orders, revenue, reversed, 0 AS cost, 0 AS absorbed,
           0 AS unpriced
    FROM sold
    UNION ALL
    SELECT customer_id, service_id, supplier_id, currency, 0, 0, 0,
           CASE WHEN delivered THEN COALESCE(cost, 0) ELSE 0 END, CASE WHEN delivered THEN 0 ELSE COALESCE(cost, 0) END,
           CASE WHEN cost IS NULL THEN 1 ELSE 0 END
    FROM bought
)
SELECT CASE WHEN GROUPING(service_id) = 0 THEN 'service' WHEN GROUPING(supplier_id) = 0 THEN 'supplier'
            WHEN GROUPING(customer_id) = 0 THEN 'customer' ELSE 'all' END,
       currency, %(day)s, COALESCE(service_id, supplier_id, customer_id, 0),
       sum(orders), sum(revenue), sum(reversed), sum(cost), sum(absorbed), sum(unpriced)
FROM facts
GROUP BY GROUPING SETS ((currency), (currency, service_id), (currency, supplier_id), (currency, customer_id))
"""
# Days that were never built, those that are not final, those whose costs waited for a rate that was entered meanwhile,
# and those that were changed by attempts which ended since the last building; each with when it was built last.
_DUE = """
WITH last AS (SELECT max(built_at) - interval '10 minutes' AS at FROM profit_builds),
ended AS (
    SELECT a.id, a.order_id, a.number, a.state FROM attempts a, last
    WHERE a.closed_at >= last.at AND a.state IN ('done', 'refused')
), due AS (
    SELECT d.day::date AS day FROM generate_series(
        (SELECT (o.created_at AT TIME ZONE 'UTC')::date FROM orders o ORDER BY o.id LIMIT 1), %(today)s::date,
        interval '1 day') d(day)
    LEFT JOIN profit_builds b ON b.day = d.day::date
    WHERE b.day IS NULL
       OR (b.built_at < (b.day + 1)::timestamp AT TIME ZONE 'UTC' + %(final)s
           AND b.built_at < now() - make_interval(secs => GREATEST(%(pace)s, b.seconds * %(share)s)))
    UNION
    SELECT p.day FROM profit_days p JOIN profit_builds b USING (day)
    WHERE p.dimension = 'all' AND p.unpriced > 0 AND EXISTS (
        SELECT FROM exchange_rates r WHERE r.valid_from > b.built_at)
    UNION
    SELECT (v.at AT TIME ZONE 'UTC')::date FROM ended e
    JOIN order_events v ON v.order_id = e.order_id AND v.attempt_id = e.id AND v.new_state = 'abandoned'
    UNION
    SELECT (o.closed_at AT TIME ZONE 'UTC')::date FROM ended e
    JOIN attempts o ON o.order_id = e.order_id AND o.number < e.number AND o.state = 'done'
    WHERE e.state = 'done'
)
SELECT due.day, b.built_at FROM due LEFT JOIN profit_builds b USING (day) ORDER BY due.day
"""


async def due_days(conn: Connection) -> Mapping[date, datetime | None]:
    """Return the days that are to be built now, or again, the oldest first; each with when it was built last."""
    cursor = await conn.execute(
        _DUE,
        {"today": now().astimezone(UTC).date(), "final": FINAL_AFTER, "pace": PACE_SECONDS, "share": SHARE},
    )
    return {row["day"]: row["built_at"] for row in await cursor.fetchall()}


async def build_day(conn: Connection, day: date) -> None:
    """Build a day from the books, in the place of what was built before; ``conn`` is inside a transaction."""
    # One at a time, whoever builds.
    await conn.execute(f"SELECT pg_advisory_xact_lock({_KEY})")
    began, since = monotonic(), datetime.combine(day, time(), UTC)
    await conn.execute("DELETE FROM profit_days WHERE day = %s", (day,))
    await conn.execute(_BUILD, {"day": day, "since": since, "until": since + timedelta(days=1)})
    await conn.execute(
        "INSERT INTO profit_builds (day, built_at, seconds) VALUES (%(day)s, now(), %(seconds)s)"
        " ON CONFLICT (day) DO UPDATE SET built_at = excluded.built_at, seconds = excluded.seconds",
        {"day": day, "seconds": monotonic() - began},
    )


async def build_due(db: Database) -> int:
    """Build the days that are due, each in its own transaction; return how many.

    Who finds that somebody else is building leaves the rest to them, and neither waits nor builds it a second time.
    """
    async with db.pool.connection() as conn:
        days = await due_days(conn)
    built = 0
    for day, before in days.items():
        async with db.transaction() as conn:
            lock = await (await conn.execute(f"SELECT pg_try_advisory_xact_lock({_KEY}) AS mine")).fetchone()
            if lock is None or not lock["mine"]:
                break
            # Compared with what was seen, not with a clock: who built it may have begun before we looked.
            meanwhile = await conn.execute(
                "SELECT FROM profit_builds WHERE day = %s AND built_at IS DISTINCT FROM %s", (day, before)
            )
            if not meanwhile.rowcount:
                await build_day(conn, day)
                built += 1
    return built
