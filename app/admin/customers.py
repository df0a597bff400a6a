"""``/customers``: who buys from us, their keys and their credit."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction, Treasurer, require
from app.admin.schemas import (
    DEFAULT_PAGE,
    MAX_ID,
    Amount,
    Body,
    Currency,
    Cursor,
    Decimals,
    Deleted,
    Listing,
    Page,
    PageSize,
    PathId,
    Row,
    RowId,
    Search,
)
from app.customers import records, service
from app.customers.records import CustomerRow, KeyRow
from app.db import Connection
from app.errors import NotFound
from app.ledger import service as ledger
from app.money import format_amount
from app.staff.service import Right

router = APIRouter(prefix="/customers", tags=["customers"], route_class=ExactRoute)


class CustomerIn(Body):
    """A customer to add; the username is made from the name."""

    name: str = Field(examples=["Mobile Fix Ltd"])
    email: str = Field(examples=["orders@mobilefix.example"])
    currency: Currency | None = Field(None, description="For life.")
    credit_limit: Amount = Field(0, description="How far below zero the balance may go; needs the right to money.")
    price_group_id: RowId | None = None


class CustomerChange(Body):
    """What to change; what is not named stays."""

    name: str = ""
    state: Literal["active", "suspended"] = "active"
    credit_limit: Amount = Field(0, description="Needs the right to money.")
    price_group_id: RowId | None = Field(None, description="null: the list prices.")


class CustomerOut(Row):
    """A customer with the state of their account."""

    username: str
    name: str
    email: str
    currency: str
    balance: Decimals
    credit_limit: Decimals
    state: str
    price_group_id: int | None
    statement: str = Field(examples=["/api/admin/customers/1/statement"])
    created_at: datetime


class KeyIn(Body):
    """An API key to make."""

    label: str = Field("", max_length=200)
    dialect: Literal["6.1", "8.2"] = "6.1"
    allowed_ips: list[str] = Field([], max_length=100, examples=[["203.0.113.7", "198.51.100.0/24"]])
    requests_per_minute: int | None = Field(
        None, ge=0, le=1_000_000, description="null: the server's default; 0: no limit."
    )


class NewKeyOut(BaseModel):
    """A key just made. ``key`` is shown this once and kept nowhere."""

    id: int
    username: str
    key: str


class KeyOut(BaseModel):
    """A key as it may be shown; ``hint`` is its last four characters."""

    id: int
    hint: str
    label: str
    dialect: str
    allowed_ips: list[str]
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TopupIn(Body):
    """Credit to give. The same reference with the same amount is given once, however often it is asked for."""

    amount: Amount
    reference: str = Field(examples=["bank 2026-11-20 4711"])


class TopupOut(BaseModel):
    """The transfer, and the balance now. ``new`` is false if the reference was there already."""

    transfer_id: int
    balance: Decimals
    currency: str
    new: bool


class AdjustmentIn(Body):
    """A correction: above zero gives, below zero takes."""

    amount: Amount = Field(examples=["-3.50"])
    reason: str = Field(max_length=1000, examples=["Paid back by bank transfer"])


class AdjustmentOut(BaseModel):
    """The transfer, and the balance now."""

    transfer_id: int
    balance: Decimals
    currency: str


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


@router.post("", status_code=201, summary="Add a customer")
async def create_customer(body: CustomerIn, staff: Operator, parts: Parts, conn: Transaction) -> CustomerOut:
    """Create a customer and their account."""
    if body.credit_limit:
        require(staff, Right.MONEY)
    currency = body.currency or parts.currency
    customer_id = await service.create_customer(conn, name=body.name, email=body.email, currency=currency)
    await ledger.open_account(conn, customer_id, currency, body.credit_limit)
    if body.price_group_id is not None:
        await records.set_price_group(conn, customer_id, body.price_group_id)
    return await _customer(conn, customer_id)


@router.get("", summary="The customers")
async def list_customers(
    _: Reader, conn: Transaction, search: Search = "", cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> Page[CustomerOut]:
    """Customers in order of id; ``search`` looks into name, username and e-mail address."""
    rows = await records.list_customers(conn, search=search, after=cursor or 0, limit=limit + 1)
    return Page.of([_out(row) for row in rows], limit)


@router.get("/{customer_id}", summary="One customer")
async def get_customer(customer_id: PathId, _: Reader, conn: Transaction) -> CustomerOut:
    """The customer with balance and credit limit."""
    return await _customer(conn, customer_id)


@router.patch("/{customer_id}", summary="Change or suspend a customer")
async def change_customer(customer_id: PathId, body: CustomerChange, staff: Reader, conn: Transaction) -> CustomerOut:
    """Change what the body names; a suspended customer's keys stop working at once."""
    named = body.model_fields_set
    if "credit_limit" in named:
        require(staff, Right.MONEY)
        await ledger.set_credit_limit(conn, customer_id, body.credit_limit)
    if named - {"credit_limit"} or not named:
        require(staff, Right.OPERATE)
        await records.change_customer(conn, customer_id, body.model_dump(include=named - {"credit_limit"}))
    return await _customer(conn, customer_id)


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


