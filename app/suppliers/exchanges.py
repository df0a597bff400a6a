"""What was said between a supplier and us, newest first, and one call of it: for staff who look what went wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from app.db import Connection
from app.errors import NotFound

LOOKED_AT = 5_000
"""So many calls are looked through for those that match, so that a page is as quick with millions of them."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as listed: ``status`` is that of HTTP, None if no reply came; then ``error`` says why."""

    id: int
    call: str
    at: datetime
    method: str
    status: int | None
    milliseconds: int
    error: str | None


@dataclass(frozen=True, slots=True)
class CallPage:
    """Some calls, the newest first; ``older`` is where the next page begins, None at the end."""

    rows: list[CallRow]
    older: int | None


@dataclass(frozen=True, slots=True)
class CallDetail:
    """One call with what was sent and answered. ``orders`` are those it was about, with the fields they carried."""

    id: int
    supplier_id: int
    call: str
    at: datetime
    method: str
    url: str
    request: str
    status: int | None
    reply: str
    milliseconds: int
    error: str | None
    orders: list[tuple[int, dict[str, Any]]]


_CALLS: LiteralString = """
WITH looked_at AS (
    SELECT id, call, at, method, status, milliseconds, error FROM exchanges
    WHERE supplier_id = %(supplier)s AND id < %(before)s ORDER BY id DESC LIMIT %(looked_at)s
)
SELECT l.*, (SELECT min(id) FROM looked_at) AS last, (SELECT count(*) FROM looked_at) AS seen
FROM (SELECT 1) one
LEFT JOIN looked_at l ON (%(call)s = '' OR l.call = %(call)s)
  AND (NOT %(failed)s OR l.error IS NOT NULL OR l.status IS NULL OR l.status >= 400)
ORDER BY l.id DESC LIMIT %(limit)s
"""


async def list_calls(
    conn: Connection, supplier_id: int, *, call: str = "", failed: bool = False, before: int, limit: int
) -> CallPage:
    """Return calls with an id below ``before``: of one sort or of all, and only those without a good answer."""
    looked_at = LOOKED_AT if call or failed else limit + 1
    cursor = await conn.execute(
        _CALLS,
        {
            "supplier": supplier_id,
            "before": before,
            "call": call,
            "failed": failed,
            "looked_at": looked_at,
            "limit": limit + 1,
        },
    )
    found = await cursor.fetchall()
    last, seen = found[0]["last"], found[0]["seen"]
    rows = [
        CallRow(**{name: value for name, value in row.items() if name not in ("last", "seen")})
        for row in found
        if row["id"] is not None
    ]
    if len(rows) > limit:
        return CallPage(rows[:limit], rows[limit - 1].id)
    return CallPage(rows, last if seen == looked_at else None)


async def get_call(conn: Connection, supplier_id: int, exchange_id: int) -> CallDetail:
    """Return one call of a supplier with the orders it was about; NotFound if there is none, or it is gone."""
    cursor = await conn.execute(
        "SELECT id, supplier_id, call, at, method, url, request, status, reply, milliseconds, error FROM exchanges"
        " WHERE id = %s AND supplier_id = %s",
        (exchange_id, supplier_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such call; what was said is kept for a time only.")
    cursor = await conn.execute(
        "SELECT DISTINCT o.id, o.fields FROM ("
        " SELECT order_id FROM attempts WHERE place_exchange_id = %(id)s"
        " UNION ALL SELECT order_id FROM attempts WHERE report_exchange_id = %(id)s"
        " UNION ALL SELECT a.order_id FROM attempt_exchanges l JOIN attempts a ON a.id = l.attempt_id"
        "  WHERE l.exchange_id = %(id)s) about JOIN orders o ON o.id = about.order_id ORDER BY o.id LIMIT 1000",
        {"id": exchange_id},
    )
    return CallDetail(**row, orders=[(about["id"], about["fields"]) for about in await cursor.fetchall()])
