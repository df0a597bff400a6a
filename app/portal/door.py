"""The way in and out for customers, and a new password by mail."""

from starlette.responses import Response

from app.customers.portal import wish_for_reset
from app.pages.door import add_door, pace
from app.portal.noun import Noun
from app.portal.visit import Visit

pages = Noun()
add_door(pages)


async def show_forgot(visit: Visit) -> Response:
    """Ask who wants a new password."""
    return await visit.page("door/forgot.html", has_mail=visit.parts.has_mail)


@pages.open_form("/forgot", shown_by=show_forgot)
async def forgot(visit: Visit) -> Response:
    """Write the wish down; the answer and its time are the same whether or not anybody is behind it."""
    await pace(visit)
    if visit.parts.has_mail:
        async with visit.parts.db.transaction() as conn:
            await wish_for_reset(conn, visit.form.text("email"))
    return await visit.page("door/forgotten.html")
