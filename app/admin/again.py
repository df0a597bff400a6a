"""``/orders/{id}``: cancel an order, and send it over another route."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictBool

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Reader, Transaction
from app.admin.schemas import Amount, Body, Decimals, PathId, RowId
from app.money import format_amount
from app.orders.again import route_choices, send_again
from app.orders.cancelling import cancel_order

router = APIRouter(prefix="/orders", tags=["orders"], route_class=ExactRoute)


class CancelOut(BaseModel):
    """cancelled: rejected and refunded, no supplier had it. requested: it is up to the supplier that has it."""

    id: int
    outcome: Literal["cancelled", "requested"]


class ChoiceOut(BaseModel):
    """A route that the order could take. ``cost`` is for all pieces, in ``currency``; ``margin`` is what would be left
    of the price, in the order's currency, after all that the order has cost so far."""

    route_id: int
    supplier_id: int
    supplier: str
    remote_service: str
    cost: Decimals | None
    currency: str
    margin: Decimals | None
    blocked: str | None = Field(description="Why it would wait, null if it would be sent now.")
    tried: str | None = Field(description="How the last attempt over it ended, null if there was none.")


class Again(Body):
    """Which way, and what it may cost."""

    route_id: RowId
    max_cost: Amount = Field(description="For all pieces, in the supplier's currency; dearer, it waits.")
    force: StrictBool = Field(False, description="The supplier shall take it although it looks like a duplicate there.")
    reason: str = Field(max_length=1000, examples=["Unclear for two days; the customer waits."])


class AgainOut(BaseModel):
    """The attempt that was made."""

    order_id: int
    attempt_id: int


@router.post("/{order_id}/cancel", summary="Cancel an order, or pass the wish on")
async def cancel(order_id: PathId, staff: Operator, conn: Transaction) -> CancelOut:
    """At once while no supplier has it; else the supplier is asked, and only their word gives the money back."""
    return CancelOut(id=order_id, outcome=await cancel_order(conn, order_id, actor=f"staff {staff.id}"))


@router.get("/{order_id}/routes", summary="Which ways an order could go, and at what cost")
async def choices(order_id: PathId, _: Reader, conn: Transaction) -> list[ChoiceOut]:
    """The routes of its service, those that may be used now first."""
    return [
        ChoiceOut(
            route_id=row.route_id,
            supplier_id=row.supplier_id,
            supplier=row.supplier,
            remote_service=row.remote_service,
            cost=None if row.cost is None else format_amount(row.cost),
            currency=row.currency,
            margin=None if row.margin is None else format_amount(row.margin),
            blocked=row.blocked,
            tried=row.tried,
        )
        for row in await route_choices(conn, order_id)
    ]


@router.post("/{order_id}/again", summary="Send an order over a route at a cost you agree to")
async def again(order_id: PathId, body: Again, staff: Operator, conn: Transaction) -> AgainOut:
    """An attempt that is with a supplier or unclear is abandoned, and may cost us all the same."""
    attempt_id = await send_again(
        conn,
        order_id,
        route_id=body.route_id,
        max_cost=body.max_cost,
        force=body.force,
        reason=body.reason,
        staff_id=staff.id,
    )
    return AgainOut(order_id=order_id, attempt_id=attempt_id)
