"""Notices silence: workers give signs of life, and whoever looks sees that none did, or that nobody takes due work."""

from datetime import datetime
from typing import LiteralString

from app.alarms.kinds import AlarmKind
from app.alarms.service import end_alarms, raise_alarm
from app.db import Connection

WORKERS, DUE_WORK = "workers", "due work"
"""The subjects of the two alarms about silence."""
SEEN_AGAIN_SECONDS = 60
"""An alarm that lasts is counted up no more often than this, however many processes look."""
KEPT_DAYS = 7

_LOCK = 7_236_410_551
"""The advisory lock of whoever looks; any number will do that nobody else uses."""

_UNSEEN: LiteralString = (
    "SELECT max(seen_at) AS last, extract(epoch FROM clock_timestamp() - max(seen_at))::float AS seconds FROM workers"
)

# Three ends of three partial indexes for each supplier; the literals are those of the indexes.
_OVERDUE: LiteralString = """
SELECT s.name, d.due_at
FROM suppliers s
CROSS JOIN LATERAL (
    SELECT LEAST((SELECT min(a.due_at) FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'prepared'),
                 (SELECT min(a.due_at) FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'placed'),
                 (SELECT min(a.due_at) FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'unclear')) AS due_at
) d
WHERE d.due_at < clock_timestamp() - make_interval(secs => %s)
ORDER BY d.due_at
"""

_RAISED: LiteralString = (
    "SELECT 1 AS raised FROM alarms WHERE kind = %s AND subject = %s AND state <> 'closed'"
    " AND last_seen > clock_timestamp() - make_interval(secs => %s)"
)


async def beat(conn: Connection, name: str, version: str) -> None:
    """Write down that the worker ``name`` lives."""
    await conn.execute(
        "INSERT INTO workers (name, version) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp()",
        (name, version),
    )


async def look(conn: Connection, *, silent_seconds: float, overdue_seconds: float, may_raise: bool) -> None:
    """Raise or end the alarms about silence, unless another process is at it; ``conn`` is inside a transaction.

    No worker seen for ``silent_seconds`` is one trouble; work that is due for ``overdue_seconds`` although a worker
    lives is another. ``may_raise`` False only ends what is over: whoever looks has just started, as may the workers.
    """
    row = await (await conn.execute("SELECT pg_try_advisory_xact_lock(%s) AS ours", (_LOCK,))).fetchone()
    if row is None or not row["ours"]:
        return
    seen = await (await conn.execute(_UNSEEN)).fetchone()
    last = seen["last"] if seen else None
    overdue = await (await conn.execute(_OVERDUE, (overdue_seconds,))).fetchall()
    waiting = _waiting([(row["name"], row["due_at"]) for row in overdue])
    if seen is None or last is None or seen["seconds"] > silent_seconds:
        if may_raise:
            since = f"No worker gave a sign of life since {_time(last)}." if last else "No worker was ever seen."
            await _raise(conn, WORKERS, f"{since} {waiting}".strip())
        return
    await end_alarms(conn, [AlarmKind.WORKER_SILENT], WORKERS)
    if not overdue:
        await end_alarms(conn, [AlarmKind.WORKER_SILENT], DUE_WORK)
    elif may_raise:
        await _raise(conn, DUE_WORK, waiting)


async def forget_workers(conn: Connection) -> int:
    """Remove workers that were last seen more than a week ago and return how many; the last one seen stays."""
    cursor = await conn.execute(
        "DELETE FROM workers WHERE seen_at < now() - make_interval(days => %s)"
        " AND seen_at < (SELECT max(seen_at) FROM workers)",
        (KEPT_DAYS,),
    )
    return cursor.rowcount


async def _raise(conn: Connection, subject: str, text: str) -> None:
    cursor = await conn.execute(_RAISED, (AlarmKind.WORKER_SILENT, subject, SEEN_AGAIN_SECONDS))
    if await cursor.fetchone() is None:
        await raise_alarm(conn, AlarmKind.WORKER_SILENT, subject, text)


def _waiting(overdue: list[tuple[str, datetime]]) -> str:
    if not overdue:
        return ""
    name, due_at = overdue[0]
    others = f", and so is that for {len(overdue) - 1} more" if len(overdue) > 1 else ""
    return f"Work for {name} is due since {_time(due_at)} and nobody took it{others}."


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
