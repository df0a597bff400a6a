"""``/account``: what the caller may spend, and as whom."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import MoneyReader
from app.money import format_amount
from app.web.schemas import Decimals

router = APIRouter(prefix="/account", tags=["account"], route_class=ExactRoute)


class AccountOut(BaseModel):
    """The account that the key belongs to. ``available`` is the balance with what may be used of the credit limit."""

    username: str = Field(examples=["mobile-fix"])
    name: str = Field(examples=["Mobile Fix Ltd"])
    email: str = Field(examples=["orders@mobilefix.example"])
    currency: str = Field(examples=["USD"])
    balance: Decimals
    credit_limit: Decimals = Field(description="What may be used of it now: nothing while a debt is overdue.")
    available: Decimals
    price_group_id: int | None = Field(examples=[3], description="null: list prices.")
    scopes: list[str] = Field(examples=[["services.read", "orders.create"]], description="What this key may do.")
    sandbox: bool = Field(description="Whether this is a sandbox key, with which nothing real is bought.")


@router.get("", summary="The account")
async def get_account(caller: MoneyReader) -> AccountOut:
    """Balance, credit limit and currency of the account, and what the key may do."""
    return AccountOut(
        username=caller.username,
        name=caller.name,
        email=caller.email,
        currency=caller.currency,
        balance=format_amount(caller.balance),
        credit_limit=format_amount(caller.credit_limit),
        available=format_amount(caller.balance + caller.credit_limit),
        price_group_id=caller.price_group_id,
        scopes=sorted(caller.scopes),
        sandbox=caller.sandbox,
    )
