"""``/topups``: what customers say to have paid in, and what staff decide."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader, Transaction, Treasurer
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Amount, Body, Cursor, Decimals, Page, PageSize, PathId, Row
from app.money import format_amount
from app.topups import requests
from app.topups.requests import TopupRow, TopupState

router = APIRouter(prefix="/topups", tags=["top-ups"], route_class=ExactRoute)


class TopupOut(Row):
    """What a customer says to have paid, and what became of it.

    `credit` is due if it arrives so, `credited` is what staff gave. A request that is waiting with an `approval_id` was
    approved by one of the staff and waits for a second one under `/approvals`.
    """

    customer_id: int
    customer: str
    method_id: int
    method: str
    package_id: int | None
    package: str | None
    amount: Decimals
    credit: Decimals
    currency: str
    sender: str
    paid_on: date
    note: str
    state: TopupState
    created_at: datetime
    approval_id: int | None
    credited: Decimals | None
    transfer_id: int | None
    decided_by: int | None
    decider: str | None
    decided_at: datetime | None
    reason: str


class TopupsWaitingOut(BaseModel):
    """How many requests wait for staff."""

    waiting: int


class Arrived(Body):
    """What arrived."""

    credited: Amount | None = Field(
        None, description="What to credit; left out, the `credit` of the request.", examples=["48.55"]
    )


class TopupRefusal(Body):
    """Why not; the customer reads it."""

    reason: str = Field(max_length=1000, examples=["No such payment arrived."])


@router.get("", summary="Top-up requests in a state, the waiting ones unless another is named")
async def list_requests(
    _: Reader,
    conn: Transaction,
    *,
    state: TopupState | Literal["all"] = TopupState.WAITING,
    customer_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[TopupOut]:
    """The newest first."""
    rows = await requests.list_requests(
        conn, state=None if state == "all" else state, customer_id=customer_id, before=cursor, limit=limit + 1
    )
    return Page.of([_out(row) for row in rows], limit)


@router.get("/waiting", summary="How many top-up requests wait")
async def count_waiting(_: Reader, conn: Transaction) -> TopupsWaitingOut:
    """The number that staff have to look at."""
    return TopupsWaitingOut(waiting=await requests.count_waiting(conn))


@router.get("/{request_id}", summary="One top-up request")
async def get_request(request_id: PathId, _: Reader, conn: Transaction) -> TopupOut:
    """What the customer said, and what became of it."""
    return _out(await requests.get_request(conn, request_id))


@router.post("/{request_id}/approve", summary="Credit what arrived")
async def approve(request_id: PathId, body: Arrived, staff: Treasurer, parts: Parts, conn: Transaction) -> TopupOut:
    """Credits once, however many approve. Above FOUR_EYES_ABOVE nothing moves until a second person approves it: the
    request comes back waiting, with an `approval_id`."""
    return _out(
        await requests.approve_request(conn, parts.four_eyes, request_id, credited=body.credited, staff_id=staff.id)
    )


@router.post("/{request_id}/refuse", summary="Turn a top-up request down")
async def refuse(request_id: PathId, body: TopupRefusal, staff: Treasurer, conn: Transaction) -> TopupOut:
    """Ends it without credit, with a reason that the customer reads."""
    return _out(await requests.refuse_request(conn, request_id, reason=body.reason, staff_id=staff.id))


def _out(row: TopupRow) -> TopupOut:
    amounts = {"amount": row.amount, "credit": row.credit, "credited": row.credited}
    return TopupOut(
        **{name: getattr(row, name) for name in TopupOut.model_fields if name not in amounts},
        **{name: None if micro is None else format_amount(micro) for name, micro in amounts.items()},
    )
