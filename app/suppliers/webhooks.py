"""The calls suppliers make to us: each is taken once, however often somebody sends it again."""

import hashlib

from app.db import Connection

KEPT_DAYS = 90
"""How long a call is remembered; no order is asked after for longer."""


async def take_call(conn: Connection, supplier_id: int, body: bytes) -> bool:
    """Remember a supplier's call by its body and return True; False if it was taken before."""
    cursor = await conn.execute(
        "INSERT INTO webhook_calls (supplier_id, digest) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (supplier_id, hashlib.sha256(body).digest()),
    )
    return await cursor.fetchone() is not None


async def forget_calls(conn: Connection) -> int:
    """Forget the calls that are older than any order that is still asked after; return how many."""
    cursor = await conn.execute("DELETE FROM webhook_calls WHERE at < now() - make_interval(days => %s)", (KEPT_DAYS,))
    return cursor.rowcount
