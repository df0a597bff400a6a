"""What a change does to the margin of each service of ours that is bought there."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db import Connection


@dataclass(frozen=True, slots=True)
class Effect:
    """A mapped service before and after a change: micro-units of one piece, in the currency it is sold in.

    ``price`` is the lowest that anybody pays: the list price, a price group's or a customer's own. A cost is None if it
    is not known, not offered, or there is no rate; so is its margin.
    """

    service_id: int
    service: str
    currency: str
    price: int
    old_cost: int | None
    new_cost: int | None

    @property
    def margin_before(self) -> int | None:
        """What was left of the lowest price."""
        return None if self.old_cost is None else self.price - self.old_cost

    @property
    def margin_after(self) -> int | None:
        """What would be left of the lowest price, or is."""
        return None if self.new_cost is None else self.price - self.new_cost


_EFFECTS = """
SELECT c.id AS change_id, v.id AS service_id, v.name AS service, v.currency::text AS currency,
       lowest_price(v.id) AS price,
       convert_up(f.old_cost, f.old_currency, v.currency) AS old_cost,
       convert_up(f.new_cost, f.new_currency, v.currency) AS new_cost
FROM catalog_changes c
JOIN remote_services m ON m.id = c.remote_service_id
JOIN suppliers s ON s.id = c.supplier_id
JOIN routes r ON r.remote_service_id = m.id
JOIN services v ON v.id = r.service_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.kind = 'price' THEN (c.old ->> 'cost')::bigint
                WHEN c.kind NOT IN ('new', 'back') THEN m.cost END AS old_cost,
           CASE WHEN c.kind = 'price' THEN (c.new ->> 'cost')::bigint
                WHEN c.kind <> 'removed' THEN m.cost END AS new_cost,
           COALESCE(CASE c.kind WHEN 'price' THEN NULLIF(c.old ->> 'currency', '') END, NULLIF(m.currency, ''),
                    s.currency)::text AS old_currency,
           COALESCE(CASE c.kind WHEN 'price' THEN NULLIF(c.new ->> 'currency', '') END, NULLIF(m.currency, ''),
                    s.currency)::text AS new_currency
) f
WHERE c.id = ANY (%s)
ORDER BY c.id, v.id
"""


async def effects_of(conn: Connection, change_ids: Sequence[int]) -> dict[int, list[Effect]]:
    """Return what each of these changes does to the services bought there; none for one that nothing is routed to."""
    if not change_ids:
        return {}
    effects: dict[int, list[Effect]] = {}
    for row in await (await conn.execute(_EFFECTS, (list(change_ids),))).fetchall():
        effects.setdefault(row.pop("change_id"), []).append(Effect(**row))
    return effects
