"""The second factor: codes of an authenticator app (TOTP), and recovery codes for when it is lost."""

import base64
import secrets

import pyotp

from app.acts.service import record_login_act
from app.clock import now
from app.db import Connection
from app.errors import Conflict, Invalid
from app.sealing import Sealer

RECOVERY_CODES = 10
_STEP = 30
_TOLERATED = 1
"""Steps that a clock may be off, in each direction."""


async def offer_totp(conn: Connection, sealer: Sealer, session_id: int) -> str:
    """Return a new secret to be shown in this session; it counts only once a code of it was entered."""
    secret = pyotp.random_base32()
    await conn.execute("UPDATE login_sessions SET totp_offered = %s WHERE id = %s", (sealer.seal(secret), session_id))
    return secret


def provisioning_uri(secret: str, *, email: str, brand: str) -> str:
    """Return what the QR code says to an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=brand)


async def enrol_totp(
    conn: Connection, sealer: Sealer, login_id: int, session_id: int, *, offered: bytes | None, code: str
) -> list[str]:
    """Make the secret that was shown the login's second factor; return recovery codes, the only copy of them.

    Invalid if the code is not of it, Conflict if the login has one. Every other session of it ends, for none of them
    showed it.
    """
    step = _step_of(sealer.open(offered), code) if offered is not None else None
    if step is None:
        raise Invalid("That code is not right. Is the clock of the phone right?", field="code")
    cursor = await conn.execute(
        "UPDATE logins SET totp_sealed = %s, totp_step = %s WHERE id = %s AND totp_sealed IS NULL",
        (offered, step, login_id),
    )
    if cursor.rowcount == 0:
        raise Conflict("You have a second factor; remove it first.")
    await conn.execute(
        "UPDATE login_sessions SET second_factor = true, totp_offered = NULL, proved_at = now() WHERE id = %s",
        (session_id,),
    )
    await conn.execute("DELETE FROM login_sessions WHERE login_id = %s AND id <> %s", (login_id, session_id))
    return await new_recovery_codes(conn, sealer, login_id)


async def new_recovery_codes(conn: Connection, sealer: Sealer, login_id: int) -> list[str]:
    """Make ten recovery codes in place of those there were, and return them, the only copy."""
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    # Whoever renews them at the same moment waits here, so that ten work and not twenty.
    await conn.execute("SELECT FROM logins WHERE id = %s FOR NO KEY UPDATE", (login_id,))
    await conn.execute("DELETE FROM login_recovery_codes WHERE login_id = %s", (login_id,))
    for code in codes:
        await conn.execute(
            "INSERT INTO login_recovery_codes (login_id, code_hash) VALUES (%s, %s)",
            (login_id, sealer.hash(_kept(login_id, code))),
        )
    await record_login_act(conn, login_id, "recovery codes renewed")
    return codes


async def recovery_codes_left(conn: Connection, login_id: int) -> int:
    """Return how many recovery codes of a login still work."""
    cursor = await conn.execute(
        "SELECT count(*) AS left FROM login_recovery_codes WHERE login_id = %s AND used_at IS NULL", (login_id,)
    )
    row = await cursor.fetchone()
    return row["left"] if row else 0


async def second_factor_fits(conn: Connection, sealer: Sealer, login_id: int, code: str) -> bool:
    """Whether this is a code of the login's app or one of its recovery codes; either works once."""
    code = "".join(code.split()).replace("-", "").lower()
    cursor = await conn.execute("SELECT totp_sealed FROM logins WHERE id = %s", (login_id,))
    row = await cursor.fetchone()
    if row is None or row["totp_sealed"] is None:
        return False
    step = _step_of(sealer.open(row["totp_sealed"]), code)
    if step is not None:
        # A code seen over a shoulder is used up: only a later step counts.
        cursor = await conn.execute(
            "UPDATE logins SET totp_step = %s WHERE id = %s AND totp_step < %s", (step, login_id, step)
        )
        return cursor.rowcount == 1
    cursor = await conn.execute(
        "UPDATE login_recovery_codes SET used_at = now()"
        " WHERE login_id = %s AND code_hash = ANY (%s) AND used_at IS NULL",
        (login_id, sealer.hashes(_kept(login_id, code))),
    )
    if cursor.rowcount != 1:
        return False
    await record_login_act(conn, login_id, "recovery code used")
    return True


async def drop_second_factor(conn: Connection, login_id: int) -> None:
    """Take the second factor and its recovery codes away from a login."""
    await conn.execute("UPDATE logins SET totp_sealed = NULL, totp_step = 0 WHERE id = %s", (login_id,))
    await conn.execute("DELETE FROM login_recovery_codes WHERE login_id = %s", (login_id,))


async def reseal_second_factors(conn: Connection, sealer: Sealer) -> int:
    """Seal every secret with the newest key and return how many there are."""
    rows = await (await conn.execute("SELECT id, totp_sealed FROM logins WHERE totp_sealed IS NOT NULL")).fetchall()
    for row in rows:
        await conn.execute(
            "UPDATE logins SET totp_sealed = %s WHERE id = %s AND totp_sealed = %s",
            (sealer.reseal(row["totp_sealed"]), row["id"], row["totp_sealed"]),
        )
    return len(rows)


def _step_of(secret: str, code: str) -> int | None:
    """Return the step of time whose code this is, None if it is of none that is near."""
    code = "".join(code.split())
    if len(code) != 6 or not (code.isascii() and code.isdigit()):
        return None
    at = int(now().timestamp()) // _STEP
    totp = pyotp.TOTP(secret)
    for step in range(at - _TOLERATED, at + _TOLERATED + 1):
        if secrets.compare_digest(totp.generate_otp(step), code):
            return step
    return None


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()  # 80 bits
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _kept(login_id: int, code: str) -> str:
    return f"recovery/{login_id}/{code.replace('-', '')}"
