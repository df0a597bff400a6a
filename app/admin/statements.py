"""``/customers/{id}/statement``: what moved a customer's balance, as JSON by pages and as CSV in one piece."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, WithJsonSchema

from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Cursor, Decimals, PageSize, PathId
from app.ledger import statement as ledger
from app.ledger.statement import Filter, Line, Span
from app.money import format_amount

router = APIRouter(prefix="/customers", tags=["customers"], route_class=ExactRoute)


def _moment(value: object) -> object:
    """Read a date as its first moment in UTC; of a time without a zone nobody knows which moment it is."""
    if not isinstance(value, str):
        return value
    try:
        read = datetime.combine(date.fromisoformat(value), time(), UTC) if len(value) == 10 else None
        read = read or datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("a date such as 2026-11-30, or a time with its zone") from error
    if read.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2026-11-30T12:00:00Z")
    return read


Moment = Annotated[
    datetime | None,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["2026-11-01", "2026-11-30T12:00:00Z"]}),
]


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


class CsvResponse(StreamingResponse):
    """A CSV file, sent while it is written."""

    media_type = "text/csv"


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
    name = f"statement-{customer_id}.csv"
    return CsvResponse(
        _csv(span, ledger.lines(parts.db, span, shown)),
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


_HEADINGS = ("id", "at", "kind", "change", "balance", "currency", "order_id", "reference", "reason")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_FLUSH = 16_384


async def _csv(span: Span, lines: AsyncIterator[Line]) -> AsyncIterator[str]:
    written = io.StringIO()
    writer = csv.writer(written)  # its default dialect is RFC 4180's
    writer.writerow(_HEADINGS)
    writer.writerow(("", "", "opening", "", format_amount(span.opening), span.currency, "", "", ""))
    async for line in lines:
        writer.writerow(_cells(line))
        if written.tell() > _FLUSH:
            yield written.getvalue()
            written.seek(0)
            written.truncate()
    writer.writerow(("", "", "closing", "", format_amount(span.closing), span.currency, "", "", ""))
    yield written.getvalue()


def _cells(line: Line) -> tuple[Any, ...]:
    return (
        line.id,
        line.created_at.astimezone(UTC).isoformat(),
        line.kind,
        format_amount(line.change),
        format_amount(line.balance),
        line.currency,
        line.order_id or "",
        _text(line.reference),
        _text(line.reason),
    )


def _text(text: str | None) -> str:
    """Return what people wrote so that no spreadsheet takes it for a formula; amounts are ours and stay numbers."""
    text = text or ""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def _out(line: Line) -> StatementLineOut:
    shown = {name: getattr(line, name) for name in StatementLineOut.model_fields}
    return StatementLineOut(**{**shown, "change": format_amount(line.change), "balance": format_amount(line.balance)})
