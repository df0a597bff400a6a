"""A supplier's catalogue as staff look through it: what is mapped, what is gone, what is left alone now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString

from app.db import Connection

State = Literal["", "listed", "removed", "paused"]
Mapped = Literal["", "yes", "no"]


@dataclass(frozen=True, slots=True)
class RemoteListRow:
    """A remote service; ``cost`` is of one piece in micro-units of ``currency``, ``routes`` counts those to it.

    ``circuit`` is as a supplier's; ``answered`` and the rest are its measures of the last days, None if it has none.
    """

    id: int
    remote_id: str
    name: str
    group: str
    type: str
    cost: int | None
    currency: str
    time: str
    removed_at: datetime | None
    circuit: Literal["closed", "open", "half_open"]
    paused_until: datetime | None
    pause_reason: str | None
    routes: int
    answered: int | None
    success_permille: int | None
    p50_seconds: int | None


_LIST: LiteralString = """
SELECT m.id, m.remote_id, m.name, m.group_name AS "group", m.type, m.cost,
       COALESCE(NULLIF(m.currency, ''), s.currency)::text AS currency, m.time, m.removed_at,
       CASE WHEN m.paused_until IS NULL THEN 'closed' WHEN m.paused_until > now() THEN 'open' ELSE 'half_open' END
           AS circuit,
       m.paused_until, m.pause_reason,
       (SELECT count(*) FROM routes r WHERE r.remote_service_id = m.id) AS routes,
       n.answered, n.success_permille, n.p50_seconds
FROM (
    SELECT * FROM remote_services m
    WHERE m.supplier_id = %(supplier)s AND m.id > %(after)s
      AND CASE %(state)s WHEN 'listed' THEN m.removed_at IS NULL WHEN 'removed' THEN m.removed_at IS NOT NULL
                         WHEN 'paused' THEN m.paused_until IS NOT NULL ELSE true END
      AND CASE %(mapped)s WHEN 'yes' THEN EXISTS (SELECT FROM routes r WHERE r.remote_service_id = m.id)
                          WHEN 'no' THEN NOT EXISTS (SELECT FROM routes r WHERE r.remote_service_id = m.id)
                          ELSE true END
      AND (%(search)s = '' OR m.remote_id = %(search)s OR m.name ILIKE %(like)s OR m.group_name ILIKE %(like)s)
    ORDER BY m.id LIMIT %(limit)s
) m
JOIN suppliers s ON s.id = m.supplier_id
LEFT JOIN remote_measures n ON n.remote_service_id = m.id
ORDER BY m.id
"""


async def list_remote_services(
    conn: Connection,
    supplier_id: int,
    *,
    search: str = "",
    state: State = "",
    mapped: Mapped = "",
    after: int = 0,
    limit: int,
) -> list[RemoteListRow]:
    """Return remote services with an id above ``after`` in order of id.

    ``search`` looks into names and groups, or is one of their ids.
    """
    escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    cursor = await conn.execute(
        _LIST,
        {
            "supplier": supplier_id,
            "after": after,
            "state": state,
            "mapped": mapped,
            "search": search,
            "like": f"%{escaped}%",
            "limit": limit,
        },
    )
    return [RemoteListRow(**row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class CatalogCounts:
    """How many remote services a supplier lists, of those how many are mapped, and how many are left alone now."""

    listed: int
    mapped: int
    paused: int
    waiting: int


async def count_catalog(conn: Connection, supplier_id: int) -> CatalogCounts:
    """Return the counts of a supplier's catalogue; ``waiting`` are the changes that wait for staff."""
    cursor = await conn.execute(
        "SELECT count(*) FILTER (WHERE m.removed_at IS NULL) AS listed,"
        " count(*) FILTER (WHERE m.removed_at IS NULL AND r.remote_service_id IS NOT NULL) AS mapped,"
        " count(*) FILTER (WHERE m.paused_until IS NOT NULL) AS paused,"
        " (SELECT count(*) FROM standing_changes c WHERE c.supplier_id = %(supplier)s AND c.state = 'waiting')"
        "  AS waiting"
        " FROM remote_services m"
        " LEFT JOIN (SELECT DISTINCT remote_service_id FROM routes) r ON r.remote_service_id = m.id"
        " WHERE m.supplier_id = %(supplier)s",
        {"supplier": supplier_id},
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  a select of counts returns one row
    return CatalogCounts(**row)
