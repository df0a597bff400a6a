"""A customer's statement: every line of the account, as pages and as a file."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.acts.service import record_act
from app.admin.pages.customers import HERE, customer_of
from app.admin.pages.noun import Noun
from app.admin.pages.ranges import Days, asked_days
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.ledger import statement as ledger
from app.ledger.statement import KINDS, Filter
from app.staff.service import list_staff
from app.web.csv_files import csv_response
from app.web.statement_csv import csv_lines

pages = Noun()

PAGE = 100


@pages.page("/customers/{customer_id:int}/statement")
async def statement(visit: Visit) -> Response:
    """Lines newest first, of the days asked for, with the balances before and after them."""
    before = visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        try:
            days = asked_days(visit)
        except Invalid as problem:
            visit.problem, days = problem, Days(None, None)
        span = await ledger.span_of(conn, row.id, since=days.since, until=days.until)
        lines = await ledger.page(conn, span, _shown(visit), before=before, limit=PAGE + 1)
        staff = {one.id: one.name for one in await list_staff(conn)}
    chosen = {**days.chosen, **({"kind": kind} if (kind := _shown(visit).kind) else {})}
    here = f"{HERE}/{row.id}/statement"
    more = f"{here}?{urlencode({**chosen, 'before': lines[PAGE - 1].id})}" if len(lines) > PAGE else None
    return await visit.page(
        "customers/statement.html",
        status=422 if visit.problem else 200,
        customer=row,
        span=span,
        lines=lines[:PAGE],
        staff=staff,
        chosen=chosen,
        file=f"{here}.csv?{urlencode(chosen)}" if chosen else f"{here}.csv",
        first=(f"{here}?{urlencode(chosen)}" if chosen else here) if before else None,
        more=more,
    )


@pages.page("/customers/{customer_id:int}/statement.csv", fresh=True)
async def statement_file(visit: Visit) -> Response:
    """The same as a file, oldest first, however long."""
    days = asked_days(visit)
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        span = await ledger.span_of(conn, row.id, since=days.since, until=days.until)
        await record_act(conn, "exported the statement", "customer", row.id, named=row.username, after=days.chosen)
    lines = ledger.lines(visit.parts.db, span, _shown(visit))
    return csv_response(f"statement-{row.username}.csv", csv_lines(span, lines))


def _shown(visit: Visit) -> Filter:
    kind = visit.asked("kind")
    return Filter(kind if kind in KINDS else None)
