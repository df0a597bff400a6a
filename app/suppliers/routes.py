"""Routes from our services to remote ones: added, changed, taken away, and looked at for what will go wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.money import format_amount
from app.suppliers.circuits import close_remote_service_of


class CurrencyMismatch(Invalid):
    """The supplier is paid in another currency than the service is sold in, and there are no rates between them."""

    code = "currency_mismatch"


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route with what it leads to. ``cost`` is of one piece in micro-units of ``currency``, the supplier's; ``price``
    in those of ``price_currency``. ``blocked`` says why it may not be used now, None if it may.
    """

    id: int
    service_id: int
    service: str
    remote_service_id: int
    remote_id: str
    remote_name: str
    supplier_id: int
    supplier: str
    priority: int
    state: str
    cost: int | None
    price: int
    currency: str
    price_currency: str
    field_map: dict[str, str]
    fixed: dict[str, str]
    next_after_unclear_hours: int | None
    blocked: str | None
    created_at: datetime


_ROUTES = """
SELECT r.id, r.service_id, v.name AS service, r.remote_service_id, m.remote_id, m.name AS remote_name,
       s.id AS supplier_id, s.name AS supplier, r.priority, r.state, m.cost, v.price, f.currency,
       v.currency AS price_currency, r.field_map, r.fixed, r.next_after_unclear_hours, f.blocked, r.created_at
FROM routes r
JOIN route_facts f ON f.route_id = r.id
JOIN services v ON v.id = r.service_id
JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id
"""


