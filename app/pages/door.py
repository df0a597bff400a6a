"""The way in and out: password, second factor, invitation, and the proof asked for again before sensitive acts."""

from typing import Any

from starlette.responses import Response

from app.access import sign_in as access
from app.access.guesses import TooManyTries
from app.access.invites import accept_invite, does_not_work
from app.access.logins import get_login
from app.access.passwords import hash_password
from app.access.sessions import end_session, open_session
from app.acts.service import record_login_act
from app.addresses import network_of
from app.errors import Invalid
from app.pages.noun import SIGN_IN, Noun, VisitT
from app.pages.visit import Visit

TRIES_PER_MINUTE = 30
"""From one address at the door, whatever came of them: every try costs a hash."""


def add_door(pages: Noun[VisitT]) -> None:
    """Put the pages of the door on a noun."""
    pages.open_form("/sign-in", shown_by=_show_sign_in)(_sign_in)
    pages.open_form("/sign-in/code", shown_by=_show_code)(_enter_code)
    pages.open_form("/sign-in/back", shown_by=_show_sign_in)(_go_back)
    pages.open_form("/welcome", shown_by=_show_welcome)(_welcome)
    pages.form("/prove", shown_by=_show_prove, before_enrolment=True)(_prove)
    pages.action("/sign-out", back=f"{pages.root}/", before_enrolment=True)(_sign_out)


def new_password(visit: Visit[Any]) -> str:
    """Return the password that was typed twice; Invalid if it was not the same."""
    password = visit.form.get("password")
    if password != visit.form.get("again"):
        raise Invalid("These two are not the same.", field="again")
    return password


async def pace(visit: Visit[Any]) -> None:
    """Count one more try at the door from this address or network; TooManyTries beyond what people need."""
    if not await visit.parts.limit(f"door/{network_of(visit.browser.address)}", TRIES_PER_MINUTE):
        raise TooManyTries(60)


async def _show_sign_in(visit: Visit[Any]) -> Response:
    """Ask for address and password; who is in already goes on."""
    if visit.signed_in and visit.request.method != "POST":
        return visit.go(visit.next)
    return await visit.page("door/sign_in.html")


async def _sign_in(visit: Visit[Any]) -> Response:
    """Open a session with a new id, and end the one that this browser had."""
    await pace(visit)
    cookie = await access.sign_in(
        visit.parts.db,
        visit.parts.sealer,
        visit.face.realm,
        typed=visit.form.get("email"),
        password=visit.form.get("password"),
        browser=visit.browser,
        lifetime=visit.parts.lifetime,
    )
    await _leave_old(visit)
    # A second factor that is still to be shown is asked for by the page they go on to.
    return visit.signs_in(visit.go(visit.next), cookie)


async def _show_code(visit: Visit[Any]) -> Response:
    """Ask for the second factor of who gave the right password."""
    if visit.session is None:
        return visit.go_and_return(visit.face.root + SIGN_IN, visit.next)
    return visit.go(visit.next) if visit.signed_in else await visit.page("door/code.html")


async def _enter_code(visit: Visit[Any]) -> Response:
    """Put a whole session in the place of the half one."""
    if visit.session is None or not visit.session.is_half:
        return await _show_code(visit)
    cookie = await access.show_second_factor(
        visit.parts.db,
        visit.parts.sealer,
        visit.session,
        code=visit.form.get("code"),
        browser=visit.browser,
        lifetime=visit.parts.lifetime,
    )
    return visit.signs_in(visit.go(visit.next), cookie)


async def _go_back(visit: Visit[Any]) -> Response:
    """Give the half session up and start over."""
    await _leave_old(visit)
    return visit.signs_out(visit.go(visit.face.root + SIGN_IN))


async def _show_welcome(visit: Visit[Any]) -> Response:
    """Let somebody who was invited choose a password."""
    return await visit.page("door/welcome.html")


async def _welcome(visit: Visit[Any]) -> Response:
    """Use the invitation up, keep the password, and sign in."""
    await pace(visit)
    hashed = await hash_password(new_password(visit))
    async with visit.parts.db.transaction() as conn:
        login_id = await accept_invite(conn, visit.parts.sealer, visit.form.text("code"), hashed)
        login = await get_login(conn, login_id)
        if login is None or not await visit.recognise(conn, login_id):
            raise does_not_work()  # of another door, or suspended meanwhile: nothing was changed
        cookie = await open_session(
            conn,
            visit.parts.sealer,
            login_id,
            lifetime=visit.parts.lifetime,
            address=visit.browser.address,
            agent=visit.browser.agent,
            second_factor=False,
            half=login.has_totp,
        )
        await record_login_act(conn, login_id, "invitation used")
    await _leave_old(visit)
    return visit.signs_in(visit.go(f"{visit.face.root}/"), cookie)


async def _show_prove(visit: Visit[Any]) -> Response:
    """Ask again who is at the keyboard."""
    return await visit.page("door/prove.html")


async def _prove(visit: Visit[Any]) -> Response:
    """Go on to the sensitive act when it is still the same person."""
    await pace(visit)
    await access.prove_again(visit.parts.db, visit.parts.sealer, visit.known, given=visit.form.get("proof"))
    return visit.go(visit.next)


async def _sign_out(visit: Visit[Any]) -> Response:
    """End this session."""
    async with visit.transaction() as conn:
        await record_login_act(conn, visit.known.login_id, "signed out")
    await _leave_old(visit)
    return visit.signs_out(visit.go(visit.face.root + SIGN_IN))


async def _leave_old(visit: Visit[Any]) -> None:
    if visit.session is None:
        return
    async with visit.parts.db.pool.connection() as conn:
        await end_session(conn, visit.session.login_id, visit.session.id)
