"""What a reading of a catalogue changes, found and written by Postgres set by set; the rows never come to Python.

Two temporary tables live as long as the transaction: ``staged`` is the list as read, ``found`` what differs, one row
for each kind of change of each service. A change that stands (waits, was rejected or undone) is not found anew while
the supplier goes on saying the same; as soon as they say something else it is outdated.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.db import Connection
from app.suppliers.changes_alarms import tell

_STAGED = """
CREATE TEMPORARY TABLE staged (
    remote_id text PRIMARY KEY, name text, group_name text, type text, cost bigint, currency text, time text,
    opens text, closes text, zone text, info text, takes_serial boolean, takes_quantity boolean,
    min_quantity integer, max_quantity integer, fields jsonb
) ON COMMIT DROP
"""

_FOUND = """
CREATE TEMPORARY TABLE found (
    remote_service_id bigint, kind text, old jsonb, new jsonb, auto boolean, PRIMARY KEY (remote_service_id, kind)
) ON COMMIT DROP
"""

_OVERLAP = """
SELECT count(*) AS known, count(s.remote_id) AS kept, (SELECT count(*) FROM staged) AS listed
FROM remote_services m LEFT JOIN staged s ON s.remote_id = m.remote_id
WHERE m.supplier_id = %s AND m.removed_at IS NULL AND NOT m.on_demand
"""

# A new one that waits is kept as if it were removed: nobody can use it until staff take it.
_ADD = """
WITH made AS (
    INSERT INTO remote_services (
        supplier_id, removed_at, remote_id, name, group_name, type, cost, currency, time, opens, closes, zone, info,
        takes_serial, takes_quantity, min_quantity, max_quantity, fields)
    SELECT l.id, CASE WHEN NOT l.apply_new THEN now() END, s.*
    FROM staged s JOIN suppliers l ON l.id = %(supplier)s
    WHERE NOT EXISTS (SELECT FROM remote_services m WHERE m.supplier_id = l.id AND m.remote_id = s.remote_id)
    RETURNING id, supplier_id, name, group_name, type, cost, currency, removed_at
), noted AS (
    INSERT INTO catalog_changes (supplier_id, remote_service_id, kind, old, new, state, decided_at)
    SELECT supplier_id, id, 'new', '{}',
           jsonb_build_object('name', name, 'group_name', group_name, 'type', type, 'cost', cost,
                              'currency', currency),
           CASE WHEN removed_at IS NULL THEN 'applied' ELSE 'waiting' END,
           CASE WHEN removed_at IS NULL THEN now() END
    FROM made
)
SELECT count(*) AS added FROM made WHERE removed_at IS NULL
"""

_PRESENT = """
UPDATE remote_services m SET missing_syncs = 0
FROM staged s
WHERE m.supplier_id = %s AND s.remote_id = m.remote_id AND m.missing_syncs > 0
"""

_ABSENT = """
UPDATE remote_services m
SET missing_syncs = CASE WHEN %(believed)s THEN l.missing_limit ELSE m.missing_syncs + 1 END
FROM suppliers l
WHERE m.supplier_id = l.id AND l.id = %(supplier)s AND m.removed_at IS NULL
  AND NOT m.on_demand AND m.missing_syncs < l.missing_limit
  AND NOT EXISTS (SELECT FROM staged s WHERE s.remote_id = m.remote_id)
"""

# A price that became unreadable waits like one that rose: what they would charge is not known. The first price of all
# is not a change of one.
_DIFFERENCES = """
INSERT INTO found (remote_service_id, kind, old, new, auto)
SELECT m.id, d.kind, d.old, d.new, d.auto
FROM suppliers l
JOIN remote_services m ON m.supplier_id = l.id
JOIN staged s ON s.remote_id = m.remote_id
CROSS JOIN LATERAL (VALUES
    ('price', jsonb_build_object('cost', m.cost, 'currency', m.currency),
     jsonb_build_object('cost', s.cost, 'currency', s.currency),
     CASE WHEN COALESCE(NULLIF(m.currency, ''), l.currency) <> COALESCE(NULLIF(s.currency, ''), l.currency) THEN false
          WHEN m.cost IS NULL THEN true
          WHEN s.cost IS NULL THEN false
          WHEN s.cost > m.cost THEN COALESCE((s.cost - m.cost) * 100.0 <= m.cost::numeric * l.price_up_percent, true)
          ELSE COALESCE((m.cost - s.cost) * 100.0 <= m.cost::numeric * l.price_down_percent, true) END),
    ('name', jsonb_build_object('name', m.name, 'group_name', m.group_name),
     jsonb_build_object('name', s.name, 'group_name', s.group_name), l.apply_names),
    ('time', jsonb_build_object('time', m.time, 'opens', m.opens, 'closes', m.closes, 'zone', m.zone),
     jsonb_build_object('time', s.time, 'opens', s.opens, 'closes', s.closes, 'zone', s.zone), true),
    ('info', jsonb_build_object('info', m.info), jsonb_build_object('info', s.info), true),
    ('fields', jsonb_build_object('fields', m.fields, 'takes_serial', m.takes_serial),
     jsonb_build_object('fields', s.fields, 'takes_serial', s.takes_serial), l.apply_fields),
    ('quantity',
     jsonb_build_object('takes_quantity', m.takes_quantity, 'min_quantity', m.min_quantity,
                        'max_quantity', m.max_quantity),
     jsonb_build_object('takes_quantity', s.takes_quantity, 'min_quantity', s.min_quantity,
                        'max_quantity', s.max_quantity), l.apply_fields),
    ('type', jsonb_build_object('type', m.type), jsonb_build_object('type', s.type), l.apply_fields)
) AS d (kind, old, new, auto)
WHERE l.id = %s AND d.old <> d.new
  AND (m.name, m.group_name, m.type, m.cost, m.currency, m.time, m.opens, m.closes, m.zone, m.info, m.takes_serial,
       m.takes_quantity, m.min_quantity, m.max_quantity, m.fields)
      IS DISTINCT FROM
      (s.name, s.group_name, s.type, s.cost, s.currency, s.time, s.opens, s.closes, s.zone, s.info, s.takes_serial,
       s.takes_quantity, s.min_quantity, s.max_quantity, s.fields)
