"""The dashboard: what came, what ended, what was earned, and what needs somebody now; refreshed by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.alarms.kinds import AlarmKind
from app.alarms.service import list_alarms
from app.hours import reading
from app.hours.reading import Point, Span
from app.money import format_amount
from app.orders.needs import MOST, needs
from app.profit import report
from app.suppliers import records
from app.suppliers.runway import runways

pages = Noun()

HERE = "/admin/dashboard"
ALARMS = 5
SUPPLIERS = 50


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart and one column of its table; ``values`` are digits, ``shown`` how people read them."""

    name: str
    values: Sequence[str]
    shown: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """Some series over the same steps; ``unit`` stands beside the amounts."""

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: str = ""

    @property
    def data(self) -> dict[str, object]:
        """What the script draws it from."""
        lines = [{"name": one.name, "values": one.values} for one in self.series]
        return {"labels": self.labels, "series": lines, "unit": self.unit}


@pages.page("/dashboard")
async def dashboard(visit: Visit) -> Response:
    """All of it for the last day, week or month; the part that htmx asks for is what changes."""
    span = next((span for span in Span if span.value == visit.asked("range")), Span.DAY)
    async with visit.parts.db.pool.connection() as conn:
        found = await reading.currencies(conn, span)
        currency = visit.asked("currency") if visit.asked("currency") in found else visit.parts.currency
        points = await reading.points(conn, span, currency=currency)
        rows = await records.list_suppliers(conn)
        facts: dict[str, Any] = {
            "needs": await needs(conn),
            "alarms": [
                (row, AlarmKind(row.kind).meaning) for row in await list_alarms(conn, state="open", limit=ALARMS + 1)
            ],
            "accounts": {account.supplier_id: account for account in await runways(conn)},
            "as_of": await reading.built_at(conn),
            "margins": await report.totals(conn, points[0].at.date(), points[-1].at.date(), base=visit.parts.currency),
        }
    here = f"{HERE}?range={span.value}&currency={currency}"
    return await visit.page(
        "dashboard/part.html" if visit.is_htmx else "dashboard/index.html",
        spans=list(Span),
        span=span,
        here=here,
        chosen=currency,
        currencies=found,
        points=points,
        charts=[_orders(points, span), _money(points, span, currency)],
        suppliers=rows[:SUPPLIERS],
        most=MOST,
        most_alarms=ALARMS,
        **facts,
    )


def _orders(points: Sequence[Point], span: Span) -> Chart:
    return Chart(
        "Orders",
        _labels(points, span),
        [
            _counted("placed", [point.placed for point in points]),
            _counted("completed", [point.completed for point in points]),
            _counted("rejected", [point.rejected for point in points]),
            _counted("taken back", [point.taken_back for point in points]),
        ],
    )


def _money(points: Sequence[Point], span: Span, currency: str) -> Chart:
    return Chart(
        "Money",
        _labels(points, span),
        [
            _paid("paid in", [point.paid_in for point in points]),
            _paid("earned", [point.earned for point in points]),
            _paid("given back", [point.given_back for point in points]),
        ],
        currency,
    )


def _labels(points: Sequence[Point], span: Span) -> list[str]:
    pattern = {Span.DAY: "%H:%M", Span.WEEK: "%a %H:%M", Span.MONTH: "%d %b"}[span]
    return [point.at.strftime(pattern) for point in points]


def _counted(name: str, values: Sequence[int]) -> Series:
    return Series(name, [str(value) for value in values], [f"{value:,}" for value in values])


def _paid(name: str, values: Sequence[int]) -> Series:
    shown = [format_amount(value) for value in values]
    return Series(name, shown, shown)
