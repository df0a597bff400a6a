"""``/attempts``: tries at suppliers, and above all those of which nobody knows whether they arrived."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictBool

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Body, Cursor, Decimals, Page, PageSize, PathId, Row
from app.connectors.base import Report
from app.errors import Invalid
from app.money import format_amount
from app.orders import reading
from app.orders.asking import ask_supplier, recheck
from app.orders.reading import AttemptRow, ExchangeRow
from app.orders.resolution import resolve_attempt

router = APIRouter(prefix="/attempts", tags=["orders"], route_class=ExactRoute)

AttemptStateName = Literal[
    "prepared", "sending", "placed", "unclear", "done", "failed", "not_sent", "refused", "abandoned"
]


class ExchangeOut(BaseModel):
    """One request to a supplier and its reply, every secret replaced."""

    id: int
    call: str
    at: datetime
    method: str
    url: str
    request: str
    status: int | None
    reply: str
    milliseconds: int
    error: str | None


class AttemptOut(Row):
    """One try over one route; ``chosen`` is why that one. ``placing`` and ``report`` are what was said on the wire,
    where it was kept."""

    order_id: int
    device: str
    number: int
    state: str
    route_id: int
    supplier_id: int
    supplier: str
    remote_service_id: int
    remote_service: str
    remote_id: str | None
    cost: Decimals | None
    currency: str
    refusal: str | None
    text: str | None
    note: str | None
    chosen: str | None
    polls: int
    due_at: datetime
    created_at: datetime
    sent_at: datetime | None
    placed_at: datetime | None
    closed_at: datetime | None
    placing: ExchangeOut | None
    report: ExchangeOut | None


class AskedOut(BaseModel):
    """The supplier's answer: still pending, done, or failed (cancelled ones count as failed and are refunded)."""

    status: Literal["pending", "done", "failed"]
    text: str
    note: str


class RecheckOut(AskedOut):
    """The supplier's answer, and whether it is another than the one the order was closed with."""

    differs: bool


class Resolution(Body):
    """What a person found out at the supplier."""

    found: StrictBool = Field(description="Whether the supplier has the order. False means proof that they do not.")
    remote_id: str | None = Field(None, max_length=200, description="The supplier's own id of the order, if found.")


@router.get("", summary="Attempts in a state, unclear ones unless another is named")
async def list_attempts(
    _: Reader,
    conn: Transaction,
    state: AttemptStateName = "unclear",
    supplier_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[AttemptOut]:
    """Attempts in that state, oldest first, with what was said to the supplier."""
    rows = await reading.list_attempts(conn, state=state, supplier_id=supplier_id, after=cursor or 0, limit=limit + 1)
    return Page.of([attempt_out(row) for row in rows], limit)


@router.get("/{attempt_id}", summary="One attempt")
async def get_attempt(attempt_id: PathId, _: Reader, conn: Transaction) -> AttemptOut:
    """The attempt with what was said to the supplier."""
    return attempt_out(await reading.read_attempt(conn, attempt_id))


@router.post("/{attempt_id}/resolve", summary="Say whether an unclear attempt arrived")
async def resolve(
    attempt_id: PathId,
    body: Resolution,
    staff: Operator,
    conn: Transaction,
) -> AttemptOut:
    """Found: it is asked after under their id. Not found: the next route is taken, or the order is refunded."""
    if not body.found and body.remote_id is not None:
        raise Invalid("An order that was not found has no id.", field="remote_id")
    await resolve_attempt(conn, attempt_id, found=body.found, remote_id=body.remote_id, staff_id=staff.id)
    return attempt_out(await reading.read_attempt(conn, attempt_id))


def attempt_out(row: AttemptRow) -> AttemptOut:
    """Return an attempt as it is shown."""
    shown = {name: getattr(row, name) for name in AttemptOut.model_fields}
    shown["cost"] = None if row.cost is None else format_amount(row.cost)
    shown["placing"] = exchange_out(row.placing) if row.placing else None
    shown["report"] = exchange_out(row.report) if row.report else None
    return AttemptOut(**shown)


def exchange_out(row: ExchangeRow) -> ExchangeOut:
    """Return an exchange as it is shown."""
    return ExchangeOut(**{name: getattr(row, name) for name in ExchangeOut.model_fields})


@router.post("/{attempt_id}/cancel", summary="Ask the supplier to cancel")
async def cancel(attempt_id: PathId, staff: Operator, parts: Parts) -> AskedOut:
    """Pass the wish on; the order is rejected and refunded only if the supplier says that it is cancelled."""
    return _asked(await ask_supplier(parts.db, parts.sealer, attempt_id, "cancel", staff_id=staff.id))


@router.post("/{attempt_id}/hurry", summary="Ask the supplier to end the waiting")
async def hurry(attempt_id: PathId, staff: Operator, parts: Parts) -> AskedOut:
    """Ask for whatever there is now: a result, or that there will be none."""
    return _asked(await ask_supplier(parts.db, parts.sealer, attempt_id, "hurry", staff_id=staff.id))


@router.post("/{attempt_id}/recheck", summary="Ask the supplier once more, also after the end")
async def ask_once_more(attempt_id: PathId, staff: Operator, parts: Parts) -> RecheckOut:
    """What they say now. Of an attempt that is over nothing changes: reverse the order or send it again."""
    found = await recheck(parts.db, parts.sealer, attempt_id, staff_id=staff.id)
    return RecheckOut(**_asked(found.report).model_dump(), differs=found.differs)


def _asked(report: Report) -> AskedOut:
    return AskedOut(status=report.status.value, text=report.text, note=report.note)
