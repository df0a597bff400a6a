"""Money by hand: every top-up, correction and reversal, and who did it."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from urllib.parse import urlencode

from starlette.responses import Response

from app.acts.service import record_act
from app.admin.pages.noun import Noun
from app.admin.pages.ranges import Days, asked_days
from app.admin.pages.visit import Visit
from app.db import Database
from app.errors import Invalid
from app.ledger.by_hand import KINDS, Chosen, all_moved_by_hand, moved_by_hand
from app.web.csv_files import csv_response, csv_text, figure

pages = Noun()

HERE = "/admin/money/by-hand"
PAGE = 100
_HEADINGS = (
    "id", "at", "kind", "customer", "change", "currency", "order_id", "reference", "reason", "staff",
)  # fmt: skip


@pages.page("/money/by-hand")
async def by_hand(visit: Visit) -> Response:
    """The newest first, of the days and the kind asked for."""
    before = visit.asked_id("before")
    try:
        days = asked_days(visit)
    except Invalid as problem:
        visit.problem, days = problem, Days(None, None)
    chosen = _chosen(visit, days)
    async with visit.parts.db.pool.connection() as conn:
        rows = await moved_by_hand(conn, chosen, before=before, limit=PAGE + 1)
    named = {**days.chosen, **({"kind": chosen.kind} if chosen.kind else {})}
    here = f"{HERE}?{urlencode(named)}" if named else HERE
    return await visit.page(
        "money/by_hand.html",
        status=422 if visit.problem else 200,
        rows=rows[:PAGE],
        chosen=named,
        file=f"{HERE}.csv?{urlencode(named)}" if named else f"{HERE}.csv",
        first=here if before else None,
        more=f"{HERE}?{urlencode({**named, 'before': rows[PAGE - 1].id})}" if len(rows) > PAGE else None,
    )


@pages.page("/money/by-hand.csv", fresh=True)
async def file(visit: Visit) -> Response:
    """The same as a file, all of it."""
    days = asked_days(visit)
    rows = _rows(visit.parts.db, _chosen(visit, days))
    async with visit.transaction() as conn:
        await record_act(conn, "exported", "money by hand", after=days.chosen)
    return csv_response("by-hand.csv", csv_text(_HEADINGS, rows))


async def _rows(db: Database, chosen: Chosen) -> AsyncIterator[Sequence[object]]:
    async for row in all_moved_by_hand(db, chosen):
        yield (
            row.id, row.at.astimezone(UTC).isoformat(), row.kind, row.customer, figure(row.change), row.currency,
            row.order_id, row.reference, row.reason, row.staff,
        )  # fmt: skip


def _chosen(visit: Visit, days: Days) -> Chosen:
    kind = visit.asked("kind")
    return Chosen(kind if kind in KINDS else None, days.since, days.until)
