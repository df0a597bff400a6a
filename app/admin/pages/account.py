"""Your account: the password, the second factor, the sessions and the tokens of who is signed in."""

import io

import segno
from markupsafe import Markup
from starlette.responses import Response

from app.admin.pages.door import new_password
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.errors import Conflict, Invalid
from app.staff import second_factor, sessions
from app.staff.passwords import hash_password, set_password
from app.staff.service import Right, create_token, list_tokens, revoke_token
from app.staff.sign_in import open_after_password

pages = Noun()

HERE = "/admin/account"


@pages.page("/account")
async def account(visit: Visit) -> Response:
    """All of it on one page; what is changed has a page of its own."""
    async with visit.parts.db.pool.connection() as conn:
        return await visit.page(
            "account/index.html",
            sessions=await sessions.list_sessions(conn, visit.staff.id, lifetime=visit.parts.lifetime),
            tokens=await list_tokens(conn, visit.staff.id),
            codes_left=await second_factor.recovery_codes_left(conn, visit.staff.id),
            is_demanded=visit.staff.role in visit.parts.second_factor_roles,
        )


async def show_password(visit: Visit) -> Response:
    """Ask for a new password."""
    return await visit.page("account/password.html")


@pages.form("/account/password", shown_by=show_password, fresh=True)
async def change_password(visit: Visit) -> Response:
    """Change it, and end every other session."""
    hashed = await hash_password(new_password(visit), email=visit.staff.email)
    async with visit.transaction() as conn:
        await set_password(conn, visit.staff.id, hashed)
        cookie = await open_after_password(
            conn, visit.parts.sealer, visit.known, browser=visit.browser, lifetime=visit.parts.lifetime
        )
        await conn.execute(
            "UPDATE staff_sessions SET flash = %s WHERE staff_id = %s",
            ("The password is changed; every other session has ended.", visit.staff.id),
        )
    return visit.signs_in(visit.go(HERE), cookie)


async def show_second_factor(visit: Visit) -> Response:
    """Show a QR code to scan; the same one until a code of it was entered."""
    if visit.known.has_totp:
        return visit.go(HERE)
    async with visit.parts.db.pool.connection() as conn:
        if visit.known.totp_offered is None:
            secret = await second_factor.offer_totp(conn, visit.parts.sealer, visit.known.id)
        else:
            secret = visit.parts.sealer.open(visit.known.totp_offered)
    uri = second_factor.provisioning_uri(secret, email=visit.staff.email, brand=visit.parts.brand)
    return await visit.page(
        "account/second_factor.html",
        qr=_qr(uri),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
    )


@pages.form("/account/second-factor", shown_by=show_second_factor, fresh=True, before_enrolment=True)
async def enrol(visit: Visit) -> Response:
    """Demand the second factor from now on, and show the recovery codes, this once."""
    if visit.known.has_totp:
        raise Conflict("You have a second factor; remove it first.")
    async with visit.transaction() as conn:
        codes = await second_factor.enrol_totp(
            conn,
            visit.parts.sealer,
            visit.staff.id,
            visit.known.id,
            offered=visit.known.totp_offered,
            code=visit.form.get("code"),
        )
    await visit.reload()
    return await visit.page("account/codes.html", codes=codes)


@pages.action("/account/recovery-codes", back=HERE, right=Right.READ, fresh=True)
async def renew_codes(visit: Visit) -> Response:
    """Show new recovery codes, this once; the old ones work no more."""
    if not visit.known.has_totp:
        raise Conflict("Recovery codes belong to a second factor; enrol one first.")
    async with visit.transaction() as conn:
        codes = await second_factor.new_recovery_codes(conn, visit.parts.sealer, visit.staff.id)
    return await visit.page("account/codes.html", codes=codes)


@pages.action("/account/second-factor/remove", back=HERE, right=Right.READ, fresh=True)
async def remove_second_factor(visit: Visit) -> Response:
    """Sign in with the password alone from now on; Conflict where the role demands more."""
    if visit.staff.role in visit.parts.second_factor_roles:
        raise Conflict(f"The role {visit.staff.role} needs a second factor.")
    async with visit.transaction() as conn:
        await second_factor.drop_second_factor(conn, visit.staff.id)
    await visit.say("The second factor is removed.")
    return visit.go(HERE)


@pages.action("/account/sessions/{session_id:int}/end", back=HERE, right=Right.READ)
async def end_one(visit: Visit) -> Response:
    """End one session, which may be this one."""
    async with visit.transaction() as conn:
        await sessions.end_session(conn, visit.staff.id, visit.id_in_path("session_id"))
    await visit.say("The session has ended.")
    return visit.go(HERE)


@pages.action("/account/sessions/end-others", back=HERE, right=Right.READ)
async def end_others(visit: Visit) -> Response:
    """End every session but this one."""
    async with visit.transaction() as conn:
        ended = await sessions.end_sessions(conn, visit.staff.id, but=visit.known.id)
    await visit.say(f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return visit.go(HERE)


async def show_new_token(visit: Visit) -> Response:
    """Ask what the token is for and how long it lasts."""
    return await visit.page("account/token_new.html")


@pages.form("/account/tokens/new", shown_by=show_new_token, fresh=True)
async def make_token(visit: Visit) -> Response:
    """Make a token for the staff API and show it, this once."""
    days = visit.form.text("days")
    if days and not (days.isascii() and days.isdigit() and len(days) < 6):
        raise Invalid("A whole number of days, or nothing.", field="days")
    label = visit.form.text("label")
    if not label or len(label) > 100:
        raise Invalid("Say in 1 to 100 characters what it is for.", field="label")
    async with visit.transaction() as conn:
        made = await create_token(
            conn, visit.parts.sealer, visit.staff.id, label=label, days=int(days) if days else None
        )
    return await visit.page("account/token.html", token=made.token)


@pages.action("/account/tokens/{token_id:int}/revoke", back=HERE, right=Right.READ)
async def revoke(visit: Visit) -> Response:
    """Make a token work no more."""
    async with visit.transaction() as conn:
        await revoke_token(conn, visit.staff.id, visit.id_in_path("token_id"))
    await visit.say("The token works no more.")
    return visit.go(HERE)


def _qr(uri: str) -> Markup:
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(drawn, kind="svg", xmldecl=False, svgns=True, scale=5, border=2, title="QR code")
    return Markup(drawn.getvalue().decode())  # noqa: S704  drawn by segno: paths and our own title, no text of others
