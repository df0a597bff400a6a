"""``/pricing``: what the mark-up rules make of the prices now, looked at first or done at once."""

from itertools import groupby

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, Cursor, Decimals, PageSize
from app.money import format_amount
from app.suppliers import pricing
from app.suppliers.pricing import PricePlan, Verdict

router = APIRouter(prefix="/pricing", tags=["prices"], route_class=ExactRoute)


class PlannedPriceOut(BaseModel):
    """What a rule makes of the list price, or of that of the price group named.

    same: it stays. apply: it is set. wait: it is beyond the rule's limits and waits for staff. declined: staff turned
    it down. by_hand: it was set by hand and stays. no_cost: no active route's cost is known. too_high: above the
    highest price there is.
    """

    price_group_id: int | None
    price_group: str | None
    currency: str
    rule_id: int
    cost: Decimals | None
    old: Decimals | None
    new: Decimals | None
    margin_before: Decimals | None
    margin_after: Decimals | None
    verdict: Verdict


class PlannedServiceOut(BaseModel):
    """A service of ours and what the rules make of its prices."""

    service_id: int
    service: str
    prices: list[PlannedPriceOut]


class PlannedPage(BaseModel):
    """Some services that rules are for, perhaps none; ``next_cursor`` asks for those that follow, null at the end."""

    items: list[PlannedServiceOut]
    next_cursor: str | None


class MadeOut(BaseModel):
    """How many prices were set, how many wait for staff now, and how many have no cost that is known."""

    applied: int
    waiting: int = Field(description="Look at them with `GET /price-changes`.")
    without_cost: int


@router.get("", summary="What the rules make of the prices now")
async def preview(_: Reader, conn: Transaction, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE) -> PlannedPage:
    """A dry run of `POST /pricing`, over `limit` services at a time: old and new price, and what is left over the
    cost. Services that no rule is for are left out."""
    planned = await pricing.plan(conn, after=cursor or 0, limit=limit)
    return PlannedPage(
        items=[
            PlannedServiceOut(service_id=service_id, service=service, prices=[_out(made) for made in plans])
            for (service_id, service), plans in groupby(planned.plans, key=lambda made: (made.service_id, made.service))
        ],
        next_cursor=str(planned.last) if planned.more else None,
    )


@router.post("", summary="Make the prices anew")
async def make(_: Operator, parts: Parts) -> MadeOut:
    """Do at once what a change of costs, rates, routes or rules leads to within a minute; repeating changes nothing."""
    made = await pricing.make_prices(parts.db)
    return MadeOut(applied=made.applied, waiting=made.waiting, without_cost=made.without_cost)


def _out(made: PricePlan) -> PlannedPriceOut:
    return PlannedPriceOut(
        price_group_id=made.price_group_id,
        price_group=made.price_group,
        currency=made.currency,
        rule_id=made.rule_id,
        cost=_amount(made.cost),
        old=_amount(made.old),
        new=_amount(made.new),
        margin_before=_left(made.old, made.cost),
        margin_after=_left(made.new, made.cost),
        verdict=made.verdict,
    )


def _left(price: int | None, cost: int | None) -> str | None:
    return None if price is None or cost is None else format_amount(price - cost)


def _amount(micro: int | None) -> str | None:
    return None if micro is None else format_amount(micro)
