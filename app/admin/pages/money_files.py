"""Files of the money pages: what they list, as CSV, however long it is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from app.acts.service import record_act
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.approvals.service import ApprovalRow, ApprovalState, list_approvals
from app.audit import runs
from app.audit.promises import Finding
from app.db import Connection, Database
from app.ledger.debts import Ageing, debtors
from app.suppliers.books_days import DayRow, list_days
from app.topups.requests import TopupRow, TopupState, list_requests
from app.web.csv_files import csv_response, csv_text, figure

pages = Noun()

_PAGE = 1_000

Read = Callable[[Connection, int | None], Awaitable[Sequence[Any]]]
"""Reads the page that begins behind the row of this key, None for the first."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A file of rows of one type; ``amounts`` are the fields in micro-units, ``key`` is what pages go on from."""

    row: type[Any]
    amounts: frozenset[str]
    key: str = "id"

    @property
    def headings(self) -> list[str]:
        return [field.name for field in fields(self.row)]

    def cells(self, row: Any) -> list[object]:
        return [_cell(getattr(row, name), is_amount=name in self.amounts) for name in self.headings]


_TOP_UPS = _Sheet(TopupRow, frozenset({"amount", "credit", "credited"}))
_APPROVALS = _Sheet(ApprovalRow, frozenset({"amount", "previous"}))
_DAYS = _Sheet(
    DayRow,
    frozenset(
        {
            "opening", "closing", "deposits", "cost", "given_back", "in_doubt", "in_return", "left_out", "expected",
            "difference", "unexplained",
        }
    ),
)  # fmt: skip
_DEBTS = _Sheet(
    Ageing, frozenset({"debt", "days_0_7", "days_8_30", "days_31_60", "days_over_60", "credit_limit"}), "customer_id"
)
_FINDINGS = _Sheet(Finding, frozenset())


@pages.page("/top-ups.csv", fresh=True)
async def top_ups(visit: Visit) -> Response:
    """Every top-up request in a state."""
    state = next((one for one in TopupState if one == visit.asked("state")), None)

    async def read(conn: Connection, before: int | None) -> Sequence[Any]:
        return await list_requests(conn, state=state, before=before, limit=_PAGE)

    return await _file(visit, "top-ups", _TOP_UPS, read)


@pages.page("/approvals.csv", fresh=True)
async def approvals(visit: Visit) -> Response:
    """Every approval in a state."""
    state = next((one for one in ApprovalState if one == visit.asked("state")), ApprovalState.WAITING)

    async def read(conn: Connection, after: int | None) -> Sequence[Any]:
        return await list_approvals(conn, state=state, after=after or 0, limit=_PAGE)

    return await _file(visit, "approvals", _APPROVALS, read)


@pages.page("/supplier-books.csv", fresh=True)
async def supplier_books(visit: Visit) -> Response:
    """Every day of a supplier's books, or of all."""
    supplier = visit.asked_id("supplier")

    async def read(conn: Connection, before: int | None) -> Sequence[Any]:
        return await list_days(conn, supplier_id=supplier, before=before, limit=_PAGE)

    return await _file(visit, "supplier-books", _DAYS, read)


@pages.page("/debts.csv", fresh=True)
async def debts(visit: Visit) -> Response:
    """Everybody who owes us, by age."""
    overdue = True if visit.asked("state") == "overdue" else None

    async def read(conn: Connection, after: int | None) -> Sequence[Any]:
        return await debtors(conn, overdue=overdue, after=after or 0, limit=_PAGE)

    return await _file(visit, "debts", _DEBTS, read)


@pages.page("/audit/{run_id:int}/findings.csv")
async def findings(visit: Visit) -> Response:
    """What an audit run found, nothing but the headings for a clean one."""
    async with visit.parts.db.pool.connection() as conn:
        run = await runs.get_run(conn, visit.id_in_path("run_id"))

    async def rows() -> AsyncIterator[Sequence[object]]:
        for finding in run.findings:
            yield _FINDINGS.cells(finding)

    return csv_response(f"audit-{run.id}.csv", csv_text(_FINDINGS.headings, rows()))


async def _file(visit: Visit, name: str, sheet: _Sheet, read: Read) -> Response:
    async with visit.transaction() as conn:
        await record_act(conn, "exported", name, after={"state": visit.asked("state")})
    rows = _rows(visit.parts.db, sheet, read)
    return csv_response(f"{name}.csv", csv_text(sheet.headings, rows))


async def _rows(db: Database, sheet: _Sheet, read: Read) -> AsyncIterator[Sequence[object]]:
    """Yield every row, a page at a time, each on a connection that is given back before the page is sent."""
    last: int | None = None
    while True:
        async with db.pool.connection() as conn:
            page = await read(conn, last)
        for row in page:
            yield sheet.cells(row)
        if len(page) < _PAGE:
            return
        last = getattr(page[-1], sheet.key)


def _cell(value: Any, *, is_amount: bool) -> object:
    if is_amount:
        return figure(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value
