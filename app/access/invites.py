"""Invitations: a link with which somebody chooses the password of a login, once."""

from datetime import datetime, timedelta

from app.access.passwords import set_password
from app.clock import now
from app.db import Connection
from app.errors import Invalid
from app.sealing import Sealer, new_token

INVITE_LASTS = timedelta(days=3)


async def invite(
    conn: Connection, sealer: Sealer, login_id: int, *, lasts: timedelta = INVITE_LASTS
) -> tuple[str, datetime]:
    """Return an invitation to choose a password, the only copy, and when it ends; one made before works no more."""
    token, ends = new_token("iv"), now() + lasts
    await conn.execute(
        "INSERT INTO login_invites (login_id, token_hash, expires_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (login_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = now(),"
        " expires_at = excluded.expires_at",
        (login_id, sealer.hash(token), ends),
    )
    return token, ends


async def accept_invite(conn: Connection, sealer: Sealer, token: str, password_hash: str) -> int:
    """Give the login that was invited the password, and return its id; Invalid if the invitation does not work."""
    cursor = await conn.execute(
        "DELETE FROM login_invites WHERE token_hash = ANY (%s) AND expires_at > now() RETURNING login_id",
        (sealer.hashes(token.strip()),),
    )
    row = await cursor.fetchone()
    if row is None:
        raise does_not_work()
    login_id: int = row["login_id"]
    await set_password(conn, login_id, password_hash)
    return login_id


async def withdraw_invite(conn: Connection, login_id: int) -> None:
    """Let the invitation of a login work no more, if there is one."""
    await conn.execute("DELETE FROM login_invites WHERE login_id = %s", (login_id,))


def does_not_work() -> Invalid:
    """Return the one answer to every invitation that does not work, whatever the reason."""
    return Invalid("This invitation does not work: it was used, replaced, or is over. Ask for another.", field="code")
