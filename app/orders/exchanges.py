"""How long what was said to suppliers is kept: as evidence, so while an order is open and long enough afterwards."""

from app.db import Connection

BATCH = 1000
MOST = 50_000
"""About how many a run removes at most; it runs every hour."""

# Looked at in the order of their numbers, which is that of time. Whose an exchange was is found by the range of numbers
# in the attempts' small block indexes. What is gone takes its links along.
_FORGET = """
WITH page AS (
    SELECT id, at FROM exchanges WHERE id > %(after)s ORDER BY id LIMIT %(batch)s
), old AS (
    SELECT id FROM page WHERE at < now() - make_interval(days => %(days)s)
), span AS (
    SELECT min(id) AS first, max(id) AS last FROM old
), owners AS (
    SELECT a.place_exchange_id AS id, a.order_id, a.state FROM attempts a
    WHERE a.place_exchange_id BETWEEN (SELECT first FROM span) AND (SELECT last FROM span)
    UNION ALL
    SELECT a.report_exchange_id, a.order_id, a.state FROM attempts a
    WHERE a.report_exchange_id BETWEEN (SELECT first FROM span) AND (SELECT last FROM span)
    UNION ALL
    SELECT l.exchange_id, a.order_id, a.state FROM attempt_exchanges l JOIN attempts a ON a.id = l.attempt_id
    WHERE l.exchange_id BETWEEN (SELECT first FROM span) AND (SELECT last FROM span)
), needed AS (
    SELECT w.id FROM owners w JOIN orders o ON o.id = w.order_id
    WHERE o.closed_at IS NULL OR o.closed_at >= now() - make_interval(days => %(days)s)
       OR w.state IN ('prepared', 'sending', 'placed', 'unclear', 'abandoned')
), gone AS (
    DELETE FROM exchanges e USING old
    WHERE e.id = old.id AND NOT EXISTS (SELECT FROM needed n WHERE n.id = e.id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM page) AS looked_at, (SELECT count(*) FROM old) AS old, (SELECT max(id) FROM page) AS last,
       (SELECT count(*) FROM gone) AS gone
"""


async def forget_exchanges(conn: Connection, *, days: int, most: int = MOST) -> int:
    """Remove what was said more than ``days`` ago, but of an order only as long after it was closed; return how many.

    What belongs to an attempt that may still cost money stays. ``conn`` is in autocommit: each batch is a transaction.
    """
    gone, after = 0, 0
    while gone < most:
        cursor = await conn.execute(_FORGET, {"days": days, "after": after, "batch": BATCH})
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101  a select of counts returns one row
        gone += row["gone"]
        after = row["last"]
        if row["looked_at"] < BATCH or row["old"] < row["looked_at"]:
            break
    return gone
