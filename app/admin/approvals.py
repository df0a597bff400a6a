"""``/approvals``: what one member of staff asked for and another approves."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader, Transaction, Treasurer
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Body, Cursor, Decimals, Page, PageSize, PathId, Row
from app.approvals import service
from app.approvals.service import ApprovalKind, ApprovalRow, ApprovalState
from app.money import format_amount

router = APIRouter(prefix="/approvals", tags=["approvals"], route_class=ExactRoute)


class ApprovalOut(Row):
    """An act that waits for another member of staff, or what became of it.

    `amount` is what would be given (below zero: taken), or the new credit limit in place of `previous`. `note` says why
    it was refused: by a person, or because it no longer fitted when it was approved. `transfer_id` is what moved.
    """

    kind: ApprovalKind
    customer_id: int
    customer: str
    order_id: int | None
    amount: Decimals
    currency: str
    previous: Decimals | None
    reference: str | None
    reason: str
    state: ApprovalState
    requested_by: int
    requester: str
    requested_at: datetime
    decided_by: int | None
    decider: str | None
    decided_at: datetime | None
    note: str
    transfer_id: int | None


class Refusal(Body):
    """Why not; whoever asked reads it."""

    reason: str = Field(max_length=1000, examples=["The bank has no such payment."])


WAITS: dict[int | str, dict[str, Any]] = {
    202: {"model": ApprovalOut, "description": "Above FOUR_EYES_ABOVE: nothing moved; another has to approve it."}
}
"""What the calls that move money may answer beside their own reply."""


def waiting(row: ApprovalRow) -> JSONResponse:
    """Return the reply of a call whose act waits for approval."""
    return JSONResponse(_out(row).model_dump(mode="json"), 202)


@router.get("", summary="Approvals in a state, the waiting ones unless another is named")
async def list_approvals(
    _: Reader,
    conn: Transaction,
    *,
    state: Literal["waiting", "approved", "refused", "withdrawn"] = "waiting",
    customer_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[ApprovalOut]:
    """Approvals in the order in which they were asked for."""
    rows = await service.list_approvals(conn, state=state, customer_id=customer_id, after=cursor or 0, limit=limit + 1)
    return Page.of([_out(row) for row in rows], limit)


@router.get("/{approval_id}", summary="One approval")
async def get_approval(approval_id: PathId, _: Reader, conn: Transaction) -> ApprovalOut:
    """What was asked for, by whom, and what became of it."""
    return _out(await service.get_approval(conn, approval_id))


@router.post("/{approval_id}/approve", summary="Do what another asked for")
async def approve(approval_id: PathId, staff: Treasurer, conn: Transaction) -> ApprovalOut:
    """Moves the money in this call, once. What no longer fits moves nothing and comes back `refused`, with a `note`."""
    return _out(await service.approve(conn, approval_id, staff_id=staff.id))


@router.post("/{approval_id}/refuse", summary="Do not do what another asked for")
async def refuse(approval_id: PathId, body: Refusal, staff: Treasurer, conn: Transaction) -> ApprovalOut:
    """Ends it with a reason; the same may be asked for again."""
    return _out(await service.refuse(conn, approval_id, reason=body.reason, staff_id=staff.id))


@router.post("/{approval_id}/withdraw", summary="Take back what one asked for")
async def withdraw(approval_id: PathId, staff: Treasurer, conn: Transaction) -> ApprovalOut:
    """Ends it without a word; only who asked can."""
    return _out(await service.withdraw(conn, approval_id, staff_id=staff.id))


def _out(row: ApprovalRow) -> ApprovalOut:
    fields = {name: getattr(row, name) for name in ApprovalOut.model_fields}
    previous = None if row.previous is None else format_amount(row.previous)
    return ApprovalOut(**{**fields, "amount": format_amount(row.amount), "previous": previous})
