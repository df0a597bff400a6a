"""How the services on sale stand now: whether orders go out, and how long deliveries have taken."""

from dataclasses import dataclass
from enum import StrEnum

from app.db import Connection

ENOUGH = 10
"""Deliveries of the last days; a time measured on fewer says little."""


class Availability(StrEnum):
    """available: orders go out at once; delayed: they are taken and go out when a supplier is back; unavailable: they
    are not taken now."""

    AVAILABLE = "available"
    DELAYED = "delayed"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Offer:
    """How one service stands; the seconds are half and 95 of 100 deliveries', None where too few were measured."""

    availability: Availability
    usual_seconds: int | None
    longest_seconds: int | None


NOT_OFFERED = Offer(Availability.UNAVAILABLE, None, None)
"""A service that no route leads from."""

# Of each service the route that its next order would take. Materialized, because what stands in a route's way is dear
# to find out, and asked for more than once.
_OFFERS = """
WITH facts AS MATERIALIZED (
    SELECT f.service_id, f.route_id, f.remote_service_id, f.priority, f.closed, f.blocked IS NULL AS open,
           route_rank(f.routing, f.priority, convert_up(f.cost, f.currency, v.currency), f.success_permille) AS rank
    FROM route_facts f JOIN services v ON v.id = f.service_id AND v.state = 'active'
)
SELECT first.service_id, first.availability,
       CASE WHEN m.delivered >= %(enough)s THEN m.p50_seconds END AS usual_seconds,
       CASE WHEN m.delivered >= %(enough)s THEN m.p95_seconds END AS longest_seconds
FROM (
    SELECT DISTINCT ON (f.service_id) f.service_id, f.remote_service_id,
           CASE WHEN f.closed THEN 'unavailable' WHEN f.open THEN 'available' ELSE 'delayed' END AS availability
    FROM facts f
    ORDER BY f.service_id, f.closed, f.open DESC, f.rank, f.priority, f.route_id
) first
LEFT JOIN remote_measures m ON m.remote_service_id = first.remote_service_id
"""


async def offers(conn: Connection) -> dict[int, Offer]:
    """Return how every service on sale stands that a route leads from, by the id of the service."""
    cursor = await conn.execute(_OFFERS, {"enough": ENOUGH})
    return {
        row["service_id"]: Offer(Availability(row["availability"]), row["usual_seconds"], row["longest_seconds"])
        for row in await cursor.fetchall()
    }
