"""``/customers/{id}/topups`` and ``/adjustments``: credit given and taken by hand."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.admin.approvals import WAITS, waiting
from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Transaction, Treasurer
from app.admin.schemas import Amount, Body, Decimals, PathId
from app.approvals import asking
from app.approvals.asking import Moved
from app.approvals.service import ApprovalRow
from app.db import Connection
from app.ledger import service as ledger
from app.money import format_amount

router = APIRouter(prefix="/customers", tags=["customers"], route_class=ExactRoute)


class TopupIn(Body):
    """Credit to give. The same reference with the same amount is given once, however often it is asked for."""

    amount: Amount
    reference: str = Field(examples=["bank 2026-11-20 4711"])


class AdjustmentIn(Body):
    """A correction: above zero gives, below zero takes. The same reference with the same amount is done once."""

    amount: Amount = Field(examples=["-3.50"])
    reference: str = Field(examples=["complaint 2026-11-20 17"])
    reason: str = Field(max_length=1000, examples=["Paid back by bank transfer"])


class MovedOut(BaseModel):
    """The transfer, and the balance now. ``new`` is false if the reference was there already."""

    transfer_id: int
    balance: Decimals
    currency: str
    new: bool


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": MovedOut, "description": "The reference was there already; nothing moved again."},
    **WAITS,
}


@router.post(
    "/{customer_id}/topups",
    status_code=201,
    summary="Give a customer credit",
    response_model=MovedOut,
    responses=RESPONSES,
)
async def topup(
    customer_id: PathId, body: TopupIn, *, staff: Treasurer, parts: Parts, conn: Transaction, response: Response
) -> MovedOut | JSONResponse:
    """Credit the customer once per reference; the same reference with another amount is a conflict."""
    moved = await asking.topup(
        conn, parts.four_eyes, customer_id, amount=body.amount, reference=body.reference, staff_id=staff.id
    )
    return await _reply(conn, customer_id, moved, response)


@router.post(
    "/{customer_id}/adjustments",
    status_code=201,
    summary="Correct a customer's balance",
    response_model=MovedOut,
    responses=RESPONSES,
)
async def adjust(
    customer_id: PathId, body: AdjustmentIn, *, staff: Treasurer, parts: Parts, conn: Transaction, response: Response
) -> MovedOut | JSONResponse:
    """Give or take credit with a reason, once per reference; the same one with another amount is a conflict."""
    moved = await asking.adjust(
        conn,
        parts.four_eyes,
        customer_id,
        amount=body.amount,
        reference=body.reference,
        reason=body.reason,
        staff_id=staff.id,
    )
    return await _reply(conn, customer_id, moved, response)


async def _reply(
    conn: Connection, customer_id: int, moved: Moved | ApprovalRow, response: Response
) -> MovedOut | JSONResponse:
    if isinstance(moved, ApprovalRow):
        return waiting(moved)
    account = await ledger.account_of(conn, customer_id)
    response.status_code = 201 if moved.new else 200
    return MovedOut(
        transfer_id=moved.transfer_id,
        balance=format_amount(account.balance),
        currency=account.currency,
        new=moved.new,
    )
