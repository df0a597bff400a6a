"""``/customers/{id}/statement``: what moved a customer's balance."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, MAX_ID, Decimals, PageSize, PathId
from app.ledger import service as ledger
from app.money import format_amount

router = APIRouter(prefix="/customers", tags=["customers"], route_class=ExactRoute)


class TransferOut(BaseModel):
    """One line of a statement; ``change`` is signed from the customer's side."""

    id: int
    kind: str
    change: Decimals
    currency: str
    order_id: int | None
    reference: str | None
    reason: str | None
    created_at: datetime


class Statement(BaseModel):
    """Transfers, newest first; ``next_before`` asks for those that follow, and is null at the end."""

    items: list[TransferOut]
    next_before: int | None


@router.get("/{customer_id}/statement", summary="What moved a customer's balance")
async def statement(
    customer_id: PathId,
    _: Reader,
    conn: Transaction,
    before: Annotated[int | None, Query(ge=1, le=MAX_ID, description="The `next_before` of the page before.")] = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Statement:
    """The customer's transfers, newest first."""
    rows = await ledger.statement(conn, customer_id, before=before, limit=limit + 1)
    items = [
        TransferOut(
            id=row.id,
            kind=row.kind,
            change=format_amount(row.change),
            currency=row.currency,
            order_id=row.order_id,
            reference=row.reference,
            reason=row.reason,
            created_at=row.created_at,
        )
        for row in rows[:limit]
    ]
    return Statement(items=items, next_before=items[-1].id if len(rows) > limit else None)
