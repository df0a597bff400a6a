"""``/changes``: what suppliers change in their catalogues, what that does to our margins, and what staff decide."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, Body, Cursor, Decimals, Page, PageSize, PathId, Row, RowId
from app.money import format_amount
from app.suppliers import changes
from app.suppliers.changes import ChangeRow, ChangeState
from app.suppliers.changes_margin import Effect

router = APIRouter(tags=["suppliers"], route_class=ExactRoute)

MAX_CHANGES = 10_000


class EffectOut(BaseModel):
    """A service of ours that is bought there. ``price`` is the lowest that anybody pays for it; a cost or margin is
    null where it is not known or not offered."""

    service_id: int
    service: str
    currency: str
    price: Decimals
    old_cost: Decimals | None
    new_cost: Decimals | None
    margin_before: Decimals | None
    margin_after: Decimals | None


class ChangeOut(Row):
    """A change of one remote service. ``old`` and ``new`` hold what it is about, ``effects`` what it does to us.

    applied: taken over by itself, inside the supplier's limits. A change that is waiting, rejected or undone holds
    until ``outdated_at``, when the supplier said something else.
    """

    supplier_id: int
    remote_service_id: int
    remote_id: str
    remote_name: str
    kind: str = Field(examples=["price"])
    old: dict[str, Any] = Field(examples=[{"cost": "1.00", "currency": "USD"}])
    new: dict[str, Any] = Field(examples=[{"cost": "1.50", "currency": "USD"}])
    currency: str
    effects: list[EffectOut]
    state: ChangeState
    found_at: datetime
    decided_at: datetime | None
    staff_id: int | None
    outdated_at: datetime | None


class ChangesToDecide(Body):
    """Which changes of the supplier to approve, or to reject."""

    ids: list[RowId] = Field(min_length=1, max_length=MAX_CHANGES, examples=[[1, 2, 3]])


class ApprovedOut(BaseModel):
    """How many changes were approved; ``skipped`` are those that did not wait any more."""

    approved: int
    skipped: int


class RejectedOut(BaseModel):
    """How many changes were rejected; ``skipped`` are those that did not wait any more."""

    rejected: int
    skipped: int


@router.get("/suppliers/{supplier_id}/changes", summary="What a supplier changed")
async def list_changes(
    supplier_id: PathId,
    _: Reader,
    conn: Transaction,
    state: ChangeState | Literal["all"] = ChangeState.WAITING,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[ChangeOut]:
    """The supplier's changes in that state, those that wait for staff unless another is named, in order of id."""
    rows = await changes.list_changes(
        conn, supplier_id, state=None if state == "all" else state, after=cursor or 0, limit=limit + 1
    )
    return Page.of([_out(row) for row in rows], limit)


@router.post("/suppliers/{supplier_id}/changes/approve", summary="Approve many changes of a supplier")
async def approve_changes(
    supplier_id: PathId, body: ChangesToDecide, staff: Operator, conn: Transaction
) -> ApprovedOut:
    """Take over those that still wait; the others are skipped, so that nothing is approved that nobody has seen."""
    approved = await changes.approve_many(conn, supplier_id, body.ids, staff_id=staff.id)
    return ApprovedOut(approved=approved, skipped=len(set(body.ids)) - approved)


@router.post("/suppliers/{supplier_id}/changes/reject", summary="Reject many changes of a supplier")
async def reject_changes(supplier_id: PathId, body: ChangesToDecide, staff: Operator, conn: Transaction) -> RejectedOut:
    """Turn down those that still wait; the others are skipped. Where a price rose, routes stay blocked."""
    rejected = await changes.reject_many(conn, supplier_id, body.ids, staff_id=staff.id)
    return RejectedOut(rejected=rejected, skipped=len(set(body.ids)) - rejected)


@router.get("/changes/{change_id}", summary="One change")
async def get_change(change_id: PathId, _: Reader, conn: Transaction) -> ChangeOut:
    """The change with what it does to the margins as they are now."""
    return _out(await changes.get_change(conn, change_id))


@router.post("/changes/{change_id}/approve", summary="Take a change over")
async def approve(change_id: PathId, staff: Operator, conn: Transaction) -> ChangeOut:
    """Take over a change that waits, or that was rejected or undone and that the supplier still stands by."""
    await changes.approve(conn, change_id, staff_id=staff.id)
    return _out(await changes.get_change(conn, change_id))


@router.post("/changes/{change_id}/reject", summary="Turn a change down")
async def reject(change_id: PathId, staff: Operator, conn: Transaction) -> ChangeOut:
    """Keep what we have. Routes stay blocked where a price rose: the supplier would charge the new one."""
    await changes.reject(conn, change_id, staff_id=staff.id)
    return _out(await changes.get_change(conn, change_id))


@router.post("/changes/{change_id}/undo", summary="Take a change back")
async def undo(change_id: PathId, staff: Operator, conn: Transaction) -> ChangeOut:
    """Go back to what was before a change that was taken over; as with a rejected one, a higher price blocks."""
    await changes.undo(conn, change_id, staff_id=staff.id)
    return _out(await changes.get_change(conn, change_id))


def _out(row: ChangeRow) -> ChangeOut:
    return ChangeOut(
        **{name: getattr(row, name) for name in ChangeOut.model_fields if name not in ("old", "new", "effects")},
        old=_values(row.old),
        new=_values(row.new),
        effects=[_effect(effect) for effect in row.effects],
    )


def _values(columns: dict[str, Any]) -> dict[str, Any]:
    return {**columns, "cost": _amount(columns["cost"])} if "cost" in columns else columns


def _effect(effect: Effect) -> EffectOut:
    return EffectOut(
        service_id=effect.service_id,
        service=effect.service,
        currency=effect.currency,
        price=format_amount(effect.price),
        old_cost=_amount(effect.old_cost),
        new_cost=_amount(effect.new_cost),
        margin_before=_amount(effect.margin_before),
        margin_after=_amount(effect.margin_after),
    )


def _amount(micro: int | None) -> str | None:
    return None if micro is None else format_amount(micro)
