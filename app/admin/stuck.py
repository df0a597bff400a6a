"""``/orders/stuck``: open orders that need somebody, and why."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, PageSize, Row
from app.orders.lateness import StuckOrder, Why, count_stuck, cursor_of, list_stuck

router = APIRouter(prefix="/orders", tags=["orders"], route_class=ExactRoute)


class StuckOut(Row):
    """An open order that needs somebody. ``why`` are all reasons, the oldest first; ``since`` and ``seconds`` are those
    of the oldest, or of the one that was asked for. Attempt and supplier are those of the newest attempt."""

    customer_id: int
    customer: str
    service_id: int
    service: str
    device: str
    state: str
    created_at: datetime
    promised_at: datetime | None
    attempt_id: int | None
    attempt_state: str | None
    supplier_id: int | None
    supplier: str | None
    why: list[Why]
    since: datetime
    seconds: int = Field(description="How long ago that was.")
    detail: str


class CountOut(BaseModel):
    """How many orders have one reason, and since when the first of them has."""

    why: Why
    orders: int
    since: datetime


class StuckPage(BaseModel):
    """Some of them, those that have waited longest first, and how many there are for each reason in all."""

    items: list[StuckOut]
    next_cursor: str | None
    counts: list[CountOut]


@router.get("/stuck", summary="Open orders that need somebody, and why")
async def list_stuck_orders(
    _: Reader,
    conn: Transaction,
    *,
    why: Why | None = None,
    supplier_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    service_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Annotated[str | None, Query(max_length=40, description="The `next_cursor` of the page before.")] = None,
    limit: PageSize = DEFAULT_PAGE,
) -> StuckPage:
    """Unclear, held, without an attempt, waiting for a route, to be cancelled, late, old, or not asked after."""
    found = await list_stuck(
        conn, why=why, supplier_id=supplier_id, service_id=service_id, cursor=cursor, limit=limit + 1
    )
    counts = await count_stuck(conn, supplier_id=supplier_id, service_id=service_id)
    shown = found[:limit]
    return StuckPage(
        items=[_out(order) for order in shown],
        next_cursor=cursor_of(shown) if len(found) > limit else None,
        counts=[CountOut(why=Why(count.why), orders=count.orders, since=count.since) for count in counts],
    )


def _out(order: StuckOrder) -> StuckOut:
    return StuckOut(**{name: getattr(order, name) for name in StuckOut.model_fields})
