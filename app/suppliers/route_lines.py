"""The routes of a service as staff compare them: cost, what is left of the price, share delivered, time, trouble."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db import Connection
from app.errors import NotFound
from app.suppliers.routes import warnings_of

MOST = 200
"""How many routes of one service are shown."""


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route with how its remote service did over the last days.

    ``cost`` is of one piece in micro-units of ``currency``, the supplier's; ``cost_sold`` the same in that of the sale,
    None without a rate. ``success_permille`` and the seconds are None while nothing was measured.
    """

    id: int
    supplier_id: int
    supplier: str
    remote_service_id: int
    remote_id: str
    remote_name: str
    priority: int
    state: str
    cost: int | None
    currency: str
    cost_sold: int | None
    price: int
    price_currency: str
    blocked: str | None
    answered: int
    success_permille: int | None
    p50_seconds: int | None
    p95_seconds: int | None
    next_after_unclear_hours: int | None
    synced_at: datetime | None
    warnings: Sequence[str]

    @property
    def margin(self) -> int | None:
        """What is left of the list price, below zero where it loses money."""
        return None if self.cost_sold is None else self.price - self.cost_sold


@dataclass(frozen=True, slots=True)
class Routed:
    """A service with its routes in the order of their priority."""

    service_id: int
    name: str
    routing: str
    price: int
    currency: str
    routes: Sequence[RouteLine]


_LINES = """
SELECT r.id, s.id AS supplier_id, s.name AS supplier, m.id AS remote_service_id, m.remote_id, m.name AS remote_name,
       r.priority, r.state, m.cost, f.currency, convert_up(m.cost, f.currency, v.currency) AS cost_sold, v.price,
       v.currency::text AS price_currency, f.blocked, COALESCE(x.answered, 0) AS answered,
       CASE WHEN x.answered > 0 THEN x.delivered * 1000 / x.answered END AS success_permille, x.p50_seconds,
       x.p95_seconds, r.next_after_unclear_hours, s.synced_at
FROM routes r
JOIN route_facts f ON f.route_id = r.id
JOIN services v ON v.id = r.service_id
JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id
LEFT JOIN remote_measures x ON x.remote_service_id = m.id
WHERE r.service_id = %s
ORDER BY r.priority, r.id LIMIT %s
"""


async def routes_of(conn: Connection, service_id: int) -> Routed:
    """Return a service with its routes; NotFound if there is no such service."""
    cursor = await conn.execute(
        "SELECT id AS service_id, name, routing, price, currency::text AS currency FROM services WHERE id = %s",
        (service_id,),
    )
    service = await cursor.fetchone()
    if service is None:
        raise NotFound("There is no such service.")
    rows = await (await conn.execute(_LINES, (service_id, MOST))).fetchall()
    warnings = await warnings_of(conn, [row["id"] for row in rows])
    return Routed(**service, routes=[RouteLine(**row, warnings=warnings.get(row["id"], [])) for row in rows])