"""

# What an order has to bring may change by itself only where no mapped service needs it as it was: the fields whose
# values a route sends stay as they were (but for their description), nothing new is required, the quantities sold and
# the kind of identifier are still taken. Another type is another service.
_NEEDED = """
UPDATE found f SET auto = false
FROM remote_services m
JOIN staged s ON s.remote_id = m.remote_id
JOIN routes r ON r.remote_service_id = m.id
JOIN services v ON v.id = r.service_id
WHERE m.id = f.remote_service_id AND f.auto AND f.kind IN ('fields', 'quantity', 'type') AND CASE f.kind
    WHEN 'type' THEN true
    WHEN 'quantity' THEN (v.takes_quantity AND NOT s.takes_quantity)
        OR v.min_quantity < s.min_quantity OR v.max_quantity > s.max_quantity
    ELSE (m.takes_serial AND NOT s.takes_serial AND v.device IN ('serial', 'imei_or_serial'))
        OR EXISTS (
            SELECT FROM (SELECT x - 'description' AS field FROM jsonb_array_elements(s.fields) x) new
            FULL JOIN (SELECT x - 'description' AS field FROM jsonb_array_elements(m.fields) x) old
                   ON old.field ->> 'name' = new.field ->> 'name'
            WHERE old.field IS DISTINCT FROM new.field AND (
                lower(btrim(COALESCE(new.field, old.field) ->> 'name')) IN (
                    SELECT lower(btrim(COALESCE(r.field_map ->> w.name, w.name)))
                    FROM service_fields w WHERE w.service_id = v.id
                    UNION ALL SELECT lower(btrim(fixed)) FROM jsonb_object_keys(r.fixed) fixed)
                OR (new.field ->> 'required')::boolean))
    END
"""

# A new service that nobody took yet keeps up with the list without asking.
_UNDECIDED = """
UPDATE found f SET auto = true
FROM standing_changes c
WHERE c.remote_service_id = f.remote_service_id AND c.kind = 'new' AND NOT f.auto
"""

_BACK = """
INSERT INTO found (remote_service_id, kind, old, new, auto)
SELECT m.id, 'back', jsonb_build_object('removed_at', m.removed_at), jsonb_build_object('removed_at', NULL), true
FROM remote_services m JOIN staged s ON s.remote_id = m.remote_id
WHERE m.supplier_id = %s AND m.removed_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM standing_changes c WHERE c.remote_service_id = m.id AND c.kind = 'new')
"""

_REMOVED = """
INSERT INTO found (remote_service_id, kind, old, new, auto)
SELECT m.id, 'removed', jsonb_build_object('removed_at', NULL), jsonb_build_object('removed_at', now()),
       l.apply_removed OR %(believed)s
FROM suppliers l JOIN remote_services m ON m.supplier_id = l.id
WHERE l.id = %(supplier)s AND m.removed_at IS NULL AND NOT m.on_demand AND m.missing_syncs >= l.missing_limit
  AND NOT EXISTS (SELECT FROM staged s WHERE s.remote_id = m.remote_id)
