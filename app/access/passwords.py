"""Passwords: what may be one, its argon2 hash, and the check that takes as long for nobody as for somebody."""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.db import Connection
from app.errors import Invalid

MIN_LENGTH = 12
MAX_LENGTH = 200

# Every hash takes 64 MiB and tens of milliseconds: two at a time, beside the event loop, are all that guessers get.
_HASHERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
_ARGON2 = PasswordHasher()


async def hash_password(password: str, *, email: str = "", field: str = "password") -> str:
    """Return the argon2id hash of a new password; Invalid for one that is too short, too long or the address."""
    if len(password) < MIN_LENGTH:
        raise Invalid(f"A password has at least {MIN_LENGTH} characters; several words are good.", field=field)
    if len(password) > MAX_LENGTH:
        raise Invalid(f"A password has at most {MAX_LENGTH} characters.", field=field)
    if len(set(password)) < 5 or (email and password.lower() in {email, email.split("@", maxsplit=1)[0]}):
        raise Invalid("That is too easy to guess.", field=field)
    return await asyncio.get_running_loop().run_in_executor(_HASHERS, _ARGON2.hash, password)


async def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one of this hash; None takes the same time and never fits.

    It takes tens of milliseconds, so it is never awaited inside a transaction.
    """
    return await asyncio.get_running_loop().run_in_executor(_HASHERS, _fits, password_hash, password)


async def set_password(conn: Connection, login_id: int, password_hash: str) -> None:
    """Give a login a password; every session of it and an invitation end, for a new one says so."""
    await conn.execute("UPDATE logins SET password_hash = %s WHERE id = %s", (password_hash, login_id))
    await conn.execute("DELETE FROM login_sessions WHERE login_id = %s", (login_id,))
    await conn.execute("DELETE FROM login_invites WHERE login_id = %s", (login_id,))


def _fits(password_hash: str | None, password: str) -> bool:
    # surrogatepass: a browser cannot send half a character, a script can.
    given = password[: MAX_LENGTH + 1].encode("utf-8", "surrogatepass")
    try:
        return _ARGON2.verify(password_hash or _nobodys(), given) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobodys() -> str:
    """Return a hash with the parameters of all others, against which strangers are checked."""
    return _ARGON2.hash("nobody has this password")
