"""Your account: who you are here, the password, the second factor and the sessions."""

from starlette.responses import Response

from app.pages.account import account_facts, add_account
from app.portal.noun import Noun
from app.portal.visit import Visit

pages = Noun()
add_account(pages)


@pages.page("/account")
async def account(visit: Visit) -> Response:
    """All of it on one page; what is changed has a page of its own."""
    return await visit.page("account/index.html", **await account_facts(visit))
