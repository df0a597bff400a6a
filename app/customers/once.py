"""Calls that count once: what was answered to a customer's Idempotency-Key is kept for a day and answered again.

A key belongs to the customer, not to the API key that it came with, so that it still counts after a rotation.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import orjson

from app.db import Connection
from app.errors import Invalid

KEPT_HOURS = 24

_FORM = re.compile(r"[\x21-\x7e]{1,200}")


class KeyReused(Invalid):
    """The key was used for another request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Once:
    """A key of the caller's making, and the hash of what it was sent with."""

    key: str
    request: bytes


def once(key: str, call: str, body: object) -> Once:
    """Return the key for a call with this body, however that was written; Invalid if it cannot be a key."""
    if not _FORM.fullmatch(key):
        raise Invalid("A key has 1 to 200 visible ASCII characters.", field="Idempotency-Key")
    written = orjson.dumps([call, body], option=orjson.OPT_SORT_KEYS, default=str)
    return Once(key, hashlib.sha256(written).digest())


async def alone(conn: Connection, customer_id: int) -> None:
    """Wait until no other call of the customer's is placing or keeping an answer; ``conn`` is inside a transaction."""
    # The row that placing locks, which is how two calls with one key are kept apart, whatever they do.
    await conn.execute("SELECT 1 FROM accounts WHERE customer_id = %s FOR NO KEY UPDATE", (customer_id,))


async def recall(conn: Connection, customer_id: int, call: Once) -> Any:
    """Return what was answered to the key, None if nothing was yet; KeyReused if that was another request."""
    cursor = await conn.execute(
        "SELECT request = %s AS same, answer FROM idempotency_keys"
        " WHERE customer_id = %s AND key = %s AND created_at > now() - make_interval(hours => %s)",
        (call.request, customer_id, call.key, KEPT_HOURS),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if not row["same"]:
        raise KeyReused("This key was used for another request.", field="Idempotency-Key")
    return row["answer"]


async def keep(conn: Connection, customer_id: int, call: Once, answer: object) -> None:
    """Keep what is answered to the key; ``conn`` is in the transaction that does what the answer says.

    Two calls with one key must be kept apart by a lock that the caller holds: that of placing, or of ``alone``.
    """
    await conn.execute(
        "SELECT keep_answer(%s, %s, %s, %s::jsonb)",
        (customer_id, call.key, call.request, orjson.dumps(answer).decode()),
    )


async def forget(conn: Connection, customer_id: int, key: str, *, order_id: int) -> None:
    """Let a key be used anew if what it was answered is this order, and not one that was placed with it since."""
    await conn.execute(
        "DELETE FROM idempotency_keys WHERE customer_id = %s AND key = %s"
        " AND answer @> jsonb_build_object('outcomes', jsonb_build_array(jsonb_build_object('order_id', %s::bigint)))",
        (customer_id, key, order_id),
    )


async def forget_old(conn: Connection) -> int:
    """Remove what nobody is answered any more, and return how much that was."""
    cursor = await conn.execute(
        "DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => %s)", (KEPT_HOURS,)
    )
    return cursor.rowcount
