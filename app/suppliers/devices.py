"""The device catalogue of suppliers: brought up to date, searched by staff, and chosen from by customers.

A field of ours that is named as DHRU names a choice (Mobile or MODELID, Provider or PROVIDERID, MEP) is one, if the
supplier of the service's first route has such a list: the view ``service_choices`` says which. What is chosen is that
supplier's own id. Some suppliers have one list for everything they sell, DHRU's one for each of their services.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import orjson

from app.connectors.base import DeviceCatalog
from app.db import Connection
from app.errors import NotFound

SHRINK_LIMIT = 0.5
"""A list that keeps less than this share of a kind takes none of that kind away."""

KINDS = ("brand", "device", "network", "mep")

CHOICE_FIELDS = frozenset({"mobile", "modelid", "provider", "providerid", "mep"})
"""The names in lower case that the view ``service_choices`` goes by."""

_STORE = """
WITH input AS (
    SELECT DISTINCT ON (kind, remote_id) * FROM json_to_recordset(%(rows)s::json)
        AS r(kind text, remote_id text, parent text, name text)
    WHERE remote_id <> ''
)
INSERT INTO device_entries AS e (supplier_id, kind, remote_id, parent, name)
SELECT %(supplier)s, kind, remote_id, parent, COALESCE(NULLIF(name, ''), remote_id) FROM input
ON CONFLICT (supplier_id, kind, remote_id) DO UPDATE SET parent = excluded.parent, name = excluded.name
WHERE (e.parent, e.name) IS DISTINCT FROM (excluded.parent, excluded.name)
RETURNING 1
"""

_REMOVE = """
WITH input AS (
    SELECT DISTINCT kind, remote_id FROM json_to_recordset(%(rows)s::json) AS r(kind text, remote_id text)
), kept AS (
    SELECT e.kind, count(*) AS known, count(i.remote_id) AS kept
    FROM device_entries e LEFT JOIN input i ON i.kind = e.kind AND i.remote_id = e.remote_id
    WHERE e.supplier_id = %(supplier)s GROUP BY e.kind
)
DELETE FROM device_entries e USING kept k
WHERE e.supplier_id = %(supplier)s AND k.kind = e.kind AND k.kept > 0 AND k.kept >= k.known * %(limit)s
  AND NOT EXISTS (SELECT FROM input i WHERE i.kind = e.kind AND i.remote_id = e.remote_id)
  AND (e.kind = 'mep' OR NOT EXISTS (SELECT FROM remote_choices WHERE supplier_id = %(supplier)s))
"""

# What one reading says of a single service counts only if it keeps enough of what the one before it said.
_STORE_CHOICES = """
INSERT INTO remote_choices AS c (supplier_id, remote_id, kind, ids)
SELECT %(supplier)s, r.remote_id, r.kind, r.ids
FROM json_to_recordset(%(choices)s::json) AS r(remote_id text, kind text, ids text[])
ON CONFLICT (supplier_id, kind, remote_id) DO UPDATE SET ids = excluded.ids
WHERE c.ids <> excluded.ids
  AND (SELECT count(*) FROM (SELECT unnest(c.ids) INTERSECT SELECT unnest(excluded.ids)) k)
      >= cardinality(c.ids) * %(limit)s
  AND (c.ids = '{}' OR excluded.ids <> '{}')
RETURNING 1
"""

# A service that asks no more has no list; with the last list that has it, a device or network goes too, and a brand
# with its last device.
_FORGET = (
    "DELETE FROM remote_choices WHERE supplier_id = %(supplier)s AND remote_id <> ALL (%(asking)s::text[])",
    """
    WITH live AS MATERIALIZED (
        SELECT DISTINCT c.kind, i.remote_id FROM remote_choices c CROSS JOIN unnest(c.ids) AS i(remote_id)
        WHERE c.supplier_id = %(supplier)s
    )
    DELETE FROM device_entries e
    WHERE e.supplier_id = %(supplier)s
      AND EXISTS (SELECT FROM remote_choices c WHERE c.supplier_id = e.supplier_id AND c.kind = e.kind)
      AND NOT EXISTS (SELECT FROM live l WHERE l.kind = e.kind AND l.remote_id = e.remote_id)
    """,
    """
    DELETE FROM device_entries b
    WHERE b.supplier_id = %(supplier)s AND b.kind = 'brand'
      AND EXISTS (SELECT FROM remote_choices c WHERE c.supplier_id = b.supplier_id AND c.kind = 'device')
      AND NOT EXISTS (SELECT FROM device_entries e WHERE e.supplier_id = b.supplier_id AND e.kind = 'device'
                                                   AND e.parent = b.remote_id)
    """,
)

_LIST = """
SELECT e.id, e.kind, e.remote_id, e.parent, COALESCE(b.name, e.parent) AS parent_name, e.name
FROM device_entries e
LEFT JOIN device_entries b ON e.kind = 'device' AND b.supplier_id = e.supplier_id AND b.kind = 'brand'
                          AND b.remote_id = e.parent
