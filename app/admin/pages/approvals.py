"""Approvals: what one member of staff asked for and another decides."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.approvals import service
from app.approvals.service import ApprovalState
from app.errors import Conflict
from app.money import format_amount
from app.staff.service import Right

pages = Noun()

HERE = "/admin/approvals"
PAGE = 50


@pages.page("/approvals")
async def approvals(visit: Visit) -> Response:
    """Those in one state, the waiting ones unless another is named, in the order in which they were asked for."""
    state = next((one for one in ApprovalState if one == visit.asked("state")), ApprovalState.WAITING)
    after = visit.asked_id("after") or 0
    async with visit.parts.db.pool.connection() as conn:
        rows = await service.list_approvals(conn, state=state, after=after, limit=PAGE + 1)
    here = f"{HERE}?{urlencode({'state': state})}"
    return await visit.page(
        "approvals/list.html",
        rows=rows[:PAGE],
        state=state,
        states=list(ApprovalState),
        above=visit.parts.four_eyes_above,
        first=here if after else None,
        more=f"{here}&after={rows[PAGE - 1].id}" if len(rows) > PAGE else None,
    )


@pages.action("/approvals/{approval_id:int}/approve", back=HERE, right=Right.MONEY, fresh=True)
async def approve(visit: Visit) -> Response:
    """Do what another asked for, once."""
    async with visit.transaction() as conn:
        row = await service.approve(conn, visit.id_in_path("approval_id"), staff_id=visit.staff.id)
    if row.state is ApprovalState.REFUSED:
        raise Conflict(f"It no longer fits, so nothing moved: {row.note}")
    await visit.say(f"Approved: {format_amount(row.amount)} {row.currency} for {row.customer}.")
    return visit.go(HERE)


async def show_refuse(visit: Visit) -> Response:
    """Ask why not."""
    async with visit.parts.db.pool.connection() as conn:
        row = await service.get_approval(conn, visit.id_in_path("approval_id"))
    return await visit.page("approvals/refuse.html", row=row)


@pages.form("/approvals/{approval_id:int}/refuse", shown_by=show_refuse, right=Right.MONEY, fresh=True)
async def refuse(visit: Visit) -> Response:
    """End it with a reason, which who asked reads."""
    async with visit.transaction() as conn:
        await service.refuse(
            conn, visit.id_in_path("approval_id"), reason=visit.form.text("reason"), staff_id=visit.staff.id
        )
    await visit.say("Refused: nothing moved.")
    return visit.go(HERE)


@pages.action("/approvals/{approval_id:int}/withdraw", back=HERE, right=Right.MONEY)
async def withdraw(visit: Visit) -> Response:
    """Take back what one asked for oneself."""
    async with visit.transaction() as conn:
        await service.withdraw(conn, visit.id_in_path("approval_id"), staff_id=visit.staff.id)
    await visit.say("Withdrawn: nothing moved.")
    return visit.go(HERE)
