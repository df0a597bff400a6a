"""``/customers``: who buys from us; ``keys.py`` has their keys, ``credit.py`` what moves their money."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from app.admin.approvals import WAITS, waiting
from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction, require
from app.admin.schemas import (
    DEFAULT_PAGE,
    Amount,
    Body,
    Currency,
    Cursor,
    Decimals,
    Page,
    PageSize,
    PathId,
    Row,
    RowId,
    Search,
)
from app.approvals import asking
from app.customers import records, service
from app.customers.records import CustomerRow
from app.db import Connection
from app.errors import Invalid
from app.ledger import service as ledger
from app.ledger.debts import MAX_DAYS, set_credit_days
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
    credit_days: int | None = Field(
        None, ge=1, le=MAX_DAYS, description="After how many days a debt is overdue; null: never. The right to money."
    )
    reason: str = Field("", max_length=1000, description="Why the credit limit is raised, for who approves it.")
    price_group_id: RowId | None = Field(None, description="null: the list prices.")


_MONEY = {"credit_limit", "credit_days"}


class CustomerOut(Row):
    """A customer with the state of their account."""

    username: str
    name: str
    email: str
    currency: str
    balance: Decimals
    credit_limit: Decimals
    credit_days: int | None
    overdue: bool
    state: str
    price_group_id: int | None
    statement: str = Field(examples=["/api/admin/customers/1/statement"])
    created_at: datetime


@router.post("", status_code=201, summary="Add a customer")
async def create_customer(body: CustomerIn, staff: Operator, parts: Parts, conn: Transaction) -> CustomerOut:
    """Create a customer and their account. A credit limit that another has to approve is asked for afterwards."""
    currency = body.currency or parts.currency
    if body.credit_limit:
        require(staff, Right.MONEY)
        await asking.refuse_alone(conn, parts.four_eyes, body.credit_limit, currency, field="credit_limit")
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


@router.patch("/{customer_id}", summary="Change or suspend a customer", response_model=CustomerOut, responses=WAITS)
async def change_customer(
    customer_id: PathId, body: CustomerChange, staff: Reader, parts: Parts, conn: Transaction
) -> CustomerOut | JSONResponse:
    """Change what the body names; a suspended customer's keys stop working at once.

    A credit limit that another has to approve is asked for alone, with nothing else in the body but its reason.
    """
    named = body.model_fields_set
    if named & _MONEY:
        require(staff, Right.MONEY)
    if "credit_limit" in named:
        asked = await asking.set_credit_limit(
            conn, parts.four_eyes, customer_id, body.credit_limit, reason=body.reason, staff_id=staff.id
        )
        if asked is not None and named - {"credit_limit", "reason"}:
            raise Invalid("Another has to approve that limit: ask for it alone.", field="credit_limit")
        if asked is not None:
            return waiting(asked)
    if "credit_days" in named:
        await set_credit_days(conn, customer_id, body.credit_days)
    rest = named - _MONEY - {"reason"}
    if rest or not named & _MONEY:
        require(staff, Right.OPERATE)
        await records.change_customer(conn, customer_id, body.model_dump(include=rest))
    return await _customer(conn, customer_id)


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
        credit_days=row.credit_days,
        overdue=row.overdue,
        state=row.state,
        price_group_id=row.price_group_id,
        statement=f"/api/admin/customers/{row.id}/statement",
        created_at=row.created_at,
    )
