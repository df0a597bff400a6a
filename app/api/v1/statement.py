"""``/statement``: what moved the balance, as JSON by pages or as CSV in one piece."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import MoneyReader, Parts
from app.db import MAX_ID
from app.ledger import statement as ledger
from app.ledger.statement import Filter, Line
from app.money import format_amount
from app.web.csv_files import csv_response
from app.web.schemas import DEFAULT_PAGE, Cursor, Decimals, Moment, PageSize, Timestamp
from app.web.statement_csv import csv_lines

router = APIRouter(prefix="/statement", tags=["money"], route_class=ExactRoute)

Kind = Literal["charge", "refund", "reverse", "topup", "adjust"]


class LineOut(BaseModel):
    """One line: `change` is signed from your side, `balance` is yours after it."""

    id: int
    kind: Kind
    change: Decimals = Field(examples=["-2.00"])
    balance: Decimals
    currency: str
    order_id: int | None
    reference: str | None
    reason: str | None
    created_at: Timestamp


class StatementOut(BaseModel):
    """Lines, newest first, and the balance before and after the range; ``next_cursor`` asks for those that follow."""

    opening: Decimals
    closing: Decimals
    currency: str
    items: list[LineOut]
    next_cursor: str | None


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The lines; with `Accept: text/csv` all of the range, oldest first.",
        "content": {"text/csv": {}},
    }
}


@router.get("", summary="What moved the balance", response_model=StatementOut, responses=_RESPONSES)
async def statement(
    caller: MoneyReader,
    parts: Parts,
    *,
    since: Annotated[Moment, Query(alias="from", description="The first moment; a date is its midnight, UTC.")] = None,
    until: Annotated[Moment, Query(alias="to", description="The moment after the last; a date: that midnight.")] = None,
    kind: Kind | None = None,
    order_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
    accept: Annotated[str, Header(description="`text/csv` for a file of the whole range.")] = "",
) -> StatementOut | Response:
    """`opening` and `closing` are the account's, whatever `kind` and `order_id` leave out. A balance once read never
    changes."""
    shown = Filter(kind, order_id)
    async with parts.db.transaction() as conn:
        span = await ledger.span_of(conn, caller.customer_id, since=since, until=until)
        if "text/csv" not in accept.lower():
            rows = await ledger.page(conn, span, shown, before=cursor, limit=limit + 1)
            items = [_out(row) for row in rows[:limit]]
            return StatementOut(
                opening=format_amount(span.opening),
                closing=format_amount(span.closing),
                currency=span.currency,
                items=items,
                next_cursor=str(items[-1].id) if len(rows) > limit else None,
            )
    return csv_response("statement.csv", csv_lines(span, ledger.lines(parts.db, span, shown)))


def _out(line: Line) -> LineOut:
    shown: dict[str, Any] = {name: getattr(line, name) for name in LineOut.model_fields}
    return LineOut(**{**shown, "change": format_amount(line.change), "balance": format_amount(line.balance)})
