"""``/orders``: what customers ordered, and all that became of it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.admin.approvals import WAITS, waiting
from app.admin.attempts import AttemptOut, attempt_out
from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction, Treasurer
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Body, Cursor, Decimals, Page, PageSize, PathId, Row, Search
from app.approvals import asking
from app.db import Connection
from app.money import format_amount
from app.orders import reading
from app.orders.costs import costs_of
from app.orders.listing import Wanted, find_orders
from app.orders.reading import OrderRow
from app.orders.resolution import reject_order

router = APIRouter(prefix="/orders", tags=["orders"], route_class=ExactRoute)


class OrderOut(Row):
    """An order. ``price`` is for all pieces, ``customer`` the username."""

    state: str
    customer_id: int
    customer: str
    service_id: int
    service: str
    device: str
    quantity: int
    price: Decimals
    currency: str
    fields: dict[str, Any]
    reference: str
    source: str
    result: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class EventOut(BaseModel):
    """One thing that happened to the order or to one of its attempts."""

    id: int
    attempt_id: int | None
    kind: str
    old_state: str | None
    new_state: str | None
    actor: str
    detail: str
    at: datetime


class OrderTransferOut(BaseModel):
    """Money that moved for the order."""

    id: int
    kind: str
    amount: Decimals
    currency: str
    reason: str | None
    staff_id: int | None
    created_at: datetime


class OrderStoryOut(OrderOut):
    """An order with everything that happened, in order.

    `cost` is what the delivering attempt cost, `extra_cost` what others cost beside it, `margin` what is left of what
    the customer paid; in the order's currency at the rates of now, null while nobody knows.
    """

    cost: Decimals | None
    extra_cost: Decimals
    margin: Decimals | None
    events: list[EventOut]
    attempts: list[AttemptOut]
    transfers: list[OrderTransferOut]


class Reason(Body):
    """Why; the customer reads it."""

    reason: str = Field(max_length=1000, examples=["The network no longer offers this."])


@router.get("", summary="The orders")
async def list_orders(
    _: Reader,
    conn: Transaction,
    *,
    state: Literal["accepted", "in_progress", "completed", "rejected"] | None = None,
    customer_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    search: Search = "",
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[OrderOut]:
    """Orders, newest first; ``search`` is an order's id, device, reference or id at a supplier, whole. A page may be
    short although others follow."""
    wanted = Wanted(state=state, customer_id=customer_id, search=search)
    found = await find_orders(conn, wanted, before=cursor, limit=limit)
    items = [OrderOut(**_shown(row)) for row in await reading.read_orders(conn, found.ids)]
    return Page(items=items, next_cursor=None if found.before is None else str(found.before))


@router.get("/{order_id}", summary="One order and its story")
async def get_order(order_id: PathId, _: Reader, conn: Transaction) -> OrderStoryOut:
    """The order with its events, its attempts (what was said to suppliers included) and its transfers."""
    return await _story(conn, order_id)


@router.post("/{order_id}/reject", summary="Close an open order unserved and refund it")
async def reject(order_id: PathId, body: Reason, staff: Operator, conn: Transaction) -> OrderStoryOut:
    """Refused while a supplier has the order or may have it: money goes back only on proof."""
    await reject_order(conn, order_id, reason=body.reason, staff_id=staff.id)
    return await _story(conn, order_id)


@router.post(
    "/{order_id}/reverse",
    summary="Reject a completed order and give the money back",
    response_model=OrderStoryOut,
    responses=WAITS,
)
async def reverse(
    order_id: PathId, body: Reason, staff: Treasurer, parts: Parts, conn: Transaction
) -> OrderStoryOut | JSONResponse:
    """Take a completed order back, once, at our own cost."""
    asked = await asking.reverse(conn, parts.four_eyes, order_id, reason=body.reason, staff_id=staff.id)
    return await _story(conn, order_id) if asked is None else waiting(asked)


async def _story(conn: Connection, order_id: int) -> OrderStoryOut:
    story = await reading.read_order(conn, order_id)
    costs = await costs_of(conn, order_id)
    return OrderStoryOut(
        **_shown(story.order),
        cost=None if costs.cost is None else format_amount(costs.cost),
        extra_cost=format_amount(costs.extra_cost),
        margin=None if costs.margin is None else format_amount(costs.margin),
        events=[EventOut(**{name: getattr(row, name) for name in EventOut.model_fields}) for row in story.events],
        attempts=[attempt_out(row) for row in story.attempts],
        transfers=[
            OrderTransferOut(
                id=row.id,
                kind=row.kind,
                amount=format_amount(row.amount),
                currency=row.currency,
                reason=row.reason,
                staff_id=row.staff_id,
                created_at=row.created_at,
            )
            for row in story.transfers
        ],
    )


def _shown(row: OrderRow) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in OrderOut.model_fields}, "price": format_amount(row.price)}
