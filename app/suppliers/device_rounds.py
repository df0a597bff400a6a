"""A round through a supplier's device catalogue, which may take several readings: what is asked for, and what is done.

A supplier that tells its lists service by service, or whose requests of the minute are used up, is not read to the end
at once. What a reading came to is kept, and the next one, minutes later, goes on with the rest; a new round begins a
day after the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.connectors.base import Choice, DeviceCatalog
from app.db import Connection

# Those that we sell come first. A field of that name with choices of its own is not one from a list of theirs.
_ASKING = """
SELECT m.remote_id, array_agg(DISTINCT k.kind) AS kinds
FROM remote_services m
CROSS JOIN jsonb_array_elements(m.fields) f
JOIN (VALUES ('mobile', 'device'), ('modelid', 'device'), ('provider', 'network'), ('providerid', 'network'),
             ('mep', 'mep')) AS k(name, kind) ON k.name = lower(btrim(f ->> 'name'))
WHERE m.supplier_id = %s AND m.removed_at IS NULL AND COALESCE(f -> 'options', '[]') = '[]'
GROUP BY m.id, m.remote_id
ORDER BY EXISTS (SELECT FROM routes r WHERE r.remote_service_id = m.id) DESC, m.id
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What a reading goes by: the remote services that ask for a choice, and the parts that are done."""

    asking: Mapping[str, frozenset[Choice]]
    done: Sequence[str]


async def begin_reading(conn: Connection, supplier_id: int) -> Round:
    """Write down that a supplier's device catalogue is asked for, whatever comes of it, and return where to go on."""
    cursor = await conn.execute(
        "UPDATE suppliers SET devices_read_at = now() WHERE id = %s RETURNING devices_done", (supplier_id,)
    )
    row = await cursor.fetchone()
    asking = await (await conn.execute(_ASKING, (supplier_id,))).fetchall()
    return Round(
        {one["remote_id"]: frozenset(map(Choice, one["kinds"])) for one in asking}, row["devices_done"] if row else ()
    )


async def end_reading(conn: Connection, supplier_id: int, catalog: DeviceCatalog) -> None:
    """Write down how far a reading came; with nothing left the round is over. ``conn`` is inside a transaction."""
    await conn.execute(
        "UPDATE suppliers SET devices_left = %(left)s,"
        " devices_done = CASE WHEN %(left)s = 0 THEN '{}' ELSE devices_done || %(parts)s::text[] END"
        " WHERE id = %(id)s",
        {"left": catalog.left, "parts": list(catalog.parts), "id": supplier_id},
    )
