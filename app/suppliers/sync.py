"""Brings our copy of a supplier's catalogue up to date, written only where it changed.

A list that is empty or suddenly much smaller removes nothing: suppliers' panels answer so while they are broken. What
it lacks is counted as held; what it has is taken over.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from app.connectors.base import Connector, RemoteService
from app.connectors.errors import Unclear
from app.db import Connection, Database
from app.suppliers.service import store_balance

SHRINK_LIMIT = 0.5
"""A list that keeps less than this share of what we know is not believed about the rest."""

_UPSERT = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
        remote_id text, name text, "group" text, type text, cost bigint, time text, info text, takes_serial boolean,
        takes_quantity boolean, min_quantity integer, max_quantity integer, fields jsonb)
)
INSERT INTO remote_services AS m (supplier_id, remote_id, name, group_name, type, cost, time, info, takes_serial,
                                  takes_quantity, min_quantity, max_quantity, fields)
SELECT %(supplier)s, remote_id, name, "group", type, cost, time, info, takes_serial, takes_quantity, min_quantity,
       max_quantity, fields
FROM input
ON CONFLICT (supplier_id, remote_id) DO UPDATE
SET name = excluded.name, group_name = excluded.group_name, type = excluded.type, cost = excluded.cost,
    time = excluded.time, info = excluded.info, takes_serial = excluded.takes_serial,
    takes_quantity = excluded.takes_quantity, min_quantity = excluded.min_quantity,
    max_quantity = excluded.max_quantity, fields = excluded.fields, removed_at = NULL
WHERE (m.name, m.group_name, m.type, m.cost, m.time, m.info, m.takes_serial, m.takes_quantity, m.min_quantity,
       m.max_quantity, m.fields, m.removed_at)
      IS DISTINCT FROM
      (excluded.name, excluded.group_name, excluded.type, excluded.cost, excluded.time, excluded.info,
       excluded.takes_serial, excluded.takes_quantity, excluded.min_quantity, excluded.max_quantity, excluded.fields,
       NULL::timestamptz)
RETURNING m.xmax = 0 AS added
"""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How many remote services came, changed, went, and were kept although the list lacks them."""

    added: int
    changed: int
    removed: int
    held: int


async def sync(db: Database, connector: Connector[Any], supplier_id: int) -> SyncResult:
    """Read a supplier's balance and catalogue and take them over; the network is done with before anything is written.

    Raises the connector's words if the supplier cannot be read; then our copy stays as it is. A balance that is told in
    no readable form keeps nobody from reading the catalogue.
    """
    try:
        balance = await connector.balance()
    except Unclear:
        balance = None
    services = await connector.catalog()
    async with db.transaction() as conn:
        if balance is not None:
            await store_balance(conn, supplier_id, balance)
        return await apply_catalog(conn, supplier_id, services)


async def apply_catalog(conn: Connection, supplier_id: int, services: Sequence[RemoteService]) -> SyncResult:
    """Take over a freshly read catalogue; ``conn`` is inside a transaction. Nothing is ever deleted, only marked."""
    await conn.execute("SELECT 1 FROM suppliers WHERE id = %s FOR UPDATE", (supplier_id,))
    cursor = await conn.execute(
        "SELECT remote_id FROM remote_services WHERE supplier_id = %s AND removed_at IS NULL", (supplier_id,)
    )
    known = {row["remote_id"] for row in await cursor.fetchall()}
    listed = {service.remote_id for service in services}
    missing = known - listed
    trusted = len(known & listed) >= len(known) * SHRINK_LIMIT and bool(listed)

    rows = orjson.dumps([asdict(service) for service in services]).decode().replace("\\u0000", "")
    cursor = await conn.execute(_UPSERT, {"rows": rows, "supplier": supplier_id})
    written = await cursor.fetchall()
    added = sum(row["added"] for row in written)
    if missing and trusted:
        await conn.execute(
            "UPDATE remote_services SET removed_at = now() WHERE supplier_id = %s AND remote_id = ANY (%s)",
            (supplier_id, list(missing)),
        )
    await conn.execute("UPDATE suppliers SET synced_at = now() WHERE id = %s", (supplier_id,))
    return SyncResult(
        added=added,
        changed=len(written) - added,
        removed=len(missing) if trusted else 0,
        held=0 if trusted else len(missing),
    )
