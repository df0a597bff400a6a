"""The catalogues of all suppliers as staff map them: what is mapped already, and which service of ours looks alike."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.catalog.clean_names import RULES, clean_name
from app.db import Connection

LEAST_LIKENESS = 350
"""From how many of a thousand on two names are alike enough to be suggested."""


@dataclass(frozen=True, slots=True)
class Ours:
    """A service of ours that a remote service is mapped to, or looks like: ``likeness`` is of a thousand."""

    id: int
    name: str
    likeness: int = 1000


@dataclass(frozen=True, slots=True)
class RemoteLine:
    """A remote service; ``cost`` is of one piece in micro-units of ``currency``, None if it is not known."""

    id: int
    supplier_id: int
    supplier: str
    remote_id: str
    name: str
    group: str
    type: str
    cost: int | None
    currency: str
    time: str
    mapped: Sequence[Ours]


@dataclass(frozen=True, slots=True)
class WantedRemote:
    """Which remote services to show; what is empty is any. ``search`` looks into names, groups and their ids."""

    search: str = ""
    supplier_id: int | None = None
    group: str = ""
    type: str = ""
    unmapped: bool = False


_PAGE = """
WITH page AS MATERIALIZED (
    SELECT m.* FROM remote_services m
    WHERE m.removed_at IS NULL AND m.id > %(after)s
      AND (%(supplier)s::bigint IS NULL OR m.supplier_id = %(supplier)s)
      AND (%(group)s = '' OR m.group_name = %(group)s)
      AND (%(type)s = '' OR m.type = %(type)s)
      AND (%(search)s = ''
           OR position(lower(%(search)s) IN lower(concat_ws(' ', m.name, m.group_name, m.remote_id))) > 0)
      AND (NOT %(unmapped)s OR NOT EXISTS (SELECT FROM routes r WHERE r.remote_service_id = m.id))
    ORDER BY m.id LIMIT %(limit)s
)
SELECT m.id, m.supplier_id, s.name AS supplier, m.remote_id, m.name, m.group_name AS "group", m.type, m.cost,
       COALESCE(NULLIF(m.currency, ''), s.currency)::text AS currency, m.time,
       ARRAY(SELECT v.id FROM routes r JOIN services v ON v.id = r.service_id
             WHERE r.remote_service_id = m.id ORDER BY v.id LIMIT 5) AS mapped_ids,
       ARRAY(SELECT v.name FROM routes r JOIN services v ON v.id = r.service_id
             WHERE r.remote_service_id = m.id ORDER BY v.id LIMIT 5) AS mapped_names
FROM page m JOIN suppliers s ON s.id = m.supplier_id
ORDER BY m.id
"""


async def list_remote(conn: Connection, wanted: WantedRemote, *, after: int = 0, limit: int) -> list[RemoteLine]:
    """Return remote services that are offered now, with an id above ``after``, in order of id."""
    cursor = await conn.execute(
        _PAGE,
        {
            "after": after,
            "supplier": wanted.supplier_id,
            "group": wanted.group,
            "type": wanted.type,
            "search": wanted.search,
            "unmapped": wanted.unmapped,
            "limit": limit,
        },
    )
    lines = []
    for row in await cursor.fetchall():
        ids, names = row.pop("mapped_ids"), row.pop("mapped_names")
        lines.append(RemoteLine(**row, mapped=[Ours(*pair) for pair in zip(ids, names, strict=True)]))
    return lines


async def groups_of(conn: Connection, supplier_id: int, *, limit: int = 500) -> list[str]:
    """Return the groups of a supplier's catalogue by name."""
    cursor = await conn.execute(
        "SELECT DISTINCT group_name FROM remote_services WHERE supplier_id = %s AND removed_at IS NULL AND"
        " group_name <> '' ORDER BY group_name LIMIT %s",
        (supplier_id, limit),
    )
    return [row["group_name"] for row in await cursor.fetchall()]


FEW = 200
"""So many services of a type are sooner compared one by one than met among all others on the way by likeness."""

# The index on names finds the nearest first, as long as nothing else is sorted by; names are compared without tags,
# prices and times.
_ALIKE = """
SELECT w.id AS remote_service_id, v.id, v.name, v.likeness
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS w(id, type, name)
CROSS JOIN LATERAL (
    SELECT s.id, s.name, (similarity(s.name, w.name) * 1000)::integer AS likeness FROM services s
    WHERE s.type = w.type ORDER BY {distance} LIMIT 1
) v
WHERE v.likeness >= %s
"""


async def alike(conn: Connection, remote_ids: Collection[int]) -> dict[int, Ours]:
    """Return for each of these remote services the service of ours of its type whose name is most alike, if one is."""
    if not remote_ids:
        return {}
    cursor = await conn.execute("SELECT id, type, name FROM remote_services WHERE id = ANY (%s)", (list(remote_ids),))
    rows = await cursor.fetchall()
    cursor = await conn.execute("SELECT type, count(*) AS services FROM services GROUP BY type")
    sold = {row["type"]: row["services"] for row in await cursor.fetchall()}
    found: dict[int, Ours] = {}
    for distance, chosen in (
        ("s.name <-> w.name", [row for row in rows if sold.get(row["type"], 0) > FEW]),
        ("(s.name <-> w.name) + 0", [row for row in rows if 0 < sold.get(row["type"], 0) <= FEW]),
    ):
        if chosen:
            columns = (
                [row["id"] for row in chosen],
                [row["type"] for row in chosen],
                [clean_name(row["name"], RULES) for row in chosen],
                LEAST_LIKENESS,
            )
            cursor = await conn.execute(_ALIKE.format(distance=distance), columns)
            found |= {row.pop("remote_service_id"): Ours(**row) for row in await cursor.fetchall()}
    return found
