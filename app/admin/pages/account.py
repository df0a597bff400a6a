"""Your account: the password, the second factor, the sessions and the tokens of who is signed in."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.pages.account import account_facts, add_account
from app.staff.service import Right, create_token, list_tokens, revoke_token

pages = Noun()
add_account(pages)

HERE = "/admin/account"


@pages.page("/account")
async def account(visit: Visit) -> Response:
    """All of it on one page; what is changed has a page of its own."""
    async with visit.parts.db.pool.connection() as conn:
        tokens = await list_tokens(conn, visit.staff.id)
    return await visit.page("account/index.html", tokens=tokens, **await account_facts(visit))


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
            conn, visit.parts.sealer, visit.staff.id, label=label, days=int(days) if days else None, once=visit.once
        )
    return await visit.page("account/token.html", token=made.token)


@pages.action("/account/tokens/{token_id:int}/revoke", back=HERE, right=Right.READ)
async def revoke(visit: Visit) -> Response:
    """Make a token work no more."""
    async with visit.transaction() as conn:
        await revoke_token(conn, visit.staff.id, visit.id_in_path("token_id"))
    await visit.say("The token works no more.")
    return visit.go(HERE)
