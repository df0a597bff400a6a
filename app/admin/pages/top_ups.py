"""Top-up requests: what customers say to have paid, and what staff credit of it."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.money import format_amount
from app.staff.service import Right
from app.topups import requests
from app.topups.requests import TopupState

pages = Noun()

HERE = "/admin/top-ups"
PAGE = 50


@pages.page("/top-ups")
async def top_ups(visit: Visit) -> Response:
    """Those in one state, the waiting ones unless another is named, the newest first."""
    state = next((one for one in TopupState if one == visit.asked("state")), TopupState.WAITING)
    before = visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        rows = await requests.list_requests(conn, state=state, before=before, limit=PAGE + 1)
    here = f"{HERE}?{urlencode({'state': state})}"
    return await visit.page(
        "top_ups/list.html",
        rows=rows[:PAGE],
        state=state,
        states=list(TopupState),
        first=here if before else None,
        more=f"{here}&before={rows[PAGE - 1].id}" if len(rows) > PAGE else None,
    )


async def show_one(visit: Visit) -> Response:
    """What the customer says, and what can be done."""
    async with visit.parts.db.pool.connection() as conn:
        row = await requests.get_request(conn, visit.id_in_path("request_id"))
    return await visit.page("top_ups/one.html", row=row)


@pages.form("/top-ups/{request_id:int}", shown_by=show_one, right=Right.MONEY, fresh=True)
async def approve(visit: Visit) -> Response:
    """Credit what arrived, once; above the limit of one person it waits for a second."""
    async with visit.transaction() as conn:
        row = await requests.approve_request(
            conn, visit.parts.four_eyes, visit.id_in_path("request_id"), credited=visit.form.amount_or_none("amount"),
            staff_id=visit.staff.id,
        )  # fmt: skip
    await visit.say(
        f"Credited: {format_amount(row.credited)} {row.currency} for {row.customer}."
        if row.credited is not None
        else "This is above the limit of one person: another member of staff has to approve it."
    )
    return visit.go(HERE)


@pages.form("/top-ups/{request_id:int}/refuse", shown_by=show_one, right=Right.MONEY, fresh=True)
async def refuse(visit: Visit) -> Response:
    """End it without credit, with a reason that the customer reads."""
    async with visit.transaction() as conn:
        row = await requests.refuse_request(
            conn, visit.id_in_path("request_id"), reason=visit.form.text("reason"), staff_id=visit.staff.id
        )
    await visit.say(f"Refused: {row.customer} reads why.")
    return visit.go(HERE)
