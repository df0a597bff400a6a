"""Debts: who owes us what, and for how long."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.ledger.debts import debtors

pages = Noun()

HERE = "/admin/debts"
PAGE = 50


@pages.page("/debts")
async def debts(visit: Visit) -> Response:
    """Customers below zero in order of their coming; all of them, or those who are overdue."""
    overdue, after = True if visit.asked("state") == "overdue" else None, visit.asked_id("after") or 0
    async with visit.parts.db.pool.connection() as conn:
        rows = await debtors(conn, overdue=overdue, after=after, limit=PAGE + 1)
    here = f"{HERE}?state=overdue" if overdue else HERE
    return await visit.page(
        "debts/list.html",
        rows=rows[:PAGE],
        overdue=overdue,
        first=here if after else None,
        more=f"{here}{'&' if overdue else '?'}after={rows[PAGE - 1].customer_id}" if len(rows) > PAGE else None,
    )
