"""Adding remote services as routes to services that are there: planned first, then done as planned, or not at all."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg.errors import UniqueViolation

from app.db import Connection
from app.errors import Conflict, Invalid
from app.suppliers.mapping import MOST, lock_remote_services
from app.suppliers.routes import warnings_from

Pair = tuple[int, int]
"""A remote service and the service of ours that it is to be a route of."""


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """A route that would be added; amounts are micro-units of the service's ``currency``.

    ``trouble`` says why it cannot be added, empty if it can. ``digest`` stands for what was seen of it.
    """

    remote_service_id: int
    service_id: int
    supplier: str
    theirs: str
    service: str
    currency: str
    cost: int | None
    price: int
    warnings: Sequence[str]
    trouble: str
    digest: str

    @property
    def margin(self) -> int | None:
        """What would be left of the price."""
        return None if self.cost is None else self.price - self.cost


_FACTS = """
SELECT m.id AS remote_service_id, v.id AS service_id, s.name AS supplier, m.name AS theirs, v.name AS service,
       v.currency::text AS currency, v.type, v.price, v.takes_quantity, v.device, m.type AS remote_type,
       convert_up(m.cost, c.bought, v.currency) AS cost, convert_up(1, c.bought, v.currency) IS NULL AS no_rate,
       m.takes_quantity AS remote_takes_quantity, m.fields AS remote_fields, m.removed_at IS NOT NULL AS gone,
       ARRAY(SELECT lower(btrim(name)) FROM service_fields WHERE service_id = v.id) AS names,
       CASE WHEN s.state <> 'active' THEN 'the supplier is paused' END AS blocked,
       EXISTS (SELECT FROM routes r WHERE r.service_id = v.id AND r.remote_service_id = m.id) AS is_there
FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS w(remote_service_id, service_id, place)
JOIN remote_services m ON m.id = w.remote_service_id
JOIN services v ON v.id = w.service_id
JOIN suppliers s ON s.id = m.supplier_id
CROSS JOIN LATERAL (SELECT COALESCE(NULLIF(m.currency, ''), s.currency)::text AS bought) c
ORDER BY w.place
"""

# Behind the routes that each service has.
_ADD = """
INSERT INTO routes (service_id, remote_service_id, priority)
SELECT w.service_id, w.remote_service_id,
       COALESCE((SELECT max(r.priority) FROM routes r WHERE r.service_id = w.service_id), 0)
       + 10 * row_number() OVER (PARTITION BY w.service_id ORDER BY w.place)
FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS w(remote_service_id, service_id, place)
"""


async def plan_routes(conn: Connection, pairs: Sequence[Pair]) -> list[PlannedRoute]:
    """Return the routes that would be added; Invalid for too many, or one whose service or remote service is gone."""
    if len(pairs) > MOST:
        raise Invalid(f"At most {MOST} are mapped at once.", field="remote")
    rows = await (await conn.execute(_FACTS, _columns(pairs))).fetchall()
    if len(rows) < len(pairs):
        raise Invalid("One of them is not there any more.", field="remote")
    return [_planned(row) for row in rows]


async def make_routes(conn: Connection, pairs: Sequence[Pair], *, seen: Mapping[int, str]) -> int:
    """Add the routes of a plan, all or none, and return how many; ``conn`` is inside a transaction.

    ``seen`` are the digests of what was shown, by remote service. Invalid if one of them cannot be added, and Conflict
    if one is not what was seen.
    """
    await lock_remote_services(conn, [remote for remote, _ in pairs])
    planned = await plan_routes(conn, pairs)
    if any(seen.get(row.remote_service_id) != row.digest for row in planned):
        raise Conflict("A cost, a price or a route has changed since you looked, or they are added: look again.")
    if any(row.trouble for row in planned):
        raise Invalid("Some of them cannot be added: untick them.", field="remote")
    try:
        return (await conn.execute(_ADD, _columns(pairs))).rowcount
    except UniqueViolation as error:  # whoever adds one alone holds no lock
        raise Conflict("One of them was added in this moment: look again.") from error


def _columns(pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
    return [remote for remote, _ in pairs], [service for _, service in pairs]


def _planned(row: dict[str, Any]) -> PlannedRoute:
    facts = {**row, "field_map": {}, "fixed": {}, "chosen_elsewhere": [], "below": 0, "stale": False}
    trouble = ""
    if row["is_there"]:
        trouble = "This route exists."
    elif row["gone"]:
        trouble = "The supplier no longer offers it."
    elif row["no_rate"]:
        trouble = "There is no exchange rate between the two currencies."
    shown = ("remote_service_id", "service_id", "supplier", "theirs", "service", "currency", "cost", "price")
    seen = [row["remote_service_id"], row["service_id"], row["cost"], row["price"], trouble]
    return PlannedRoute(
        **{name: row[name] for name in shown},
        warnings=warnings_from(facts),
        trouble=trouble,
        digest=hashlib.sha256(orjson.dumps(seen)).hexdigest(),
    )
