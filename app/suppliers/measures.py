"""How remote services did over the last days: the share delivered, and how long that took."""

from datetime import timedelta

from app.db import Connection

# The route that a service's orders take while all is well; one measured on fewer than ten deliveries says little.
_TIMES = """
SELECT v.id, v.time, m.p50_seconds, m.p95_seconds
FROM services v
CROSS JOIN LATERAL (
    SELECT f.remote_service_id FROM route_facts f
    CROSS JOIN LATERAL (SELECT convert_up(f.cost, f.currency, v.currency) AS cost) c
    WHERE f.service_id = v.id
    ORDER BY f.blocked IS NULL DESC, route_rank(f.routing, f.priority, c.cost, f.success_permille),
             f.priority, f.route_id
    LIMIT 1
) first
JOIN remote_measures m ON m.remote_service_id = first.remote_service_id
WHERE v.measured_time AND m.delivered >= 10 AND m.p50_seconds IS NOT NULL AND m.p95_seconds IS NOT NULL
"""

_STEPS = ((90 * 60, 60, "Minute"), (36 * 3600, 3600, "Hour"))


async def measure(conn: Connection, window: timedelta) -> int:
    """Take the measures of the last ``window`` anew; return how many remote services have one."""
    row = await (await conn.execute("SELECT measure_routes(%s) AS measured", (window,))).fetchone()
    return int(row["measured"]) if row else 0


async def show_measured_times(conn: Connection) -> int:
    """Write the measured time into the services that are to show it; return how many changed.

    Times are coarse, so that they change seldom: each change makes every panel's service list a new one.
    """
    changed: dict[int, str] = {}
    for row in await (await conn.execute(_TIMES)).fetchall():
        words = in_words(row["p50_seconds"], row["p95_seconds"])
        if words != row["time"]:
            changed[row["id"]] = words
    if changed:
        await conn.execute(
            "UPDATE services v SET time = t.words FROM unnest(%s::bigint[], %s::text[]) AS t(id, words)"
            " WHERE v.id = t.id",
            (list(changed), list(changed.values())),
        )
    return len(changed)


def in_words(usual_seconds: int, longest_seconds: int) -> str:
    """Return how long a delivery takes, as service lists say it: "1-5 Minutes", "2-6 Hours", "1-3 Days"."""
    for up_to, unit, name in _STEPS:
        if longest_seconds <= up_to:
            return _range(usual_seconds, longest_seconds, unit, name)
    return _range(usual_seconds, longest_seconds, 86_400, "Day")


def _range(usual: int, longest: int, unit: int, name: str) -> str:
    first, last = _coarse(max(1, usual // unit)), _coarse(-(-longest // unit))
    if last <= first:
        return f"{first} {name}{'s' if first > 1 else ''}"
    return f"{first}-{last} {name}s"


def _coarse(number: int) -> int:
    """Return the next of 1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90 that is not below ``number``."""
    return next((step for step in (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90) if step >= number), number)
