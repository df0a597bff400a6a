"""Our services as staff look at them: where each is bought, what is left of its price, and what is wrong with it."""

from dataclasses import dataclass

from app.db import Connection

TROUBLES = {
    "no_route": "no route",
    "loss": "sold below its cost",
    "lacks_fields": "lacks fields",
}
"""What may be wrong with a service, in words."""

# A route costs more than the list price, of those that are used.
_LOSES = """EXISTS (
    SELECT FROM priced_routes p
    WHERE p.service_id = v.id AND convert_up(p.cost, p.currency, v.currency) > v.price)"""
_NO_ROUTE = "NOT EXISTS (SELECT FROM priced_routes p WHERE p.service_id = v.id)"
# A supplier requires a field that the service does not ask for and the route does not give.
# OFFSET keeps it from becoming a join over all services, whose rows nobody can estimate.
_LACKS_FIELDS = """EXISTS (
    SELECT FROM routes r
    JOIN remote_services m ON m.id = r.remote_service_id AND m.fields <> '[]'
    CROSS JOIN LATERAL jsonb_to_recordset(m.fields) AS f(name text, required boolean)
    WHERE r.service_id = v.id AND r.state = 'active' AND f.required
      AND lower(btrim(f.name)) <> ALL (ARRAY(
          SELECT lower(btrim(s.name)) FROM service_fields s WHERE s.service_id = v.id
          UNION ALL SELECT lower(btrim(x.value)) FROM jsonb_each_text(r.field_map) x
          UNION ALL SELECT lower(btrim(k)) FROM jsonb_object_keys(r.fixed) k))
    OFFSET 0)"""
_TROUBLE = {"no_route": _NO_ROUTE, "loss": _LOSES}

_ORDER = "g.position, g.name, g.id, v.position, v.name, v.id"
_BEHIND = """(g.position, g.name, g.id, v.position, v.name, v.id) > (
    SELECT g.position, g.name, g.id, v.position, v.name, v.id
    FROM services v JOIN service_groups g ON g.id = v.group_id WHERE v.id = %(after)s)"""

# What is worked out for a row is worked out for the rows of the page alone; what is dear to look for, in their order
# until the page is full.
_PAGE = """
WITH page AS MATERIALIZED (
    SELECT * FROM (
        SELECT v.id, v.name, v.type, v.state, v.price, v.price_source, v.currency::text AS currency, v.group_id,
               g.name AS group_name, g.position AS group_position, v.position
        FROM services v JOIN service_groups g ON g.id = v.group_id
        WHERE {where}
        ORDER BY {order} {bound}
    ) v
    WHERE {dear} LIMIT %(limit)s
)
SELECT v.id, v.name, v.type, v.state, v.price, v.price_source, v.currency, v.group_id, v.group_name AS "group",
       (SELECT count(*) FROM routes r WHERE r.service_id = v.id) AS routes,
       (SELECT max(convert_up(p.cost, p.currency, v.currency)) FROM priced_routes p WHERE p.service_id = v.id) AS cost,
       {no_route} AS no_route, {loses} AS loss, {lacks} AS lacks_fields
FROM page v ORDER BY v.group_position, v.group_name, v.group_id, v.position, v.name, v.id
"""


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """A service with its list price, the cost of the dearest route that is used, and how many routes it has.

    Amounts are micro-units of ``currency`` for one piece; ``cost`` is None if no route is used or there is no rate.
    ``troubles`` are of ``TROUBLES``.
    """

    id: int
    name: str
    group_id: int
    group: str
    type: str
    state: str
    price: int
    price_source: str
    currency: str
    routes: int
    cost: int | None
    troubles: tuple[str, ...]

    @property
    def margin(self) -> int | None:
        """What is left of the list price, below zero where it loses money."""
        return None if self.cost is None else self.price - self.cost


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which services to show; what is empty is any. ``search`` looks into names and groups, or is an id."""

    search: str = ""
    service_id: int | None = None
    group_id: int | None = None
    type: str = ""
    state: str = ""
    trouble: str = ""


async def list_lines(conn: Connection, wanted: Wanted, *, after: int | None = None, limit: int) -> list[ServiceLine]:
    """Return services in the order of the service list, those behind the service ``after``.

    None behind one that is not there any more.
    """
    conditions = ["true"]
    if wanted.search:
        conditions.append(
            "(position(lower(%(search)s) IN lower(concat_ws(' ', v.name, g.name))) > 0 OR v.id::text = %(search)s)"
        )
    if wanted.service_id is not None:
        conditions.append("v.id = %(service)s")
    if wanted.group_id is not None:
        conditions.append("v.group_id = %(group)s")
    if wanted.type:
        conditions.append("v.type = %(type)s")
    if wanted.state:
        conditions.append("v.state = %(state)s")
    if after is not None:
        conditions.append(_BEHIND)
    dear = wanted.trouble == "lacks_fields"
    if wanted.trouble and not dear:
        conditions.append(_TROUBLE.get(wanted.trouble, "false"))
    cursor = await conn.execute(
        _PAGE.format(
            order=_ORDER,
            where=" AND ".join(conditions),
            bound="OFFSET 0" if dear else "LIMIT %(limit)s",
            dear=_LACKS_FIELDS if dear else "true",
            no_route=_NO_ROUTE,
            loses=_LOSES,
            lacks=_LACKS_FIELDS,
        ),
        {
            "search": wanted.search,
            "service": wanted.service_id,
            "group": wanted.group_id,
            "type": wanted.type,
            "state": wanted.state,
            "after": after,
            "limit": limit,
        },
    )
    return [
        ServiceLine(troubles=tuple(name for name in TROUBLES if row.pop(name)), **row)
        for row in await cursor.fetchall()
    ]