@router.post("/{customer_id}/keys", status_code=201, summary="Make an API key")
async def create_key(customer_id: PathId, body: KeyIn, _: Operator, parts: Parts, conn: Transaction) -> NewKeyOut:
    """Make a key; the reply is the only copy of it."""
    made = await service.create_key(
        conn,
        parts.sealer,
        customer_id,
        label=body.label,
        dialect=body.dialect,
        allowed_ips=body.allowed_ips,
        requests_per_minute=body.requests_per_minute,
    )
    return NewKeyOut(id=made.id, username=made.username, key=made.key)


@router.get("/{customer_id}/keys", summary="A customer's keys")
async def list_keys(customer_id: PathId, _: Reader, conn: Transaction) -> Listing[KeyOut]:
    """The keys without their text, revoked ones too."""
    await records.get_customer(conn, customer_id)
    return Listing(items=[_key_out(row) for row in await records.list_keys(conn, customer_id)])


@router.delete("/{customer_id}/keys/{key_id}", summary="Revoke an API key")
async def revoke_key(customer_id: PathId, key_id: PathId, _: Operator, conn: Transaction) -> Deleted:
    """End a key at once. Revoking twice is harmless."""
    if not await records.belongs(conn, key_id, customer_id):
        raise NotFound("There is no such key.")
    await service.revoke_key(conn, key_id)
    return Deleted()


@router.post(
    "/{customer_id}/topups",
    status_code=201,
    summary="Give a customer credit",
    responses={200: {"model": TopupOut, "description": "The reference was there already; nothing was given again."}},
)
async def topup(
    customer_id: PathId, body: TopupIn, staff: Treasurer, conn: Transaction, response: Response
) -> TopupOut:
    """Credit the customer once per reference; the same reference with another amount is a conflict."""
    transfer_id, new = await ledger.topup(
        conn, customer_id, amount=body.amount, reference=body.reference, staff_id=staff.id
    )
    account = await ledger.account_of(conn, customer_id)
    response.status_code = 201 if new else 200
    return TopupOut(transfer_id=transfer_id, balance=format_amount(account.balance), currency=account.currency, new=new)


@router.post("/{customer_id}/adjustments", status_code=201, summary="Correct a customer's balance")
async def adjust(customer_id: PathId, body: AdjustmentIn, staff: Treasurer, conn: Transaction) -> AdjustmentOut:
    """Give or take credit with a reason. Each call moves money again: it has no reference."""
    transfer_id = await ledger.adjust(conn, customer_id, amount=body.amount, reason=body.reason, staff_id=staff.id)
    account = await ledger.account_of(conn, customer_id)
    return AdjustmentOut(transfer_id=transfer_id, balance=format_amount(account.balance), currency=account.currency)


async def _customer(conn: Connection, customer_id: int) -> CustomerOut:
    return _out(await records.get_customer(conn, customer_id))


def _out(row: CustomerRow) -> CustomerOut:
    return CustomerOut(
        id=row.id,
        username=row.username,
        name=row.name,
        email=row.email,
        currency=row.currency,
        balance=format_amount(row.balance),
        credit_limit=format_amount(row.credit_limit),
        state=row.state,
        price_group_id=row.price_group_id,
        statement=f"/api/admin/customers/{row.id}/statement",
        created_at=row.created_at,
    )


def _key_out(row: KeyRow) -> KeyOut:
    return KeyOut(**{name: getattr(row, name) for name in KeyOut.model_fields})
