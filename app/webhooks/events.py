"""Writes down what happened to a customer; orders and balances are written by the functions that change them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from psycopg.types.json import Json

from app.db import Connection
from app.errors import NotFound
from app.text import plain
from app.webhooks.kinds import EventKind

BEFORE_OTHERS = timedelta(days=30)
"""How long ago something was due that is to go out before all that waits: nothing that waits is older."""


async def publish(
    conn: Connection, customer_id: int, kind: EventKind, *, subject: str, body: Mapping[str, object]
) -> None:
    """Write an event down for every active endpoint of the customer that wants its kind; nothing if there is none.

    ``conn`` is in the transaction in which it happens.
    """
    await conn.execute(
        "SELECT publish_event(%s, %s, %s, %s, false, NULL)", (customer_id, kind, subject, Json(dict(body)))
    )


async def try_now(conn: Connection, customer_id: int, endpoint_id: int) -> None:
    """Have an endpoint tried at once that is left alone, and hold it until the transaction ends; NotFound."""
    cursor = await conn.execute(
        "UPDATE webhook_endpoints SET not_before = NULL WHERE id = %s AND customer_id = %s", (endpoint_id, customer_id)
    )
    if cursor.rowcount == 0:
        raise NotFound("There is no such endpoint.")


def data_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message says of what happened: what suppliers wrote is plain text, as where orders are read."""
    texts = {name: plain(body[name]) for name in ("result", "reason") if isinstance(body.get(name), str)}
    return {**body, **texts}


async def ping(conn: Connection, customer_id: int, endpoint_id: int) -> int:
    """Write a test message for one endpoint down, paused or not, and return its delivery's id; NotFound.

    ``conn`` is inside a transaction.
    """
    text = "A test message: this endpoint works."
    await try_now(conn, customer_id, endpoint_id)
    cursor = await conn.execute(
        "WITH event AS (INSERT INTO webhook_events (customer_id, kind, subject, body)"
        " VALUES (%s, %s, 'test', %s) RETURNING id)"
        " INSERT INTO webhook_deliveries (event_id, endpoint_id, due_at) SELECT id, %s, now() - %s FROM event"
        " RETURNING id",
        (
            customer_id,
            EventKind.TEST_PING,
            Json({"text": text}),
            endpoint_id,
            BEFORE_OTHERS,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return int(row["id"])
