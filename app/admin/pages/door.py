"""The way in and out: password, second factor, invitation, and the proof asked for again before sensitive acts."""

from starlette.responses import Response

from app.admin.pages.noun import SIGN_IN, Noun
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.staff import sign_in as staff_door
from app.staff.guesses import TooManyTries
from app.staff.members import accept_invite
from app.staff.passwords import hash_password
from app.staff.service import Right
from app.staff.sessions import end_session, open_session

pages = Noun()

TRIES_PER_MINUTE = 30
"""From one address at the door, whatever came of them: every try costs a hash."""


async def show_sign_in(visit: Visit) -> Response:
    """Ask for address and password; who is in already goes on."""
    if visit.signed_in and visit.request.method != "POST":
        return visit.go(visit.next)
    return await visit.page("door/sign_in.html")


@pages.open_form("/sign-in", shown_by=show_sign_in)
async def sign_in(visit: Visit) -> Response:
    """Open a session with a new id, and end the one that this browser had."""
    await _pace(visit)
    cookie = await staff_door.sign_in(
        visit.parts.db,
        visit.parts.sealer,
        email=visit.form.get("email"),
        password=visit.form.get("password"),
        browser=visit.browser,
        lifetime=visit.parts.lifetime,
    )
    await _leave_old(visit)
    # A second factor that is still to be shown is asked for by the page they go on to.
    return visit.signs_in(visit.go(visit.next), cookie)


async def show_code(visit: Visit) -> Response:
    """Ask for the second factor of who gave the right password."""
    if visit.session is None:
        return visit.go_and_return(SIGN_IN, visit.next)
    return visit.go(visit.next) if visit.signed_in else await visit.page("door/code.html")


@pages.open_form("/sign-in/code", shown_by=show_code)
async def enter_code(visit: Visit) -> Response:
    """Put a whole session in the place of the half one."""
    if visit.session is None or not visit.session.is_half:
        return await show_code(visit)
    cookie = await staff_door.show_second_factor(
        visit.parts.db,
        visit.parts.sealer,
        visit.session,
        code=visit.form.get("code"),
        browser=visit.browser,
        lifetime=visit.parts.lifetime,
    )
    return visit.signs_in(visit.go(visit.next), cookie)


@pages.open_form("/sign-in/back", shown_by=show_sign_in)
async def go_back(visit: Visit) -> Response:
    """Give the half session up and start over."""
    await _leave_old(visit)
    return visit.signs_out(visit.go(SIGN_IN))


async def show_welcome(visit: Visit) -> Response:
    """Let somebody who was invited choose a password."""
    return await visit.page("door/welcome.html")


@pages.open_form("/welcome", shown_by=show_welcome)
async def welcome(visit: Visit) -> Response:
    """Use the invitation up, keep the password, and sign in."""
    await _pace(visit)
    password = new_password(visit)
    hashed = await hash_password(password)
    async with visit.parts.db.transaction() as conn:
        staff_id = await accept_invite(conn, visit.parts.sealer, visit.form.text("code"), hashed)
        row = await (
            await conn.execute("SELECT totp_sealed IS NOT NULL AS has_totp FROM staff WHERE id = %s", (staff_id,))
        ).fetchone()
        cookie = await open_session(
            conn,
            visit.parts.sealer,
            staff_id,
            lifetime=visit.parts.lifetime,
            address=visit.browser.address,
            agent=visit.browser.agent,
            second_factor=False,
            half=bool(row and row["has_totp"]),
        )
    await _leave_old(visit)
    return visit.signs_in(visit.go("/admin/"), cookie)


async def show_prove(visit: Visit) -> Response:
    """Ask again who is at the keyboard."""
    return await visit.page("door/prove.html")


@pages.form("/prove", shown_by=show_prove, before_enrolment=True)
async def prove(visit: Visit) -> Response:
    """Go on to the sensitive act when it is still the same person."""
    await _pace(visit)
    await staff_door.prove_again(visit.parts.db, visit.parts.sealer, visit.known, given=visit.form.get("proof"))
    return visit.go(visit.next)


@pages.action("/sign-out", back="/admin/", right=Right.READ, before_enrolment=True)
async def sign_out(visit: Visit) -> Response:
    """End this session."""
    await _leave_old(visit)
    return visit.signs_out(visit.go(SIGN_IN))


def new_password(visit: Visit) -> str:
    """Return the password that was typed twice; Invalid if it was not the same."""
    password = visit.form.get("password")
    if password != visit.form.get("again"):
        raise Invalid("These two are not the same.", field="again")
    return password


async def _pace(visit: Visit) -> None:
    if not await visit.parts.limit(f"door/{visit.browser.address}", TRIES_PER_MINUTE):
        raise TooManyTries(60)


async def _leave_old(visit: Visit) -> None:
    if visit.session is None:
        return
    async with visit.parts.db.pool.connection() as conn:
        await end_session(conn, visit.session.staff.id, visit.session.id)
