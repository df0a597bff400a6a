"""``/price-changes``: the prices that rules made, those that wait among them, and what staff decide."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Body, Cursor, Decimals, Page, PageSize, PathId, Row, RowId
from app.catalog import price_changes
from app.catalog.price_changes import PriceChangeRow, PriceChangeState
from app.money import format_amount

router = APIRouter(prefix="/price-changes", tags=["prices"], route_class=ExactRoute)

MAX_CHANGES = 10_000


class PriceChangeOut(Row):
    """A price that a rule made of a cost: the list price, or that of the price group named.

    ``old`` is null where the group had none, ``price`` what it is now. applied: set by itself, inside the rule's
    limits. A change that is waiting, rejected or undone holds until ``outdated_at``, when the rule made another price.
    """

    service_id: int
    service: str
    price_group_id: int | None
    price_group: str | None
    rule_id: int | None
    currency: str
    cost: Decimals
    old: Decimals | None
    new: Decimals
    margin: Decimals
    price: Decimals | None
    state: PriceChangeState
    found_at: datetime
    decided_at: datetime | None
    staff_id: int | None
    outdated_at: datetime | None


class PriceChangesToDecide(Body):
    """Which price changes to approve, or to reject."""

    ids: list[RowId] = Field(min_length=1, max_length=MAX_CHANGES, examples=[[1, 2, 3]])


class PricesApprovedOut(BaseModel):
    """How many price changes were approved; ``skipped`` are those that did not wait any more."""

    approved: int
    skipped: int


class PricesRejectedOut(BaseModel):
    """How many price changes were rejected; ``skipped`` are those that did not wait any more."""

    rejected: int
    skipped: int


@router.get("", summary="The prices that rules made")
async def list_changes(
    _: Reader,
    conn: Transaction,
    state: PriceChangeState | Literal["all"] = PriceChangeState.WAITING,
    service_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[PriceChangeOut]:
    """The price changes in that state, those that wait for staff unless another is named, in order of id."""
    rows = await price_changes.list_changes(
        conn, state=None if state == "all" else state, service_id=service_id, after=cursor or 0, limit=limit + 1
    )
    return Page.of([_out(row) for row in rows], limit)


@router.post("/approve", summary="Approve many price changes")
async def approve_changes(body: PriceChangesToDecide, staff: Operator, conn: Transaction) -> PricesApprovedOut:
    """Set the prices of those that still wait; the others are skipped, so that nothing is set that nobody has seen."""
    approved = await price_changes.approve_many(conn, body.ids, staff_id=staff.id)
    return PricesApprovedOut(approved=approved, skipped=len(set(body.ids)) - approved)


@router.post("/reject", summary="Reject many price changes")
async def reject_changes(body: PriceChangesToDecide, staff: Operator, conn: Transaction) -> PricesRejectedOut:
    """Keep the prices of those that still wait; the others are skipped."""
    rejected = await price_changes.reject_many(conn, body.ids, staff_id=staff.id)
    return PricesRejectedOut(rejected=rejected, skipped=len(set(body.ids)) - rejected)


@router.get("/{change_id}", summary="One price change")
async def get_change(change_id: PathId, _: Reader, conn: Transaction) -> PriceChangeOut:
    """The change with the price as it is now."""
    return _out(await price_changes.get_change(conn, change_id))


@router.post("/{change_id}/approve", summary="Set the price of a change")
async def approve(change_id: PathId, staff: Operator, conn: Transaction) -> PriceChangeOut:
    """Set the price of a change that waits, or that was rejected or undone and that the rule still stands by."""
    await price_changes.approve(conn, change_id, staff_id=staff.id)
    return _out(await price_changes.get_change(conn, change_id))


@router.post("/{change_id}/reject", summary="Turn a price change down")
async def reject(change_id: PathId, staff: Operator, conn: Transaction) -> PriceChangeOut:
    """Keep the price. Orders are not sent over routes that cost more than it."""
    await price_changes.reject(conn, change_id, staff_id=staff.id)
    return _out(await price_changes.get_change(conn, change_id))


@router.post("/{change_id}/undo", summary="Take a price change back")
async def undo(change_id: PathId, staff: Operator, conn: Transaction) -> PriceChangeOut:
    """Set the price back to what it was before; the rule is not followed until it makes another price."""
    await price_changes.undo(conn, change_id, staff_id=staff.id)
    return _out(await price_changes.get_change(conn, change_id))


def _out(row: PriceChangeRow) -> PriceChangeOut:
    amounts = {"cost": row.cost, "old": row.old, "new": row.new, "price": row.price, "margin": row.new - row.cost}
    return PriceChangeOut(
        **{name: getattr(row, name) for name in PriceChangeOut.model_fields if name not in amounts},
        **{name: None if micro is None else format_amount(micro) for name, micro in amounts.items()},
    )
