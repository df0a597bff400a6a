"""Price changes: what mark-up rules made of costs; approved, rejected, undone."""

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.decisions import PAGE, STATES, Decision, add_decisions, state_of
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.catalog import price_changes
from app.catalog.price_changes import PriceChangeState
from app.db import Connection

pages = Noun()

HERE = "/admin/price-changes"


@pages.page("/price-changes")
async def listed(visit: Visit) -> Response:
    """Those in one state: what waits from the oldest on, anything else from the newest."""
    state = state_of(visit)
    after = visit.asked_id("after") or 0
    async with visit.parts.db.pool.connection() as conn:
        rows = await price_changes.list_changes(
            conn, state=PriceChangeState(state), after=after, newest_first=state != "waiting", limit=PAGE + 1
        )
    here = f"{HERE}?{urlencode({'state': state})}"
    return await visit.page(
        "changes/prices.html",
        rows=rows[:PAGE],
        state=state,
        states=[(one, one) for one in STATES],
        here=here,
        first=here if after else None,
        more=f"{here}&after={rows[PAGE - 1].id}" if len(rows) > PAGE else None,
    )


async def _approve(conn: Connection, ids: Sequence[int], staff_id: int) -> int:
    return await price_changes.approve_many(conn, ids, staff_id=staff_id)


async def _reject(conn: Connection, ids: Sequence[int], staff_id: int) -> int:
    return await price_changes.reject_many(conn, ids, staff_id=staff_id)


add_decisions(
    pages,
    "/price-changes",
    approve=Decision("approved", "Approved: the price is set.", price_changes.approve, _approve),
    reject=Decision(
        "rejected", "Rejected: the price stays, until the rule makes another.", price_changes.reject, _reject
    ),
    undo=Decision("undone", "Undone: the price is what it was before.", price_changes.undo),
)
