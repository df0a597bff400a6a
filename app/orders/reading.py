"""Orders as staff see them: lists by filter, and one order with all that happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import Connection
from app.errors import Invalid, NotFound
from app.orders.states import AttemptState


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in a list; ``price`` is for all pieces in micro-units of ``currency``."""

    id: int
    state: str
    customer_id: int
    customer: str
    service_id: int
    service: str
    device: str
    quantity: int
    price: int
    currency: str
    fields: dict[str, Any]
    reference: str
    source: str
    result: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExchangeRow:
    """One request to a supplier and its reply, secrets replaced."""

    id: int
    call: str
    at: datetime
    method: str
    url: str
    request: str
    status: int | None
    reply: str
    milliseconds: int
    error: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try over one route; ``cost`` is for all pieces, in micro-units of ``currency``, the supplier's, None before
    it was sent."""

    id: int
    order_id: int
    number: int
    state: str
    route_id: int
    supplier_id: int
    supplier: str
    remote_service_id: int
    remote_service: str
    remote_id: str | None
    cost: int | None
    currency: str
    refusal: str | None
    text: str | None
    note: str | None
    polls: int
    due_at: datetime
    created_at: datetime
    sent_at: datetime | None
    placed_at: datetime | None
    closed_at: datetime | None
    device: str
    chosen: str | None = None
    placing: ExchangeRow | None = None
    report: ExchangeRow | None = None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One thing that happened to an order or to an attempt of it."""

    id: int
    attempt_id: int | None
    kind: str
    old_state: str | None
    new_state: str | None
    actor: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderTransfer:
    """A movement of money for an order; ``amount`` is above zero, in micro-units."""

    id: int
    kind: str
    amount: int
    currency: str
    reason: str | None
    staff_id: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OrderStory:
    """One order with everything that happened, in order."""

    order: OrderRow
    events: list[EventRow]
    attempts: list[AttemptRow]
    transfers: list[OrderTransfer]


_ORDERS = """
SELECT o.id, o.state, o.customer_id, c.username AS customer, o.service_id, s.name AS service, o.device, o.quantity,
       o.price, o.currency, o.fields, o.reference, o.source, o.result, o.reason, o.created_at, o.updated_at, o.closed_at
FROM orders o JOIN customers c ON c.id = o.customer_id JOIN services s ON s.id = o.service_id
"""
_ATTEMPTS = """
SELECT a.id, a.order_id, a.number, a.state, a.route_id, a.supplier_id, s.name AS supplier, a.remote_service_id,
       m.name AS remote_service, a.remote_id, a.cost,
       COALESCE(a.cost_currency, NULLIF(m.currency, ''), s.currency)::text AS currency,
       a.refusal, a.text, a.note, a.polls, a.due_at,
       a.created_at, a.sent_at, a.placed_at, a.closed_at, a.place_exchange_id, a.report_exchange_id, o.device, a.chosen
FROM attempts a JOIN orders o ON o.id = a.order_id JOIN suppliers s ON s.id = a.supplier_id
JOIN remote_services m ON m.id = a.remote_service_id
"""
_ALL_EXCHANGES = """
SELECT DISTINCT a.number, e.id, e.call, e.at, e.method, e.url, e.request, e.status, e.reply, e.milliseconds, e.error
FROM attempts a
CROSS JOIN LATERAL (
    SELECT unnest(ARRAY[a.place_exchange_id, a.report_exchange_id]) AS id
    UNION ALL SELECT l.exchange_id FROM attempt_exchanges l WHERE l.attempt_id = a.id
) x
JOIN exchanges e ON e.id = x.id
WHERE a.order_id = %(order)s AND (%(attempt)s::bigint IS NULL OR a.id = %(attempt)s) ORDER BY e.id, a.number
"""
_EXCHANGES = "SELECT id, call, at, method, url, request, status, reply, milliseconds, error FROM exchanges"


async def read_orders(conn: Connection, ids: Sequence[int]) -> list[OrderRow]:
    """Return these orders, newest first; an id that is none is left out."""
    cursor = await conn.execute(f"{_ORDERS} WHERE o.id = ANY (%s) ORDER BY o.id DESC", (list(ids),))
    return [OrderRow(**row) for row in await cursor.fetchall()]


