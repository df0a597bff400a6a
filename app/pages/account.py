"""Password, second factor and sessions of who is signed in, whoever that is."""

import io
from typing import Any

import segno
from markupsafe import Markup
from starlette.responses import Response

from app.access import second_factor, sessions
from app.access.passwords import hash_password, set_password
from app.access.sign_in import open_after_password
from app.acts.service import record_login_act
from app.errors import Conflict
from app.pages.door import new_password
from app.pages.noun import Noun, VisitT
from app.pages.visit import Visit


def add_account(pages: Noun[VisitT]) -> None:
    """Put these pages on a noun; the page ``/account`` that leads to them is its own."""
    here = f"{pages.root}/account"
    pages.form("/account/password", shown_by=_show_password, fresh=True)(_change_password)
    pages.form("/account/second-factor", shown_by=_show_second_factor, fresh=True, before_enrolment=True)(_enrol)
    pages.action("/account/recovery-codes", back=here, fresh=True)(_renew_codes)
    pages.action("/account/second-factor/remove", back=here, fresh=True)(_remove_second_factor)
    pages.action("/account/sessions/{session_id:int}/end", back=here)(_end_one)
    pages.action("/account/sessions/end-others", back=here)(_end_others)


async def account_facts(visit: Visit[Any]) -> dict[str, Any]:
    """Return what ``account/cards.html`` shows."""
    async with visit.parts.db.pool.connection() as conn:
        return {
            "sessions": await sessions.list_sessions(conn, visit.known.login_id, lifetime=visit.parts.lifetime),
            "codes_left": await second_factor.recovery_codes_left(conn, visit.known.login_id),
            "is_demanded": visit.role in visit.parts.second_factor_roles,
        }


async def _show_password(visit: Visit[Any]) -> Response:
    """Ask for a new password."""
    return await visit.page("account/password.html")


async def _change_password(visit: Visit[Any]) -> Response:
    """Change it, and end every other session."""
    hashed = await hash_password(new_password(visit), email=visit.email)
    async with visit.transaction() as conn:
        await set_password(conn, visit.known.login_id, hashed)
        cookie = await open_after_password(
            conn, visit.parts.sealer, visit.known, browser=visit.browser, lifetime=visit.parts.lifetime
        )
        await conn.execute(
            "UPDATE login_sessions SET flash = %s WHERE login_id = %s",
            ("The password is changed; every other session has ended.", visit.known.login_id),
        )
    return visit.signs_in(visit.go(_here(visit)), cookie)


async def _show_second_factor(visit: Visit[Any]) -> Response:
    """Show a QR code to scan; the same one until a code of it was entered."""
    if visit.known.has_totp:
        return visit.go(_here(visit))
    async with visit.parts.db.pool.connection() as conn:
        if visit.known.totp_offered is None:
            secret = await second_factor.offer_totp(conn, visit.parts.sealer, visit.known.id)
        else:
            secret = visit.parts.sealer.open(visit.known.totp_offered)
    uri = second_factor.provisioning_uri(secret, email=visit.email, brand=visit.parts.brand)
    return await visit.page(
        "account/second_factor.html",
        qr=_qr(uri),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
    )


async def _enrol(visit: Visit[Any]) -> Response:
    """Demand the second factor from now on, and show the recovery codes, this once."""
    if visit.known.has_totp:
        raise Conflict("You have a second factor; remove it first.")
    async with visit.transaction() as conn:
        codes = await second_factor.enrol_totp(
            conn,
            visit.parts.sealer,
            visit.known.login_id,
            visit.known.id,
            offered=visit.known.totp_offered,
            code=visit.form.get("code"),
        )
    await visit.reload()
    return await visit.page("account/codes.html", codes=codes)


async def _renew_codes(visit: Visit[Any]) -> Response:
    """Show new recovery codes, this once; the old ones work no more."""
    if not visit.known.has_totp:
        raise Conflict("Recovery codes belong to a second factor; enrol one first.")
    async with visit.transaction() as conn:
        codes = await second_factor.new_recovery_codes(conn, visit.parts.sealer, visit.known.login_id)
    return await visit.page("account/codes.html", codes=codes)


async def _remove_second_factor(visit: Visit[Any]) -> Response:
    """Sign in with the password alone from now on; Conflict where the role demands more."""
    if visit.role in visit.parts.second_factor_roles:
        raise Conflict(f"The role {visit.role} needs a second factor.")
    async with visit.transaction() as conn:
        await second_factor.drop_second_factor(conn, visit.known.login_id)
    await visit.say("The second factor is removed.")
    return visit.go(_here(visit))


async def _end_one(visit: Visit[Any]) -> Response:
    """End one session, which may be this one."""
    async with visit.transaction() as conn:
        await sessions.end_session(conn, visit.known.login_id, visit.id_in_path("session_id"))
        await record_login_act(conn, visit.known.login_id, "session ended")
    await visit.say("The session has ended.")
    return visit.go(_here(visit))


async def _end_others(visit: Visit[Any]) -> Response:
    """End every session but this one."""
    async with visit.transaction() as conn:
        ended = await sessions.end_sessions(conn, visit.known.login_id, but=visit.known.id)
        await record_login_act(conn, visit.known.login_id, "other sessions ended")
    await visit.say(f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return visit.go(_here(visit))


def _here(visit: Visit[Any]) -> str:
    return f"{visit.face.root}/account"


def _qr(uri: str) -> Markup:
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(drawn, kind="svg", xmldecl=False, svgns=True, scale=5, border=2, title="QR code")
    return Markup(drawn.getvalue().decode())  # noqa: S704  drawn by segno: paths and our own title, no text of others