async def add_route(
    conn: Connection,
    *,
    service_id: int,
    remote_service_id: int,
    priority: int = 100,
    field_map: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> int:
    """Add a route and return its id; the lowest priority number is tried first.

    ``field_map`` names the supplier's field for a field of ours, ``fixed`` gives fields of theirs a value.

    Raises NotFound with the field at fault, CurrencyMismatch, and Conflict if the route exists.
    """
    cursor = await conn.execute(
        "SELECT sold, bought, convert_up(1, bought, sold) IS NOT NULL AS comparable FROM (SELECT"
        " (SELECT currency::text FROM services WHERE id = %s) AS sold,"
        " (SELECT COALESCE(NULLIF(m.currency, ''), s.currency)::text FROM remote_services m"
        "  JOIN suppliers s ON s.id = m.supplier_id WHERE m.id = %s) AS bought) c",
        (service_id, remote_service_id),
    )
    row = await cursor.fetchone()
    if row is None or row["sold"] is None:
        raise NotFound("There is no such service.", field="service_id")
    if row["bought"] is None:
        raise NotFound("There is no such remote service.", field="remote_service_id")
    if not row["comparable"]:
        raise CurrencyMismatch(
            f"The service is sold in {row['sold']}, the supplier is paid in {row['bought']}; enter the exchange rates"
            " of both first, so that the margin can be told.",
            field="remote_service_id",
        )
    cursor = await conn.execute(
        "INSERT INTO routes (service_id, remote_service_id, priority, field_map, fixed) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (service_id, remote_service_id) DO NOTHING RETURNING id",
        (service_id, remote_service_id, priority, Jsonb(dict(field_map or {})), Jsonb(dict(fixed or {}))),
    )
    made = await cursor.fetchone()
    if made is None:
        raise Conflict("This route exists.", field="remote_service_id")
    return int(made["id"])


async def get_route(conn: Connection, route_id: int) -> RouteRow:
    """Return a route; NotFound if there is none."""
    row = await (await conn.execute(f"{_ROUTES} WHERE r.id = %s", (route_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such route.")
    return RouteRow(**row)


async def list_routes(conn: Connection, *, service_id: int | None = None, after: int = 0, limit: int) -> list[RouteRow]:
    """Return routes with an id above ``after`` in order of id, of one service or of all."""
    cursor = await conn.execute(
        f"{_ROUTES} WHERE r.id > %(after)s AND (%(service)s::bigint IS NULL OR r.service_id = %(service)s)"
        " ORDER BY r.id LIMIT %(limit)s",
        {"after": after, "service": service_id, "limit": limit},
    )
    return [RouteRow(**row) for row in await cursor.fetchall()]


async def change_route(
    conn: Connection,
    route_id: int,
    *,
    priority: int | None = None,
    state: str | None = None,
    field_map: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
    next_after_unclear_hours: int | None = None,
) -> None:
    """Change what is given; taking a route up again also closes the circuit of its remote service.

    ``next_after_unclear_hours`` lets an order that is unclear here for so long go on over the next route, although it
    may then be bought twice; 0 takes that back. ``conn`` is inside a transaction. Raises NotFound and Invalid.
    """
    if next_after_unclear_hours is not None and not 0 <= next_after_unclear_hours <= 8760:
        raise Invalid("The hours are 1 to 8760, or 0 for never.", field="next_after_unclear_hours")
    if state not in (None, "active", "paused"):
        raise Invalid("The state is active or paused.", field="state")
    cursor = await conn.execute(
        "UPDATE routes SET priority = COALESCE(%(priority)s, priority), state = COALESCE(%(state)s, state),"
        " field_map = COALESCE(%(field_map)s, field_map), fixed = COALESCE(%(fixed)s, fixed),"
        " next_after_unclear_hours = CASE WHEN %(hours)s::integer IS NULL THEN next_after_unclear_hours"
        " ELSE NULLIF(%(hours)s, 0) END WHERE id = %(id)s",
        {
            "priority": priority,
            "state": state,
            "field_map": None if field_map is None else Jsonb(dict(field_map)),
            "fixed": None if fixed is None else Jsonb(dict(fixed)),
            "hours": next_after_unclear_hours,
            "id": route_id,
        },
    )
    if cursor.rowcount == 0:
        raise NotFound("There is no such route.")
    if state == "active":
        await close_remote_service_of(conn, route_id)


async def order_routes(conn: Connection, service_id: int, route_ids: Sequence[int]) -> None:
    """Let a service's routes be tried in this order; those that are not named come behind, as they were."""
    await conn.execute(
        "UPDATE routes r SET priority = o.place * 10 FROM ("
        " SELECT q.id, row_number() OVER (ORDER BY w.place NULLS LAST, q.priority, q.id) AS place"
        " FROM routes q LEFT JOIN unnest(%s::bigint[]) WITH ORDINALITY AS w(id, place) ON w.id = q.id"
        " WHERE q.service_id = %s) o WHERE o.id = r.id AND r.priority <> o.place * 10",
        (list(route_ids), service_id),
    )


async def remove_route(conn: Connection, route_id: int) -> bool:
    """Delete a route that was never used and return True; pause one that was, for its history, and return False."""
    # The lock keeps a placing from using the route between the look and the deletion.
    cursor = await conn.execute("SELECT id FROM routes WHERE id = %s FOR UPDATE", (route_id,))
    if await cursor.fetchone() is None:
        raise NotFound("There is no such route.")
    cursor = await conn.execute(
        "DELETE FROM routes WHERE id = %s AND NOT EXISTS (SELECT FROM attempts WHERE route_id = %s)",
        (route_id, route_id),
    )
    if cursor.rowcount:
        return True
    await change_route(conn, route_id, state="paused")
    return False


STALE_HOURS = 48
"""After so many hours without a reading of its catalogue, a supplier's costs may be others by now."""

_FACTS = """
SELECT r.id, v.type, v.price, v.takes_quantity, v.device, m.type AS remote_type,
       convert_up(m.cost, f.currency, v.currency) AS cost, r.field_map, r.fixed,
       m.takes_quantity AS remote_takes_quantity, m.fields AS remote_fields, f.blocked, s.name AS supplier,
       s.synced_at < now() - make_interval(hours => %(stale)s) AS stale,
       ARRAY(SELECT lower(btrim(name)) FROM service_fields WHERE service_id = v.id) AS names,
       ARRAY(SELECT btrim(c.field) FROM service_choices c
             WHERE c.service_id = v.id AND c.supplier_id <> s.id ORDER BY 1) AS chosen_elsewhere,
       (SELECT count(*) FROM customer_prices p JOIN customers c ON c.id = p.customer_id AND c.currency = v.currency
         WHERE p.service_id = v.id AND p.price < convert_up(m.cost, f.currency, v.currency)) AS below
FROM routes r
JOIN route_facts f ON f.route_id = r.id
JOIN services v ON v.id = r.service_id
JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id
WHERE r.id = ANY (%(routes)s)
"""


async def route_warnings(conn: Connection, route_id: int) -> list[str]:
    """Return what will keep a route from fulfilling orders, one sentence each; NotFound if there is none."""
    found = await warnings_of(conn, [route_id])
    if route_id not in found:
        raise NotFound("There is no such route.")
    return found[route_id]


async def warnings_of(conn: Connection, route_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return what will keep each of these routes from fulfilling orders, one sentence each."""
    rows = await (await conn.execute(_FACTS, {"routes": list(route_ids), "stale": STALE_HOURS})).fetchall()
    return {row["id"]: warnings_from(row) for row in rows}


def warnings_from(row: Mapping[str, Any]) -> list[str]:
    """Return what the facts of a route, there or planned, warn of."""
    found = []
    supplied = {*row["names"], *(name.strip().lower() for name in (*row["field_map"].values(), *row["fixed"]))}
    if row["cost"] is not None and row["cost"] > row["price"]:
        found.append(
            f"The cost of {format_amount(row['cost'])} is above the price of {format_amount(row['price'])}:"
            " the route is not used while it would lose money."
        )
    if row["below"]:
        found.append(f"The cost is above {row['below']} of the customers' own prices.")
    found += [
        f"The supplier requires the field {field['name'].strip()}, which the service does not ask for."
        for field in row["remote_fields"]
        if field.get("required") and field["name"].strip().lower() not in supplied
    ]
    found += [
        f"What customers choose as {name} is an id of the first route's supplier: those orders do not go this way."
        for name in row["chosen_elsewhere"]
    ]
    if row["type"] != row["remote_type"]:
        found.append(f"The service is of type {row['type']}, the remote service of type {row['remote_type']}.")
    elif row["remote_type"] == "imei" and row["device"] == "none":
        found.append("The remote service is bought for a device, the service does not ask for one.")
    if row["takes_quantity"] and not row["remote_takes_quantity"]:
        found.append("The service is sold by quantity, the remote service is not.")
    if row["stale"]:
        found.append(f"The supplier's catalogue was not read for {STALE_HOURS} hours: the cost may be another.")
    if row["blocked"]:
        found.append(f"The route may not be used now: {row['blocked']}.")
    return found
