"""What each service costs one customer, why, and what of it is left to us: the catalogue as this customer sees it."""

from dataclasses import dataclass

from app.db import Connection
from app.errors import NotFound


@dataclass(frozen=True, slots=True)
class EffectivePrice:
    """What one piece of an active service costs a customer, in micro-units of their ``currency``.

    ``source`` says whose price it is: the customer's ``own``, their price ``group``'s, or the ``list``'s; ``price`` and
    it are None if the service is not sold in their currency. ``cost`` is that of the dearest route that may be used,
    None if there is none or no exchange rate.
    """

    service_id: int
    service: str
    group: str
    currency: str
    price: int | None
    source: str | None
    cost: int | None

    @property
    def margin(self) -> int | None:
        """What is left of the price over the dearest route, below zero if that route would lose money."""
        return None if self.price is None or self.cost is None else self.price - self.cost


# The prices in the order in which price_for() takes them, by which orders are charged.
_PRICES = """
SELECT v.id AS service_id, v.name AS service, h.name AS "group", c.currency::text AS currency,
       COALESCE(own.price, g.price, l.price) AS price,
       CASE WHEN own.price IS NOT NULL THEN 'own' WHEN g.price IS NOT NULL THEN 'group'
            WHEN l.price IS NOT NULL THEN 'list' END AS source,
       (SELECT max(convert_up(r.cost, r.currency, c.currency)) FROM priced_routes r WHERE r.service_id = v.id) AS cost
FROM customers c
CROSS JOIN services v
JOIN service_groups h ON h.id = v.group_id
LEFT JOIN customer_prices own ON own.customer_id = c.id AND own.service_id = v.id
LEFT JOIN (SELECT p.price_group_id, p.service_id, p.price, x.currency
           FROM group_prices p JOIN price_groups x ON x.id = p.price_group_id) g
       ON g.price_group_id = c.price_group_id AND g.service_id = v.id AND g.currency = c.currency
LEFT JOIN LATERAL (SELECT v.price WHERE v.currency = c.currency) l ON true
WHERE c.id = %(customer)s AND v.state = 'active' AND v.id > %(after)s
  AND (%(search)s = '' OR position(lower(%(search)s) IN lower(concat_ws(' ', v.name, h.name))) > 0)
ORDER BY v.id LIMIT %(limit)s
"""


async def effective_prices(
    conn: Connection, customer_id: int, *, search: str = "", after: int = 0, limit: int
) -> list[EffectivePrice]:
    """Return what the active services with an id above ``after`` cost a customer, in order of id; NotFound.

    ``search`` looks into the names of services and groups.
    """
    if await (await conn.execute("SELECT 1 FROM customers WHERE id = %s", (customer_id,))).fetchone() is None:
        raise NotFound("There is no such customer.")
    cursor = await conn.execute(
        _PRICES, {"customer": customer_id, "after": after, "search": search.strip(), "limit": limit}
    )
    return [EffectivePrice(**row) for row in await cursor.fetchall()]
