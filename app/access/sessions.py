"""Sessions in a browser: a random cookie each, hashed here, ending when idle, when old, or when revoked."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.clock import now
from app.db import Connection
from app.errors import NotFound
from app.sealing import Sealer, new_token

PROOF_LASTS = timedelta(minutes=10)
"""How long a sensitive act needs no new proof of who is at the keyboard."""
HALF_LASTS = timedelta(minutes=10)
"""How long somebody may take from the password to the second factor."""

_MAX_AGENT = 300


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lasts: without a request, and in all."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A session and the login it is of; ``second_factor``: it was shown here, ``has_totp``: the login has one."""

    id: int
    login_id: int
    second_factor: bool
    has_totp: bool
    proved_at: datetime
    totp_offered: bytes | None
    flash: str | None

    @property
    def is_half(self) -> bool:
        """Whether the second factor is still to be shown."""
        return self.has_totp and not self.second_factor

    @property
    def is_proved(self) -> bool:
        """Whether the password or a code was asked for a short while ago."""
        return self.proved_at > now() - PROOF_LASTS


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its owner sees it listed."""

    id: int
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime


async def open_session(
    conn: Connection,
    sealer: Sealer,
    login_id: int,
    *,
    lifetime: Lifetime,
    address: str,
    agent: str,
    second_factor: bool,
    half: bool = False,
) -> str:
    """Open a session and return its cookie, the only copy of it; ``half`` ones wait for the second factor, shortly."""
    token = new_token("ss")
    lasts = HALF_LASTS if half else lifetime.absolute
    await conn.execute("DELETE FROM login_sessions WHERE expires_at < now()")
    await conn.execute(
        "INSERT INTO login_sessions (login_id, token_hash, second_factor, address, agent, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, now() + %s)",
        (login_id, sealer.hash(token), second_factor, address[:100], _printable(agent)[:_MAX_AGENT], lasts),
    )
    return token


async def find_session(
    conn: Connection, sealer: Sealer, token: str, *, lifetime: Lifetime, background: bool = False
) -> BrowserSession | None:
    """Return the live session of this cookie, None if there is none; its owner was there, unless in the background.

    Pages that refresh by themselves are the background: they must not keep alive what nobody uses.
    """
    cursor = await conn.execute(
        "SELECT n.id, n.login_id, n.second_factor, n.proved_at, n.totp_offered, n.flash, n.seen_at,"
        " l.totp_sealed IS NOT NULL AS has_totp"
        " FROM login_sessions n JOIN logins l ON l.id = n.login_id WHERE n.token_hash = ANY (%s)"
        " AND n.expires_at > now() AND n.seen_at > now() - %s",
        (sealer.hashes(token), lifetime.idle),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    seen_at = row.pop("seen_at")
    if not background and seen_at < now() - timedelta(minutes=1):
        # To the minute is enough, and a page of ten requests writes nothing.
        await conn.execute("UPDATE login_sessions SET seen_at = now() WHERE id = %s", (row["id"],))
    return BrowserSession(**row)


async def list_sessions(conn: Connection, login_id: int, *, lifetime: Lifetime) -> list[SessionRow]:
    """Return a login's live sessions, the one used last first."""
    cursor = await conn.execute(
        "SELECT id, address, agent, created_at, seen_at FROM login_sessions"
        " WHERE login_id = %s AND expires_at > now() AND seen_at > now() - %s ORDER BY seen_at DESC, id DESC LIMIT 100",
        (login_id, lifetime.idle),
    )
    return [SessionRow(**row) for row in await cursor.fetchall()]


async def end_session(conn: Connection, login_id: int, session_id: int) -> None:
    """End one session of a login; NotFound if it has no such session."""
    cursor = await conn.execute("DELETE FROM login_sessions WHERE id = %s AND login_id = %s", (session_id, login_id))
    if cursor.rowcount == 0:
        raise NotFound("There is no such session; it may have ended.")


async def end_sessions(conn: Connection, login_id: int, *, but: int | None = None) -> int:
    """End every session of a login, except ``but``, and return how many."""
    cursor = await conn.execute(
        "DELETE FROM login_sessions WHERE login_id = %s AND id IS DISTINCT FROM %s", (login_id, but)
    )
    return cursor.rowcount


async def prove_session(conn: Connection, session_id: int) -> None:
    """Write down that who is at the keyboard was asked again just now, and was right."""
    await conn.execute("UPDATE login_sessions SET proved_at = now() WHERE id = %s", (session_id,))


async def say_next(conn: Connection, session_id: int, text: str | None) -> None:
    """Keep a sentence for the next page of a session; None when it was shown."""
    await conn.execute("UPDATE login_sessions SET flash = %s WHERE id = %s", (text, session_id))


def _printable(agent: str) -> str:
    return "".join(character for character in agent if character.isprintable())
