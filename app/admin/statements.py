"""``/customers/{id}/statement``: what moved a customer's balance, as JSON by pages and as CSV in one piece."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Cursor, Decimals, PageSize, PathId
from app.ledger import statement as ledger
from app.ledger.statement import Filter, Line, Span
from app.money import format_amount
from app.web.csv_files import CsvResponse, csv_response
from app.web.schemas import Moment
from app.web.statement_csv import csv_lines

router = APIRouter(prefix="/customers", tags=["customers"], route_class=ExactRoute)


class StatementLineOut(BaseModel):
    """One line; ``change`` is signed from the customer's side, ``balance`` is the account's after it."""

    id: int
    kind: str
    change: Decimals
    balance: Decimals
    currency: str
    order_id: int | None
    reference: str | None
    reason: str | None
    staff_id: int | None
    created_at: datetime


class StatementOut(BaseModel):
    """Lines, newest first, and the balance before and after the range; ``next_cursor`` asks for those that follow."""

    opening: Decimals
    closing: Decimals
    currency: str
    items: list[StatementLineOut]
    next_cursor: str | None


async def _span(
    customer_id: PathId,
    conn: Transaction,
    since: Annotated[Moment, Query(alias="from", description="The first moment; a date is its midnight, UTC.")] = None,
    until: Annotated[Moment, Query(alias="to", description="The moment after the last; a date: that midnight.")] = None,
) -> Span:
    return await ledger.span_of(conn, customer_id, since=since, until=until)


def _filter(
    kind: Literal["charge", "refund", "reverse", "topup", "adjust"] | None = None,
    order_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> Filter:
    return Filter(kind, order_id)


Chosen = Annotated[Span, Depends(_span, scope="function")]
Shown = Annotated[Filter, Depends(_filter)]


@router.get("/{customer_id}/statement", summary="What moved a customer's balance")
async def statement(
    _: Reader, conn: Transaction, span: Chosen, shown: Shown, *, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> StatementOut:
    """Lines newest first. `opening` and `closing` are the account's, whatever `kind` and `order_id` leave out."""
    rows = await ledger.page(conn, span, shown, before=cursor, limit=limit + 1)
    items = [_out(row) for row in rows[:limit]]
    return StatementOut(
        opening=format_amount(span.opening),
        closing=format_amount(span.closing),
        currency=span.currency,
        items=items,
        next_cursor=str(items[-1].id) if len(rows) > limit else None,
    )


@router.get(
    "/{customer_id}/statement.csv", summary="A statement as a file", response_class=CsvResponse, response_model=None
)
async def statement_csv(customer_id: PathId, _: Reader, parts: Parts, span: Chosen, shown: Shown) -> CsvResponse:
    """Lines oldest first (RFC 4180, UTF-8) between an `opening` and a `closing` line with the account's balances."""
    return csv_response(f"statement-{customer_id}.csv", csv_lines(span, ledger.lines(parts.db, span, shown)))


def _out(line: Line) -> StatementLineOut:
    shown = {name: getattr(line, name) for name in StatementLineOut.model_fields}
    return StatementLineOut(**{**shown, "change": format_amount(line.change), "balance": format_amount(line.balance)})
