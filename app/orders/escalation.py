"""Orders that are later than was promised: asked after sooner from then on, and told to staff."""

from collections import Counter

from app.alarms.service import Alarming, AlarmKind, end_alarms, raise_all
from app.db import Connection


async def escalate(conn: Connection) -> int:
    """Write down, once each, which orders are late now, and raise an alarm per service; return how many were found.

    The alarm of a service ends when none of its late orders is open any more. ``conn`` is inside a transaction.
    """
    late = Counter(
        row["service_id"] for row in await (await conn.execute("SELECT * FROM escalate_orders()")).fetchall()
    )
    cursor = await conn.execute(
        "SELECT v.id, v.name, count(*) AS open, min(o.late_at) AS since"
        " FROM orders o JOIN services v ON v.id = o.service_id"
        " WHERE o.state IN ('accepted', 'in_progress') AND o.escalated_at IS NOT NULL GROUP BY v.id, v.name"
    )
    still = {row["id"]: row for row in await cursor.fetchall()}
    found = [
        Alarming(
            AlarmKind.LATE_ORDER,
            _about(service_id),
            f"{still[service_id]['open']} orders of {still[service_id]['name']} are later than was promised, the first"
            f" since {still[service_id]['since']:%Y-%m-%d %H:%M} UTC.",
        )
        for service_id in late
        if service_id in still
    ]
    cursor = await conn.execute(
        "SELECT subject FROM alarms WHERE kind = %s AND state <> 'closed'", (AlarmKind.LATE_ORDER,)
    )
    alarmed = {row["subject"] for row in await cursor.fetchall()}
    for subject in sorted(alarmed - {_about(service_id) for service_id in still}):
        await end_alarms(conn, [AlarmKind.LATE_ORDER], subject)
    await raise_all(conn, found)
    return sum(late.values())


def _about(service_id: int) -> str:
    return f"service {service_id}"
