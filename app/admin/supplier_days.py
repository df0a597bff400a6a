"""``/supplier-days`` and ``/supplier-runways``: suppliers' books per day, and how long our credit there lasts."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader, Transaction, Treasurer
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Body, Cursor, Decimals, Listing, Page, PageSize, PathId, Row
from app.money import format_amount
from app.suppliers import books_days
from app.suppliers.books_days import MAX_NOTE, DayRow
from app.suppliers.runway import Runway, runways

router = APIRouter(tags=["suppliers"], route_class=ExactRoute)


class SupplierDayOut(Row):
    """A supplier's books for one day (UTC): what it should hold by our orders against what it said it holds.

    They run from the last balance read before the day to the last one read in it. expected: opening plus deposits less
    cost plus given_back. difference: closing less expected, null where it cannot be told: no balance was read, or costs
    in another currency were left out. By in_doubt the balance may be lower, by in_return higher, and is in order.
    """

    supplier_id: int
    supplier: str
    day: date
    currency: str
    from_at: datetime
    to_at: datetime
    opening: Decimals | None
    opening_at: datetime | None
    closing: Decimals | None
    closing_at: datetime | None
    deposits: Decimals
    cost: Decimals
    given_back: Decimals
    in_doubt: Decimals
    in_return: Decimals
    left_out: int
    expected: Decimals
    difference: Decimals | None
    unexplained: Decimals | None = Field(description="What of the difference no note explains.")
    state: Literal["ok", "open", "explained"]
    note: str
    explained_at: datetime | None
    staff_id: int | None
    computed_at: datetime


class Explanation(Body):
    """Where the difference comes from."""

    note: str = Field(min_length=1, max_length=MAX_NOTE, examples=["monthly fee, their invoice 17"])


class RunwayOut(BaseModel):
    """How our account at a supplier stands. ``spent`` is of the last seven days, or since the supplier was added."""

    supplier_id: int
    supplier: str
    currency: str
    balance: Decimals | None
    spent: Decimals
    days: int | None = Field(description="Whole days that the balance lasts; null without a balance or spending.")
    low: str | None = Field(description="Why it is too low, null if it is not.")
    low_balance: Decimals | None
    runway_days: int


@router.get("/supplier-days", summary="Suppliers' books per day")
async def list_supplier_days(
    _: Reader,
    conn: Transaction,
    state: Literal["ok", "open", "explained", "all"] = "open",
    supplier_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[SupplierDayOut]:
    """Days in that state, those with an open difference unless another is named, the newest first."""
    rows = await books_days.list_days(
        conn, supplier_id=supplier_id, state=None if state == "all" else state, before=cursor, limit=limit + 1
    )
    return Page.of([_out(row) for row in rows], limit)


@router.get("/supplier-days/{day_id}", summary="One day of a supplier's books")
async def get_supplier_day(day_id: PathId, _: Reader, conn: Transaction) -> SupplierDayOut:
    """The day as it was closed last."""
    return _out(await books_days.get_day(conn, day_id))


@router.post("/supplier-days/{day_id}/explain", summary="Explain a difference")
async def explain(day_id: PathId, body: Explanation, staff: Treasurer, conn: Transaction) -> SupplierDayOut:
    """Say where the difference comes from. A deposit that is missing is better written down with when it arrived."""
    return _out(await books_days.explain_day(conn, day_id, note=body.note, staff_id=staff.id))


@router.get("/supplier-runways", summary="How long our credit lasts")
async def list_runways(_: Reader, conn: Transaction) -> Listing[RunwayOut]:
    """Every supplier's account, the one that lasts shortest first."""
    return Listing(items=[runway_out(row) for row in await runways(conn)])


def runway_out(row: Runway) -> RunwayOut:
    """Return how an account stands as it is shown."""
    return RunwayOut(
        supplier_id=row.supplier_id,
        supplier=row.supplier,
        currency=row.currency,
        balance=_amount(row.balance),
        spent=format_amount(row.spent),
        days=row.days,
        low=row.low,
        low_balance=_amount(row.low_balance),
        runway_days=row.runway_days,
    )


_AMOUNTS = frozenset(
    {"opening", "closing", "deposits", "cost", "given_back", "in_doubt", "in_return", "expected", "difference"}
    | {"unexplained"}
)


def _out(row: DayRow) -> SupplierDayOut:
    shown = {name: getattr(row, name) for name in SupplierDayOut.model_fields}
    return SupplierDayOut(**{name: _amount(value) if name in _AMOUNTS else value for name, value in shown.items()})


def _amount(micro: int | None) -> str | None:
    return None if micro is None else format_amount(micro)