"""

_CHOICES = """
SELECT e.id, e.kind, e.remote_id, e.parent, COALESCE(b.name, e.parent) AS parent_name, e.name
FROM service_choices c
CROSS JOIN LATERAL (
    SELECT * FROM device_entries a WHERE a.supplier_id = c.supplier_id AND a.kind = c.kind AND c.ids IS NULL
    UNION ALL
    SELECT a.* FROM unnest(c.ids) AS i(remote_id)
    JOIN device_entries a ON a.supplier_id = c.supplier_id AND a.kind = c.kind AND a.remote_id = i.remote_id
) e
LEFT JOIN device_entries b ON e.kind = 'device' AND b.supplier_id = e.supplier_id AND b.kind = 'brand'
                          AND b.remote_id = e.parent
WHERE c.service_id = %(service)s
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to choose. ``parent`` is a device's brand by id, or a network's country; ``parent_name`` its name."""

    id: int
    kind: str
    remote_id: str
    parent: str
    parent_name: str
    name: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each a supplier has, and how many parts of its lists the next readings have still to come to."""

    brands: int
    devices: int
    networks: int
    meps: int
    left: int = 0


async def store_devices(
    conn: Connection,
    supplier_id: int,
    catalog: DeviceCatalog,
    *,
    asking: Collection[str] = (),
    resumed: bool = False,
    believed: bool = False,
) -> Counts:
    """Take over a device catalogue as just read, written only where it differs; ``conn`` is inside a transaction.

    A kind of which the list lacks more than half takes nothing away: suppliers answer so while they are broken, unless
    a person says that it is ``believed``. Nor does a list that was not read from beginning to end (``resumed``).
    ``asking`` are the remote services that still ask for a choice.
    """
    await conn.execute("SELECT 1 FROM suppliers WHERE id = %s FOR NO KEY UPDATE", (supplier_id,))
    rows = orjson.dumps(
        [dict(zip(("kind", "remote_id", "parent", "name"), row, strict=True)) for row in _rows(catalog)]
    )
    given = {
        "supplier": supplier_id,
        "rows": rows.decode(),
        "limit": 0 if believed else SHRINK_LIMIT,
        "choices": orjson.dumps(_choices(catalog)).decode(),
        "asking": list(asking),
    }
    statements = [_STORE, _STORE_CHOICES]
    if not catalog.left:
        statements += [*([] if resumed else [_REMOVE]), *_FORGET]
    written = [(await conn.execute(statement, given)).rowcount for statement in statements]
    if any(written):
        # Whether a field is a choice may have changed, and with it the list of services.
        await conn.execute("UPDATE catalog_version SET version = version + 1 WHERE id = 1")
    cursor = await conn.execute(
        "SELECT kind, count(*) AS n FROM device_entries WHERE supplier_id = %s GROUP BY kind", (supplier_id,)
    )
    found = {row["kind"]: row["n"] for row in await cursor.fetchall()}
    brands, devices, networks, meps = (found.get(kind, 0) for kind in KINDS)
    return Counts(brands, devices, networks, meps, catalog.left)


async def list_entries(
    conn: Connection, supplier_id: int, kind: str, *, search: str = "", parent: str = "", after: int = 0, limit: int
) -> list[Entry]:
    """Return entries of a kind with an id above ``after``, in order of id; NotFound if there is no such supplier.

    ``search`` looks into names and, for networks, countries, or is one of their ids; ``parent`` keeps to one brand.
    """
    if await (await conn.execute("SELECT 1 FROM suppliers WHERE id = %s", (supplier_id,))).fetchone() is None:
        raise NotFound("There is no such supplier.")
    cursor = await conn.execute(
        f"{_LIST} WHERE e.supplier_id = %(supplier)s AND e.kind = %(kind)s AND e.id > %(after)s"
        " AND (%(parent)s = '' OR e.parent = %(parent)s)"
        " AND (%(search)s = '' OR e.remote_id = %(search)s OR strpos(lower(e.name), lower(%(search)s)) > 0"
        "      OR (e.kind = 'network' AND strpos(lower(e.parent), lower(%(search)s)) > 0))"
        " ORDER BY e.id LIMIT %(limit)s",
        {"supplier": supplier_id, "kind": kind, "after": after, "parent": parent, "search": search, "limit": limit},
    )
    return [Entry(**row) for row in await cursor.fetchall()]


