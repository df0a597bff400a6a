"""Orders whose end a person enters: the queue of those that wait for one, and what becomes of each.

They lie with suppliers whose connector cannot be asked: those a person is (kind ``manual``), and those that answer at
once or never, where staff found an order whose answer was lost. They are placed like any other; the report is entered.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.connectors import registry
from app.connectors.base import Report, ReportStatus
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.orders.attempts import Write, clean, record
from app.orders.placed import held_attempt
from app.orders.reports import report_of
from app.orders.states import AttemptState

MAX_RESULT = 100_000


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """An attempt that waits for a person. ``cost`` is for all pieces, in micro-units of ``currency``, the supplier's.

    ``code`` and ``task`` are the person's own name and words for what is to be done.
    """

    id: int
    order_id: int
    supplier_id: int
    supplier: str
    service: str
    code: str
    task: str
    device: str
    quantity: int
    fields: dict[str, Any]
    cost: int | None
    currency: str
    placed_at: datetime | None


_WAITING = """
SELECT a.id, a.order_id, s.id AS supplier_id, s.name AS supplier, v.name AS service, m.remote_id AS code,
       m.name AS task, o.device, o.quantity, o.fields, a.cost,
       COALESCE(NULLIF(m.currency, ''), s.currency) AS currency, a.placed_at
FROM attempts a JOIN suppliers s ON s.id = a.supplier_id JOIN orders o ON o.id = a.order_id
JOIN services v ON v.id = o.service_id JOIN remote_services m ON m.id = a.remote_service_id
WHERE a.supplier_id = ANY (ARRAY(SELECT id FROM suppliers WHERE kind = ANY (%(kinds)s))) AND a.state = 'placed'
"""


async def list_waiting(
    conn: Connection, *, supplier_id: int | None = None, after: int = 0, limit: int
) -> list[WaitingRow]:
    """Return the attempts that wait for a person, oldest first, those with an id above ``after``."""
    cursor = await conn.execute(
        f"{_WAITING} AND a.id > %(after)s AND (%(supplier)s::bigint IS NULL OR s.id = %(supplier)s)"
        # Not in the order of the ids' index: all attempts there ever were would be gone through for a short queue.
        " ORDER BY a.id + 0 LIMIT %(limit)s",
        {"kinds": _kinds(), "after": after, "supplier": supplier_id, "limit": limit},
    )
    return [WaitingRow(**row) for row in await cursor.fetchall()]


async def find_waiting(conn: Connection, attempt_id: int) -> WaitingRow | None:
    """Return the attempt if it waits for a person."""
    row = await (await conn.execute(f"{_WAITING} AND a.id = %(id)s", {"kinds": _kinds(), "id": attempt_id})).fetchone()
    return WaitingRow(**row) if row else None


def _kinds() -> list[str]:
    """The kinds of suppliers that no machine can ask."""
    return [kind for kind, connector in registry.kinds().items() if not connector.can_be_asked]


async def finish(conn: Connection, attempt_id: int, *, result: str, actor: str) -> None:
    """Deliver what a person did; the customer gets ``result`` and the order is settled.

    ``conn`` is inside a transaction. Raises NotFound, Invalid without a result, and Conflict if nobody waits for it.
    """
    result = clean(result.strip())
    if not result:
        raise Invalid("A result is needed: it is what the customer paid for.", field="result")
    await _report(conn, attempt_id, ReportStatus.DONE, result, actor)


async def give_up(conn: Connection, attempt_id: int, *, reason: str, actor: str) -> None:
    """Close an order that the person could not fulfil; the customer gets ``reason`` and the money back.

    ``conn`` is inside a transaction. Raises NotFound, Invalid without a reason, and Conflict if nobody waits for it.
    """
    reason = clean(reason.strip())
    if not reason:
        raise Invalid("The customer needs a reason.", field="reject")
    await _report(conn, attempt_id, ReportStatus.FAILED, reason, actor)


async def _report(conn: Connection, attempt_id: int, status: ReportStatus, text: str, actor: str) -> None:
    held = await held_attempt(conn, attempt_id, lock=True)
    if held.supplier_kind not in _kinds():
        raise NotFound("There is no such attempt that a person is to fulfil.")
    if held.state != AttemptState.PLACED:
        raise Conflict("Nobody waits for this attempt any more.")
    write = await report_of(conn, held.poll, Report(held.poll.remote_id, status, text))
    # A worker may be asking after it this moment; a person's word comes first, and the worker's then changes nothing.
    if not isinstance(write, Write) or not await record(conn, [write], lease_by=held.lease_by, actor=actor):
        raise Conflict("The attempt was changed by somebody else; look again.")
