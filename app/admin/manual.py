"""``/manual``: orders that wait for a person."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from app.admin.attempts import AttemptOut, attempt_out
from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Body, Cursor, Decimals, Page, PageSize, PathId, Row
from app.errors import Invalid
from app.money import format_amount
from app.orders import by_hand, reading
from app.orders.by_hand import MAX_RESULT, WaitingRow

router = APIRouter(prefix="/manual", tags=["orders"], route_class=ExactRoute)


class WaitingOut(Row):
    """An attempt that waits for a person; ``code`` and ``task`` are their own name and words for what is to be done."""

    order_id: int
    supplier_id: int
    supplier: str
    service: str
    code: str
    task: str
    device: str
    quantity: int
    fields: dict[str, Any]
    cost: Decimals | None
    currency: str
    placed_at: datetime | None


class Deed(Body):
    """What a person did: either a result for the customer, or why it could not be done."""

    result: str | None = Field(None, max_length=MAX_RESULT, examples=["NCK: 12345678"])
    reject: str | None = Field(None, max_length=1000, examples=["Not available for this model"])


@router.get("", summary="Orders that wait for a person")
async def list_waiting(
    _: Reader,
    conn: Transaction,
    supplier_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[WaitingOut]:
    """Placed attempts at suppliers that no machine can ask, oldest first."""
    rows = await by_hand.list_waiting(conn, supplier_id=supplier_id, after=cursor or 0, limit=limit + 1)
    return Page.of([_out(row) for row in rows], limit)


@router.post("/{attempt_id}", summary="Enter what a person did")
async def enter(attempt_id: PathId, body: Deed, staff: Operator, conn: Transaction) -> AttemptOut:
    """A result completes the order and settles it; a rejection closes it and refunds the customer."""
    actor = f"staff {staff.id}"
    if (body.result is None) == (body.reject is None):
        raise Invalid("Either a result or a rejection is needed.", field="result")
    if body.result is not None:
        await by_hand.finish(conn, attempt_id, result=body.result, actor=actor)
    else:
        await by_hand.give_up(conn, attempt_id, reason=body.reject or "", actor=actor)
    return attempt_out(await reading.read_attempt(conn, attempt_id))


def _out(row: WaitingRow) -> WaitingOut:
    shown = {name: getattr(row, name) for name in WaitingOut.model_fields}
    shown["cost"] = None if row.cost is None else format_amount(row.cost)
    return WaitingOut(**shown)