async def check_pair(conn: Connection, supplier_id: int, device: str, network: str) -> None:
    """Raise NotFound for a device or network that the supplier does not have; one without networks takes any."""
    cursor = await conn.execute(
        "SELECT EXISTS (SELECT FROM device_entries WHERE supplier_id = %(id)s AND kind = 'device'"
        "               AND remote_id = %(device)s) AS device,"
        " NOT EXISTS (SELECT FROM device_entries WHERE supplier_id = %(id)s AND kind = 'network')"
        " OR EXISTS (SELECT FROM device_entries WHERE supplier_id = %(id)s AND kind = 'network'"
        "            AND remote_id = %(network)s) AS network",
        {"id": supplier_id, "device": device, "network": network},
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  a SELECT of two values has a row
    for what in ("device", "network"):
        if not row[what]:
            raise NotFound(f"The supplier has no such {what}.", field=what)


async def choices_of(conn: Connection, service_id: int) -> list[Entry]:
    """Return everything that customers of a service may choose from, by brand or country and name."""
    cursor = await conn.execute(f"{_CHOICES} ORDER BY parent_name, e.parent, e.name, e.id", {"service": service_id})
    return [Entry(**row) for row in await cursor.fetchall()]


async def choices_page(
    conn: Connection, service_id: int, kind: str, *, search: str = "", parent: str = "", after: int = 0, limit: int
) -> list[Entry]:
    """Return what customers of a service may choose of one kind, those with an id above ``after`` in order of id.

    ``search`` looks into names and, for networks, countries; ``parent`` keeps to one brand.
    """
    cursor = await conn.execute(
        f"{_CHOICES} AND e.kind = %(kind)s AND e.id > %(after)s AND (%(parent)s = '' OR e.parent = %(parent)s)"
        " AND (%(search)s = '' OR strpos(lower(e.name), lower(%(search)s)) > 0"
        "      OR (e.kind = 'network' AND strpos(lower(e.parent), lower(%(search)s)) > 0))"
        " ORDER BY e.id LIMIT %(limit)s",
        {"service": service_id, "kind": kind, "after": after, "parent": parent, "search": search, "limit": limit},
    )
    return [Entry(**row) for row in await cursor.fetchall()]


async def brands_of(conn: Connection, service_id: int, *, limit: int) -> list[tuple[str, str]]:
    """Return the brands, as id and name, of the devices that customers of a service may choose from, by name."""
    cursor = await conn.execute(
        f"SELECT DISTINCT d.parent, d.parent_name FROM ({_CHOICES} AND e.kind = 'device') d"  # noqa: S608  constants
        " WHERE d.parent <> '' ORDER BY d.parent_name, d.parent LIMIT %(limit)s",
        {"service": service_id, "limit": limit},
    )
    return [(row["parent"], row["parent_name"]) for row in await cursor.fetchall()]


async def unknown_choices(conn: Connection, wanted: Collection[tuple[int, str, str]]) -> set[tuple[int, str, str]]:
    """Return those of (service, kind, id) that are not to be chosen there."""
    services, kinds, ids = zip(*wanted, strict=True)
    cursor = await conn.execute(
        "SELECT w.service, w.kind, w.remote_id FROM unnest(%s::bigint[], %s::text[], %s::text[])"
        " AS w(service, kind, remote_id) WHERE NOT EXISTS (SELECT FROM service_choices c"
        " JOIN device_entries e ON e.supplier_id = c.supplier_id AND e.kind = c.kind AND e.remote_id = w.remote_id"
        " WHERE c.service_id = w.service AND c.kind = w.kind AND COALESCE(w.remote_id = ANY (c.ids), true))",
        (list(services), list(kinds), list(ids)),
    )
    return {(row["service"], row["kind"], row["remote_id"]) for row in await cursor.fetchall()}


async def choices_elsewhere(conn: Connection, supplier_id: int, services: Collection[int]) -> dict[int, set[str]]:
    """Return the fields, by service, whose values are ids of another supplier than this one."""
    cursor = await conn.execute(
        "SELECT service_id, array_agg(field) AS fields FROM service_choices"
        " WHERE service_id = ANY (%s) AND supplier_id <> %s GROUP BY service_id",
        (list(services), supplier_id),
    )
    return {row["service_id"]: set(row["fields"]) for row in await cursor.fetchall()}


def _rows(catalog: DeviceCatalog) -> Iterator[tuple[str, str, str, str]]:
    entries: Iterable[tuple[str, str, str, str]] = (
        *(("brand", brand.remote_id, "", brand.name) for brand in catalog.brands),
        *(("device", device.remote_id, device.brand_id, device.name) for device in catalog.devices),
        *(("network", network.remote_id, network.country, network.name) for network in catalog.networks),
        *(("mep", remote_id, "", name) for remote_id, name in catalog.meps),
    )
    for kind, remote_id, parent, name in entries:
        yield kind, _clean(remote_id), _clean(parent), _clean(name)


def _choices(catalog: DeviceCatalog) -> list[dict[str, object]]:
    return [
        {
            "remote_id": _clean(one.remote_id),
            "kind": one.choice.value,
            # In order, so that a list that only comes in another one has not changed.
            "ids": sorted({cleaned for name in one.ids if (cleaned := _clean(name))}),
        }
        for one in catalog.choices
    ]


def _clean(text: str) -> str:
    """Return ``text`` as Postgres keeps it, cut to what a name may have."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode().strip()[:300]
