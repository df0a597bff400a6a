"""Signing in: a password, then a second factor where there is one; the same answer and time whoever it is not."""

from dataclasses import dataclass

import structlog

from app.db import Connection, Database
from app.errors import Invalid
from app.sealing import Sealer
from app.staff import guesses
from app.staff.passwords import password_fits, password_hash_of
from app.staff.second_factor import second_factor_fits
from app.staff.sessions import BrowserSession, Lifetime, end_session, open_session, prove_session

log = structlog.get_logger()

WRONG = "The e-mail address or the password is not right."


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from."""

    address: str
    agent: str


async def sign_in(
    db: Database, sealer: Sealer, *, email: str, password: str, browser: Browser, lifetime: Lifetime
) -> str:
    """Return the cookie of a new session; one of a member with a second factor is half until that is shown.

    Raises Invalid, with one text for all reasons, and TooManyTries.
    """
    account, address = guesses.about_account(sealer, email), guesses.about_address(sealer, browser.address)
    async with db.pool.connection() as conn:
        await guesses.count_try(conn, address, free=guesses.ADDRESS_TRIES)
        await guesses.count_try(conn, account, free=guesses.ACCOUNT_TRIES)
        cursor = await conn.execute(
            "SELECT id, password_hash, totp_sealed IS NOT NULL AS has_totp FROM staff"
            " WHERE email = %s AND state = 'active'",
            (email.strip().lower().replace("\x00", ""),),
        )
        row = await cursor.fetchone()
    if not await password_fits(row["password_hash"] if row else None, password) or row is None:
        log.info("signing in failed", address=browser.address, staff_id=row["id"] if row else None)
        raise Invalid(WRONG)
    async with db.transaction() as conn:
        # A new password ends every session: it must not leave one that the old password opened at the same moment.
        cursor = await conn.execute(
            "SELECT FROM staff WHERE id = %s AND password_hash = %s AND state = 'active' FOR SHARE",
            (row["id"], row["password_hash"]),
        )
        if cursor.rowcount == 0:
            raise Invalid(WRONG)
        await guesses.forget_tries(conn, account)
        await guesses.take_back_try(conn, address)
        return await open_session(
            conn, sealer, row["id"], lifetime=lifetime, address=browser.address, agent=browser.agent,
            second_factor=False, half=row["has_totp"],
        )  # fmt: skip


async def show_second_factor(
    db: Database, sealer: Sealer, session: BrowserSession, *, code: str, browser: Browser, lifetime: Lifetime
) -> str:
    """Return the cookie of a whole session in place of the half one; Invalid for a wrong code, TooManyTries."""
    subject = guesses.about_code(sealer, session.staff.id)
    async with db.pool.connection() as conn:
        await guesses.count_try(conn, subject, free=guesses.ACCOUNT_TRIES)
    async with db.transaction() as conn:
        if not await second_factor_fits(conn, sealer, session.staff.id, code):
            raise Invalid("That code is not right, or was used before.", field="code")
        await guesses.forget_tries(conn, subject)
        await end_session(conn, session.staff.id, session.id)
        return await open_session(
            conn, sealer, session.staff.id, lifetime=lifetime, address=browser.address, agent=browser.agent,
            second_factor=True,
        )  # fmt: skip


async def prove_again(db: Database, sealer: Sealer, session: BrowserSession, *, given: str) -> None:
    """Accept the password, or a code of the second factor, as proof of who is at the keyboard.

    Raises Invalid if it is neither, and TooManyTries.
    """
    subject = guesses.about_code(sealer, session.staff.id)
    async with db.pool.connection() as conn:
        await guesses.count_try(conn, subject, free=guesses.ACCOUNT_TRIES)
        password_hash = await password_hash_of(conn, session.staff.id)
    by_password = await password_fits(password_hash, given)
    async with db.transaction() as conn:
        if not by_password and not await second_factor_fits(conn, sealer, session.staff.id, given):
            raise Invalid("That is not right.", field="proof")
        await guesses.forget_tries(conn, subject)
        await prove_session(conn, session.id)


async def open_after_password(
    conn: Connection, sealer: Sealer, session: BrowserSession, *, browser: Browser, lifetime: Lifetime
) -> str:
    """Return the cookie of the session that goes on when a new password has ended all others."""
    return await open_session(
        conn, sealer, session.staff.id, lifetime=lifetime, address=browser.address, agent=browser.agent,
        second_factor=session.second_factor,
    )  # fmt: skip
