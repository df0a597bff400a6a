"""Builds the hours from what never changes: when orders were placed, their events, and the transfers.

An hour is built again and again until an hour after its end, in which the last transactions of it have long ended.
"""

from datetime import datetime, timedelta

from app.clock import now
from app.db import Connection, Database

_HOUR = timedelta(hours=1)
_AT_ONCE = timedelta(days=31)
"""So many hours are built in one transaction, when there is a past to catch up with."""

_BUILD = """
INSERT INTO hours (hour, currency, placed, completed, rejected, taken_back, paid_in, earned, given_back)
SELECT date_trunc('hour', f.at, 'UTC'), f.currency, sum(f.placed), sum(f.completed), sum(f.rejected),
       sum(f.taken_back), sum(f.paid_in), sum(f.earned), sum(f.given_back)
FROM (
    SELECT o.created_at AS at, o.currency, 1 AS placed, 0 AS completed, 0 AS rejected, 0 AS taken_back, 0 AS paid_in,
           0 AS earned, 0 AS given_back
    FROM orders o WHERE o.created_at >= %(since)s AND o.created_at < %(until)s
    UNION ALL
    SELECT e.at, o.currency, 0, (e.new_state = 'completed')::integer,
           (e.new_state = 'rejected' AND e.old_state <> 'completed')::integer,
           (e.new_state = 'rejected' AND e.old_state = 'completed')::integer, 0, 0, 0
    FROM order_events e JOIN orders o ON o.id = e.order_id
    WHERE e.at >= %(since)s AND e.at < %(until)s AND e.kind = 'order' AND e.new_state IN ('completed', 'rejected')
    UNION ALL
    SELECT t.created_at, t.currency, 0, 0, 0, 0, CASE t.kind WHEN 'topup' THEN t.amount ELSE 0 END,
           CASE t.kind WHEN 'settle' THEN t.amount ELSE 0 END, CASE t.kind WHEN 'reverse' THEN t.amount ELSE 0 END
    FROM transfers t
    WHERE t.created_at >= %(since)s AND t.created_at < %(until)s AND t.kind IN ('topup', 'settle', 'reverse')
) f
GROUP BY 1, 2
"""
# Where the past begins: ids and moments rise together.
_FIRST = """
SELECT date_trunc('hour', LEAST((SELECT created_at FROM orders ORDER BY id LIMIT 1),
                                (SELECT created_at FROM transfers ORDER BY id LIMIT 1)), 'UTC') AS first
"""


async def build_hours(db: Database) -> datetime | None:
    """Build every hour that is not final, up to this moment; return the first of them, None where nothing happened."""
    first = None
    while True:
        async with db.transaction() as conn:
            # One at a time, whoever builds; the key is this table's own.
            await conn.execute("SELECT pg_advisory_xact_lock('hours'::regclass::bigint)")
            since = await _begin(conn)
            if since is None:
                return None
            first, at = first or since, now()
            until = min(since + _AT_ONCE, at + _HOUR)
            await conn.execute("DELETE FROM hours WHERE hour >= %s", (since,))
            await conn.execute(_BUILD, {"since": since, "until": until})
            final = max(since, min(until, (at - _HOUR).replace(minute=0, second=0, microsecond=0)))
            await conn.execute(
                "INSERT INTO hours_built (id, final_until, built_at) VALUES (1, %(final)s, %(at)s)"
                " ON CONFLICT (id) DO UPDATE SET final_until = excluded.final_until, built_at = excluded.built_at",
                {"final": final, "at": at},
            )
        if until > at:
            return first


async def _begin(conn: Connection) -> datetime | None:
    row = await (await conn.execute("SELECT final_until AS first FROM hours_built")).fetchone()
    row = row or await (await conn.execute(_FIRST)).fetchone()
    first: datetime | None = row["first"] if row else None
    return first
