"""Mails about pauses: each time that the machine pauses an endpoint its customer is told once by mail."""

from dataclasses import dataclass

from app.db import Connection

TRIES = 5


@dataclass(frozen=True, slots=True)
class PauseMail:
    """A mail that is due; ``email`` is empty if it is not to be sent any more, ``url`` None for callbacks."""

    endpoint_id: int
    tries: int
    email: str
    label: str
    url: str | None
    reason: str


async def wish_for_mail(conn: Connection, endpoint_id: int) -> None:
    """Have the customer told by mail that this endpoint is paused; ``conn`` is in the transaction that pauses it."""
    await conn.execute(
        "INSERT INTO webhook_pause_mails (endpoint_id) VALUES (%s)"
        " ON CONFLICT (endpoint_id) DO UPDATE SET due_at = now(), tries = 0",
        (endpoint_id,),
    )


async def next_mail(conn: Connection) -> PauseMail | None:
    """Return a mail that is due and hold it until the transaction ends, None if there is none.

    Nobody is told any more who made the endpoint active meanwhile, or paused it themselves, or may not buy.
    """
    cursor = await conn.execute(
        "SELECT m.endpoint_id, m.tries, e.label, e.url, COALESCE(e.paused_because, '') AS reason,"
        " CASE WHEN e.paused_because IS NOT NULL AND c.state = 'active' THEN c.email ELSE '' END AS email"
        " FROM webhook_pause_mails m JOIN webhook_endpoints e ON e.id = m.endpoint_id"
        " JOIN customers c ON c.id = e.customer_id"
        " WHERE m.due_at <= now() ORDER BY m.due_at LIMIT 1 FOR UPDATE OF m SKIP LOCKED"
    )
    row = await cursor.fetchone()
    return PauseMail(**row) if row else None


async def forget_mail(conn: Connection, endpoint_id: int) -> None:
    """Have it not sent any more: it was, or there is nobody to send it to."""
    await conn.execute("DELETE FROM webhook_pause_mails WHERE endpoint_id = %s", (endpoint_id,))


async def put_off_mail(conn: Connection, mail: PauseMail) -> None:
    """Try it again in some minutes, unless this is the last of five tries."""
    if mail.tries + 1 >= TRIES:
        await forget_mail(conn, mail.endpoint_id)
        return
    await conn.execute(
        "UPDATE webhook_pause_mails SET tries = tries + 1, due_at = now() + interval '2 minutes' * (tries + 1)"
        " WHERE endpoint_id = %s",
        (mail.endpoint_id,),
    )
