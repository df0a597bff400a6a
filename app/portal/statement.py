"""What moved the balance."""

from starlette.responses import Response

from app.ledger import statement as ledger
from app.ledger.statement import Filter
from app.portal.noun import Noun
from app.portal.orders import day_of
from app.portal.visit import Visit
from app.web.csv_files import csv_response
from app.web.statement_csv import csv_lines

pages = Noun()

PAGE = 100
KINDS = ("charge", "refund", "reverse", "topup", "adjust")


@pages.page("/statement")
async def statement(visit: Visit) -> Response:
    """The lines of a range, newest first, and the balance before and after it."""
    kind = visit.asked("kind")
    shown = Filter(kind if kind in KINDS else None, visit.asked_id("order"))
    before = visit.asked_id("before")
    async with visit.parts.db.transaction() as conn:
        span = await ledger.span_of(conn, visit.customer.id, since=day_of(visit, "from"), until=day_of(visit, "to"))
        rows = await ledger.page(conn, span, shown, before=before, limit=PAGE + 1)
    return await visit.page(
        "statement/list.html",
        span=span,
        rows=rows[:PAGE],
        kinds=KINDS,
        asked={name: visit.asked(name) for name in ("kind", "order", "from", "to")},
        more=rows[PAGE - 1].id if len(rows) > PAGE else None,
        is_first=before is None,
    )


@pages.page("/statement.csv")
async def as_csv(visit: Visit) -> Response:
    """All lines of the range, oldest first, as a file."""
    async with visit.parts.db.pool.connection() as conn:
        span = await ledger.span_of(conn, visit.customer.id, since=day_of(visit, "from"), until=day_of(visit, "to"))
    return csv_response("statement.csv", csv_lines(span, ledger.lines(visit.parts.db, span, Filter())))
