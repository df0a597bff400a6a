"""Signing in: a password, then a second factor where there is one; the same answer and time whoever it is not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from app.access import guesses
from app.access.logins import get_login
from app.access.passwords import password_fits
from app.access.second_factor import second_factor_fits
from app.access.sessions import BrowserSession, Lifetime, end_session, open_session, prove_session
from app.acts.service import record_login_act
from app.db import Connection, Database
from app.errors import Invalid
from app.sealing import Sealer

log = structlog.get_logger()

SIGNED_IN = "signed in"
WRONG = "The e-mail address or the password is not right."


@dataclass(frozen=True, slots=True)
class Realm:
    """A kind of people who sign in: ``find`` returns the login of who typed this name or address, None for nobody and
    for who is not let in."""

    name: str
    find: Callable[[Connection, str], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from."""

    address: str
    agent: str


async def sign_in(
    db: Database, sealer: Sealer, realm: Realm, *, typed: str, password: str, browser: Browser, lifetime: Lifetime
) -> str:
    """Return the cookie of a new session; one of a login with a second factor is half until that is shown.

    Raises Invalid, with one text for all reasons, and TooManyTries.
    """
    typed = typed.strip().lower().replace("\x00", "")
    account = guesses.about_account(sealer, realm.name, typed)
    address = guesses.about_address(sealer, browser.address)
    async with db.pool.connection() as conn:
        too_many = await guesses.count_try(conn, address, free=guesses.ADDRESS_TRIES)
        too_many |= await guesses.count_try(conn, account, free=guesses.ACCOUNT_TRIES)
        found = await realm.find(conn, typed)
        login = await get_login(conn, found) if found is not None else None
    if not await password_fits(login.password_hash if login else None, password) or login is None:
        log.info("signing in failed", realm=realm.name, address=browser.address, login_id=found)
        if too_many:
            await _locked_out(db, found or 0, "password")
        raise Invalid(WRONG)
    async with db.transaction() as conn:
        # A new password ends every session: it must not leave one that the old password opened at the same moment.
        cursor = await conn.execute(
            "SELECT FROM logins WHERE id = %s AND password_hash = %s FOR SHARE", (login.id, login.password_hash)
        )
        if cursor.rowcount == 0:
            raise Invalid(WRONG)
        await guesses.forget_tries(conn, account)
        await guesses.take_back_try(conn, address)
        if not login.has_totp:
            await record_login_act(conn, login.id, SIGNED_IN)
        return await open_session(
            conn, sealer, login.id, lifetime=lifetime, address=browser.address, agent=browser.agent,
            second_factor=False, half=login.has_totp,
        )  # fmt: skip


async def show_second_factor(
    db: Database, sealer: Sealer, session: BrowserSession, *, code: str, browser: Browser, lifetime: Lifetime
) -> str:
    """Return the cookie of a whole session in place of the half one; Invalid for a wrong code, TooManyTries."""
    subject = guesses.about_code(sealer, session.login_id)
    async with db.pool.connection() as conn:
        too_many = await guesses.count_try(conn, subject, free=guesses.ACCOUNT_TRIES)
    async with db.transaction() as conn:
        if await second_factor_fits(conn, sealer, session.login_id, code):
            await guesses.forget_tries(conn, subject)
            await end_session(conn, session.login_id, session.id)
            await record_login_act(conn, session.login_id, SIGNED_IN)
            return await open_session(
                conn, sealer, session.login_id, lifetime=lifetime, address=browser.address, agent=browser.agent,
                second_factor=True,
            )  # fmt: skip
    if too_many:
        await _locked_out(db, session.login_id, "code")
    raise Invalid("That code is not right, or was used before.", field="code")


async def prove_again(db: Database, sealer: Sealer, session: BrowserSession, *, given: str) -> None:
    """Accept the password, or a code of the second factor, as proof of who is at the keyboard.

    Raises Invalid if it is neither, and TooManyTries.
    """
    subject = guesses.about_code(sealer, session.login_id)
    async with db.pool.connection() as conn:
        too_many = await guesses.count_try(conn, subject, free=guesses.ACCOUNT_TRIES)
        login = await get_login(conn, session.login_id)
    by_password = await password_fits(login.password_hash if login else None, given)
    async with db.transaction() as conn:
        if by_password or await second_factor_fits(conn, sealer, session.login_id, given):
            await guesses.forget_tries(conn, subject)
            await prove_session(conn, session.id)
            return
    if too_many:
        await _locked_out(db, session.login_id, "proof")
    raise Invalid("That is not right.", field="proof")


async def open_after_password(
    conn: Connection, sealer: Sealer, session: BrowserSession, *, browser: Browser, lifetime: Lifetime
) -> str:
    """Return the cookie of the session that goes on when a new password has ended all others."""
    return await open_session(
        conn, sealer, session.login_id, lifetime=lifetime, address=browser.address, agent=browser.agent,
        second_factor=session.second_factor,
    )  # fmt: skip


async def _locked_out(db: Database, login_id: int, what: str) -> None:
    # What was typed as an address is kept nowhere: it may be a password in the wrong field.
    async with db.transaction() as conn:
        await record_login_act(conn, login_id, f"locked out after wrong tries of the {what}", own=False)
