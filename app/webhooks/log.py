"""The log of deliveries: what was sent where, what the receiver said, sending it again, and forgetting it in time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.webhooks.endpoints import get_endpoint
from app.webhooks.events import BEFORE_OTHERS, data_of, try_now

KEPT_DAYS = 30
STATES = ("waiting", "sending", "delivered", "failed", "held")


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as its customer sees it; ``url`` is set for the callback of an order.

    ``status``, ``error`` and ``reply`` are of the last attempt.
    """

    id: int
    message_id: str
    kind: str
    subject: str
    sandbox: bool
    url: str | None
    state: str
    attempts: int
    due_at: datetime | None
    status: int | None
    error: str | None
    reply: str | None
    sent_at: datetime | None
    closed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery(DeliveryRow):
    """A delivery with its message's data, which may be long: lists are without."""

    body: dict[str, Any]


_COLUMNS = """
SELECT d.id, 'msg_' || v.id AS message_id, v.kind, v.subject, v.sandbox, d.url, d.state, d.attempts,
       CASE WHEN d.state = 'waiting' THEN GREATEST(d.due_at, e.not_before) END AS due_at,
       d.status, d.error, d.reply, d.sent_at, d.closed_at, d.created_at
"""
_TABLES = """
FROM webhook_deliveries d JOIN webhook_events v ON v.id = d.event_id JOIN webhook_endpoints e ON e.id = d.endpoint_id
"""


async def list_deliveries(
    conn: Connection,
    customer_id: int,
    endpoint_id: int,
    *,
    state: str | None = None,
    before: int | None = None,
    limit: int,
) -> list[DeliveryRow]:
    """Return an endpoint's deliveries, the newest first, those with an id below ``before``; NotFound, Invalid."""
    if state is not None and state not in STATES:
        raise Invalid(f"The state is one of {', '.join(STATES)}.", field="state")
    await get_endpoint(conn, customer_id, endpoint_id)
    cursor = await conn.execute(
        f"{_COLUMNS}{_TABLES} WHERE d.endpoint_id = %(endpoint)s"
        " AND d.id < COALESCE(%(before)s::bigint, 9223372036854775807)"
        " AND (%(state)s::text IS NULL OR d.state = %(state)s) ORDER BY d.id DESC LIMIT %(limit)s",
        {"endpoint": endpoint_id, "before": before, "state": state, "limit": limit},
    )
    return [DeliveryRow(**row) for row in await cursor.fetchall()]


async def get_delivery(conn: Connection, customer_id: int, endpoint_id: int, delivery_id: int) -> Delivery:
    """Return a delivery of an endpoint of the customer's; NotFound if there is none."""
    cursor = await conn.execute(
        f"{_COLUMNS}, v.body {_TABLES} WHERE d.id = %s AND d.endpoint_id = %s AND e.customer_id = %s",
        (delivery_id, endpoint_id, customer_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such delivery.")
    return Delivery(**{**row, "body": data_of(row["body"])})


async def resend(conn: Connection, customer_id: int, endpoint_id: int, delivery_id: int) -> Delivery:
    """Have a delivery sent again now, under the same id, whatever became of it; NotFound, Conflict while it is sent.

    ``conn`` is inside a transaction. Also to an endpoint that is paused: a person wants to see whether it works.
    """
    await try_now(conn, customer_id, endpoint_id)
    await get_delivery(conn, customer_id, endpoint_id, delivery_id)
    cursor = await conn.execute(
        "UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, closed_at = NULL, due_at = now() - %s"
        " WHERE id = %s AND state <> 'sending'",
        (BEFORE_OTHERS, delivery_id),
    )
    if cursor.rowcount == 0:
        raise Conflict("It is being sent at this moment.")
    return await get_delivery(conn, customer_id, endpoint_id, delivery_id)


async def forget_deliveries(conn: Connection) -> int:
    """Remove events that are older than 30 days with their deliveries, and return how many; delivered or not."""
    cursor = await conn.execute(
        "DELETE FROM webhook_events WHERE created_at < now() - make_interval(days => %s)", (KEPT_DAYS,)
    )
    return cursor.rowcount
