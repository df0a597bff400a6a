"""The second factor of staff: codes of an authenticator app (TOTP), and recovery codes for when it is lost."""

import base64
import secrets

import pyotp

from app.clock import now
from app.db import Connection
from app.errors import Invalid
from app.sealing import Sealer

RECOVERY_CODES = 10
_STEP = 30
_TOLERATED = 1
"""Steps that a clock may be off, in each direction."""


async def offer_totp(conn: Connection, sealer: Sealer, session_id: int) -> str:
    """Return a new secret to be shown in this session; it counts only once a code of it was entered."""
    secret = pyotp.random_base32()
    await conn.execute("UPDATE staff_sessions SET totp_offered = %s WHERE id = %s", (sealer.seal(secret), session_id))
    return secret


def provisioning_uri(secret: str, *, email: str, brand: str) -> str:
    """Return what the QR code says to an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=brand)


async def enrol_totp(
    conn: Connection, sealer: Sealer, staff_id: int, session_id: int, *, offered: bytes | None, code: str
) -> list[str]:
    """Make the secret that was shown the member's second factor; return recovery codes, the only copy of them.

    Invalid if the code is not of it. Every other session of the member ends, for none of them showed it.
    """
    step = _step_of(sealer.open(offered), code) if offered is not None else None
    if step is None:
        raise Invalid("That code is not right. Is the clock of the phone right?", field="code")
    await conn.execute("UPDATE staff SET totp_sealed = %s, totp_step = %s WHERE id = %s", (offered, step, staff_id))
    await conn.execute(
        "UPDATE staff_sessions SET second_factor = true, totp_offered = NULL, proved_at = now() WHERE id = %s",
        (session_id,),
    )
    await conn.execute("DELETE FROM staff_sessions WHERE staff_id = %s AND id <> %s", (staff_id, session_id))
    return await new_recovery_codes(conn, sealer, staff_id)


async def new_recovery_codes(conn: Connection, sealer: Sealer, staff_id: int) -> list[str]:
    """Make ten recovery codes in place of those there were, and return them, the only copy."""
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    await conn.execute("DELETE FROM staff_recovery_codes WHERE staff_id = %s", (staff_id,))
    for code in codes:
        await conn.execute(
            "INSERT INTO staff_recovery_codes (staff_id, code_hash) VALUES (%s, %s)",
            (staff_id, sealer.hash(_kept(staff_id, code))),
        )
    return codes


async def recovery_codes_left(conn: Connection, staff_id: int) -> int:
    """Return how many recovery codes of a member still work."""
    cursor = await conn.execute(
        "SELECT count(*) AS left FROM staff_recovery_codes WHERE staff_id = %s AND used_at IS NULL", (staff_id,)
    )
    row = await cursor.fetchone()
    return row["left"] if row else 0


async def second_factor_fits(conn: Connection, sealer: Sealer, staff_id: int, code: str) -> bool:
    """Whether this is a code of the member's app or one of their recovery codes; either works once."""
    code = "".join(code.split()).replace("-", "").lower()
    cursor = await conn.execute("SELECT totp_sealed FROM staff WHERE id = %s", (staff_id,))
    row = await cursor.fetchone()
    if row is None or row["totp_sealed"] is None:
        return False
    step = _step_of(sealer.open(row["totp_sealed"]), code)
    if step is not None:
        # A code seen over a shoulder is used up: only a later step counts.
        cursor = await conn.execute(
            "UPDATE staff SET totp_step = %s WHERE id = %s AND totp_step < %s", (step, staff_id, step)
        )
        return cursor.rowcount == 1
    cursor = await conn.execute(
        "UPDATE staff_recovery_codes SET used_at = now()"
        " WHERE staff_id = %s AND code_hash = ANY (%s) AND used_at IS NULL",
        (staff_id, sealer.hashes(_kept(staff_id, code))),
    )
    return cursor.rowcount == 1


async def drop_second_factor(conn: Connection, staff_id: int) -> None:
    """Take the second factor and its recovery codes away from a member."""
    await conn.execute("UPDATE staff SET totp_sealed = NULL, totp_step = 0 WHERE id = %s", (staff_id,))
    await conn.execute("DELETE FROM staff_recovery_codes WHERE staff_id = %s", (staff_id,))


async def reseal_second_factors(conn: Connection, sealer: Sealer) -> int:
    """Seal every secret with the newest key and return how many there are."""
    rows = await (await conn.execute("SELECT id, totp_sealed FROM staff WHERE totp_sealed IS NOT NULL")).fetchall()
    for row in rows:
        await conn.execute(
            "UPDATE staff SET totp_sealed = %s WHERE id = %s AND totp_sealed = %s",
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


def _kept(staff_id: int, code: str) -> str:
    return f"recovery/{staff_id}/{code.replace('-', '')}"