"""

# Of a service that the list lacks nothing new is known, so what stands goes on standing. One that waits and would now
# be taken over, because staff changed the limits, makes room for the one that is; so does a removal that they did not
# want, once they believe the list.
_OUTDATED = """
UPDATE standing_changes c SET outdated_at = now()
FROM remote_services m
WHERE m.id = c.remote_service_id AND c.supplier_id = %(supplier)s AND c.kind <> 'new'
  AND (EXISTS (SELECT FROM staged s WHERE s.remote_id = m.remote_id)
       OR EXISTS (SELECT FROM found f WHERE f.remote_service_id = m.id AND f.kind = c.kind))
  AND NOT EXISTS (SELECT FROM found f
                  WHERE f.remote_service_id = m.id AND f.kind = c.kind AND (f.kind = 'removed' OR f.new = c.new)
                    AND NOT (f.auto AND (c.state = 'waiting' OR (%(believed)s AND f.kind = 'removed'))))
"""

_KNOWN = """
DELETE FROM found f USING standing_changes c
WHERE c.remote_service_id = f.remote_service_id AND c.kind = f.kind
"""

_WRITE = """
SELECT change_remote_services(array_agg(w.id), array_agg(w.new))
FROM (SELECT f.remote_service_id AS id, jsonb_object_agg(e.key, e.value) AS new
      FROM found f CROSS JOIN jsonb_each(f.new) e WHERE f.auto GROUP BY 1) w
"""

_NOTE = """
INSERT INTO catalog_changes (supplier_id, remote_service_id, kind, old, new, state, decided_at, staff_id)
SELECT %(supplier)s, remote_service_id, kind, old, new,
       CASE WHEN auto AND kind = 'removed' AND %(believed)s THEN 'approved' WHEN auto THEN 'applied' ELSE 'waiting' END,
       CASE WHEN auto THEN now() END, CASE WHEN auto AND kind = 'removed' THEN %(staff)s::bigint END
FROM found
"""

_COUNTS = """
SELECT count(DISTINCT remote_service_id) FILTER (WHERE auto AND kind <> 'removed') AS changed,
       count(*) FILTER (WHERE auto AND kind = 'removed') AS removed,
       (SELECT count(*) FROM standing_changes c WHERE c.supplier_id = %s AND c.state = 'waiting') AS waiting
FROM found
"""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many services we know, how many of these the list has too, and how many it has at all."""

    known: int
    kept: int
    listed: int


@dataclass(frozen=True, slots=True)
class Written:
    """How many remote services were changed and removed, and how many changes of the supplier wait for staff now."""

    changed: int
    removed: int
    waiting: int


async def stage(conn: Connection, rows: Iterable[Sequence[object]]) -> None:
    """Put what was read beside what we have: rows as ``staged`` has them, each remote id once, taken one by one."""
    await conn.execute(_STAGED)
    async with conn.cursor() as cursor, cursor.copy("COPY staged FROM STDIN") as copy:
        for row in rows:
            await copy.write_row(row)
    await conn.execute("ANALYZE staged")


async def overlap(conn: Connection, supplier_id: int) -> Overlap:
    """Compare the staged list with what the supplier was known to offer."""
    row = await (await conn.execute(_OVERLAP, (supplier_id,))).fetchone()
    assert row is not None  # noqa: S101  an aggregate has a row
    return Overlap(**row)


async def add_new(conn: Connection, supplier_id: int) -> int:
    """Add the staged services that were never seen and return how many are offered by it; the others wait."""
    row = await (await conn.execute(_ADD, {"supplier": supplier_id})).fetchone()
    assert row is not None  # noqa: S101  an aggregate has a row
    return int(row["added"])


async def find(conn: Connection, supplier_id: int, *, trusted: bool, believed: bool = False) -> None:
    """Find what differs; ``trusted`` whether the list counts in what it lacks, ``believed`` whether it does at once."""
    given = {"supplier": supplier_id, "believed": believed}
    await conn.execute(_FOUND)
    await conn.execute(_PRESENT, (supplier_id,))
    await conn.execute(_DIFFERENCES, (supplier_id,))
    await conn.execute(_NEEDED)
    await conn.execute(_BACK, (supplier_id,))
    if trusted:
        await conn.execute(_ABSENT, given)
        await conn.execute(_REMOVED, given)
    await conn.execute(_UNDECIDED)
    await conn.execute(_OUTDATED, given)
    await conn.execute(_KNOWN)


async def write(conn: Connection, supplier_id: int, *, believed: bool = False, staff_id: int | None = None) -> Written:
    """Take over what was found inside the limits, keep the rest waiting, and raise the alarms it calls for.

    What a ``believed`` list removed is noted as approved, by ``staff_id``.
    """
    await conn.execute(_WRITE)
    await conn.execute(_NOTE, {"supplier": supplier_id, "believed": believed, "staff": staff_id})
    row = await (await conn.execute(_COUNTS, (supplier_id,))).fetchone()
    assert row is not None  # noqa: S101  an aggregate has a row
    await tell(conn, supplier_id, believed=believed)
    await conn.execute("DROP TABLE staged, found")
    return Written(**row)
