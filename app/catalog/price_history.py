"""Every price of a service that ever was: the list price, those of price groups and of customers, and who set them."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Connection
from app.errors import NotFound


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price as it was set (``old`` is None), changed, or taken away (``new`` is None), in micro-units.

    It is the list price unless it names a price group or a customer. ``source`` is manual or rule; ``staff`` the name
    of who was behind it, None for a machine or the command line.
    """

    id: int
    service_id: int
    price_group_id: int | None
    price_group: str | None
    customer_id: int | None
    customer: str | None
    currency: str
    old: int | None
    new: int | None
    source: str
    staff_id: int | None
    staff: str | None
    at: datetime


async def history_of(conn: Connection, service_id: int, *, before: int | None = None, limit: int) -> list[PriceRow]:
    """Return the prices of a service, the newest first, those with an id below ``before``; NotFound."""
    if await (await conn.execute("SELECT 1 FROM services WHERE id = %s", (service_id,))).fetchone() is None:
        raise NotFound("There is no such service.")
    cursor = await conn.execute(
        "SELECT h.id, h.service_id, h.price_group_id, g.name AS price_group, h.customer_id, c.username AS customer,"
        " h.currency::text AS currency, h.old, h.new, h.source, h.staff_id, s.name AS staff, h.at"
        " FROM price_history h LEFT JOIN price_groups g ON g.id = h.price_group_id"
        " LEFT JOIN customers c ON c.id = h.customer_id LEFT JOIN staff s ON s.id = h.staff_id"
        " WHERE h.service_id = %(service)s AND (%(before)s::bigint IS NULL OR h.id < %(before)s)"
        " ORDER BY h.id DESC LIMIT %(limit)s",
        {"service": service_id, "before": before, "limit": limit},
    )
    return [PriceRow(**row) for row in await cursor.fetchall()]