async def read_order(conn: Connection, order_id: int) -> OrderStory:
    """Return one order with its events, attempts and transfers; NotFound if there is none."""
    row = await (await conn.execute(f"{_ORDERS} WHERE o.id = %s", (order_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such order.")
    events = await conn.execute(
        "SELECT id, attempt_id, kind, old_state, new_state, actor, detail, at FROM order_events"
        " WHERE order_id = %s ORDER BY id",
        (order_id,),
    )
    transfers = await conn.execute(
        # Kind by kind, because that is how transfers are indexed by order; else all there are would be read.
        "SELECT id, kind, amount, currency, reason, staff_id, created_at FROM transfers"
        " WHERE order_id = %(id)s AND kind = 'charge' OR order_id = %(id)s AND kind = 'settle'"
        " OR order_id = %(id)s AND kind = 'refund' OR order_id = %(id)s AND kind = 'reverse' ORDER BY id",
        {"id": order_id},
    )
    attempts = await conn.execute(f"{_ATTEMPTS} WHERE a.order_id = %s ORDER BY a.number", (order_id,))
    return OrderStory(
        order=OrderRow(**row),
        events=[EventRow(**event) for event in await events.fetchall()],
        attempts=await _with_exchanges(conn, await attempts.fetchall()),
        transfers=[OrderTransfer(**transfer) for transfer in await transfers.fetchall()],
    )


async def list_attempts(
    conn: Connection, *, state: str, supplier_id: int | None = None, after: int = 0, limit: int, exchanges: bool = True
) -> list[AttemptRow]:
    """Return attempts in a state, oldest first, ids above ``after``; with what was said to the supplier, if
    ``exchanges``, which may be far more than all the rest. Invalid for no state."""
    if state not in list(AttemptState):
        raise Invalid(f"The state is one of {', '.join(AttemptState)}.", field="state")
    cursor = await conn.execute(
        f"{_ATTEMPTS} WHERE a.state = %(state)s AND a.id > %(after)s"
        " AND (%(supplier)s::bigint IS NULL OR a.supplier_id = %(supplier)s) ORDER BY a.id LIMIT %(limit)s",
        {"state": state, "after": after, "supplier": supplier_id, "limit": limit},
    )
    return await _with_exchanges(conn, await cursor.fetchall(), read=exchanges)


async def read_attempts(conn: Connection, ids: Sequence[int]) -> list[AttemptRow]:
    """Return these attempts with what was said to the supplier; an id that is none is left out."""
    cursor = await conn.execute(f"{_ATTEMPTS} WHERE a.id = ANY (%s) ORDER BY a.id", (list(ids),))
    return await _with_exchanges(conn, await cursor.fetchall())


async def read_attempt(conn: Connection, attempt_id: int) -> AttemptRow:
    """Return one attempt with what was said to the supplier; NotFound if there is none."""
    found = await read_attempts(conn, [attempt_id])
    if not found:
        raise NotFound("There is no such attempt.")
    return found[0]


async def next_unclear(conn: Connection, after: int) -> int | None:
    """Return the next unclear attempt above the id ``after``, else the first there is, None if there is no other."""
    cursor = await conn.execute(
        "SELECT id FROM attempts WHERE state = 'unclear' AND id <> %(after)s ORDER BY id < %(after)s, id LIMIT 1",
        {"after": after},
    )
    row = await cursor.fetchone()
    return int(row["id"]) if row else None


async def exchanges_of(
    conn: Connection, order_id: int, *, attempt_id: int | None = None
) -> list[tuple[int, ExchangeRow]]:
    """Return all that is kept of what was said about an order, or one attempt of it, with the attempt's number."""
    cursor = await conn.execute(_ALL_EXCHANGES, {"order": order_id, "attempt": attempt_id})
    return [(row.pop("number"), ExchangeRow(**row)) for row in await cursor.fetchall()]


async def _with_exchanges(conn: Connection, rows: list[dict[str, Any]], *, read: bool = True) -> list[AttemptRow]:
    ids = [row[name] for row in rows for name in ("place_exchange_id", "report_exchange_id") if row[name] is not None]
    found: dict[int, ExchangeRow] = {}
    if ids and read:
        cursor = await conn.execute(f"{_EXCHANGES} WHERE id = ANY (%s)", (ids,))
        found = {row["id"]: ExchangeRow(**row) for row in await cursor.fetchall()}
    return [
        AttemptRow(
            placing=found.get(row.pop("place_exchange_id")), report=found.get(row.pop("report_exchange_id")), **row
        )
        for row in rows
    ]
