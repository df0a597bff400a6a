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


@dataclass(frozen=True, slots=True)
class PaidPrice:
    """What a customer paid for one piece from ``at`` on, in micro-units; None: it was not sold to them."""

    id: int
    price: int | None
    at: datetime


_MOST = 10_000

_PAID = """
SELECT id, new, at, CASE WHEN customer_id IS NOT NULL THEN 0 WHEN price_group_id IS NOT NULL THEN 1 ELSE 2 END AS level
FROM (SELECT * FROM price_history
      WHERE service_id = %(service)s AND currency = %(currency)s
        AND (customer_id = %(customer)s OR (customer_id IS NULL AND
             (price_group_id = %(group)s OR price_group_id IS NULL)))
      ORDER BY id DESC LIMIT %(most)s) h
ORDER BY id
"""


async def paid_prices(
    conn: Connection, service_id: int, *, customer_id: int, price_group_id: int | None, currency: str
) -> list[PaidPrice]:
    """Return what a service cost this customer over time, the oldest first, each price once.

    Their own price wins over their group's and that over the list price, as when they order; the group is the one they
    are in today. Beyond the last ten thousand prices the beginning is left out.
    """
    cursor = await conn.execute(
        _PAID,
        {
            "service": service_id,
            "currency": currency,
            "customer": customer_id,
            "group": price_group_id,
            "most": _MOST,
        },
    )
    levels: list[int | None] = [None, None, None]
    paid: list[PaidPrice] = []
    for row in await cursor.fetchall():
        levels[row["level"]] = row["new"]
        price = next((level for level in levels if level is not None), None)
        if price != (paid[-1].price if paid else None):
            paid.append(PaidPrice(row["id"], price, row["at"]))
    return paid
