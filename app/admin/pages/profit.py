"""Profit: what was earned by day, service, supplier and customer, and what was absorbed beside it."""

from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from app.acts.service import record_act
from app.admin.pages.noun import Noun
from app.admin.pages.ranges import bounded_days, latest_days
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.money import check_currency
from app.profit import report
from app.profit.building import build_due
from app.profit.report import BY, Earned, Question
from app.staff.service import Right
from app.web.csv_files import csv_response, csv_text, figure

pages = Noun()

HERE = "/admin/profit"
USUAL_DAYS = 30
MOST_DAYS = 366
SHOWN = 100
_HEADINGS = (
    "id", "name", "currency", "orders", "revenue", "reversed", "cost", "absorbed", "profit", "unpriced",
)  # fmt: skip


@pages.page("/profit")
async def profit(visit: Visit) -> Response:
    """What was earned in the days asked for, in one currency, by what is asked for; the largest first."""
    try:
        first, last = bounded_days(visit, usual=USUAL_DAYS, most=MOST_DAYS)
    except Invalid as problem:
        visit.problem = problem
        first, last = latest_days(USUAL_DAYS)
    by, least = _by(visit), visit.asked("order") == "least"
    async with visit.parts.db.pool.connection() as conn:
        totals = await report.totals(conn, first, last, base=visit.parts.currency)
        currency = _currency(visit, [total.currency for total in totals])
        rows = await report.earned_by(
            conn, Question(first, last, currency), by=by, least_first=least, limit=MOST_DAYS if by == "day" else SHOWN
        )
        as_of = await report.built_at(conn, last)
    chosen = {"from": first.isoformat(), "to": last.isoformat(), "currency": currency, "by": by}
    return await visit.page(
        "profit/index.html",
        status=422 if visit.problem else 200,
        totals=totals,
        total=next((total.earned for total in totals if total.currency == currency), None),
        in_currency=currency,
        currencies=[(total.currency, total.currency) for total in totals],
        rows=rows,
        by=by,
        least=least,
        chosen=chosen,
        query=urlencode(chosen),
        as_of=as_of,
        shown=SHOWN,
    )


@pages.page("/profit.csv", fresh=True)
async def file(visit: Visit) -> Response:
    """All of it as a file, however many services or customers there are."""
    first, last = bounded_days(visit, usual=USUAL_DAYS, most=MOST_DAYS)
    currency, by = _currency(visit, []), _by(visit)
    async with visit.transaction() as conn:
        rows = await report.earned_by(conn, Question(first, last, currency), by=by)
        named = {"by": by, "from": first.isoformat(), "to": last.isoformat()}
        await record_act(conn, "exported", "profit", named=currency, after=named)
    return csv_response(f"profit-by-{by}-{first}-{last}.csv", csv_text(_HEADINGS, _rows(rows, currency)))


@pages.action("/profit/build", back=HERE, right=Right.READ)
async def build(visit: Visit) -> Response:
    """Bring it up to date; the worker does so every minute."""
    await build_due(visit.parts.db)
    return visit.go(HERE)


async def _rows(rows: Sequence[Earned], currency: str) -> AsyncIterator[Sequence[object]]:
    for row in rows:
        yield (
            row.subject_id, row.name, currency, row.orders, figure(row.revenue), figure(row.reversed),
            figure(row.cost), figure(row.absorbed), figure(row.profit), row.unpriced,
        )  # fmt: skip


def _by(visit: Visit) -> str:
    return visit.asked("by") if visit.asked("by") in BY else "day"


def _currency(visit: Visit, there: Sequence[str]) -> str:
    """Return the currency asked for, else the first of those there are, else the house's."""
    try:
        return check_currency(visit.asked("currency").upper())
    except ValueError:
        return there[0] if there else visit.parts.currency
