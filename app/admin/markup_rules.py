"""``/markup-rules``: how prices are made from costs."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction
from app.admin.schemas import (
    DEFAULT_PAGE,
    Amount,
    Body,
    Currency,
    Cursor,
    Decimals,
    Deleted,
    Page,
    PageSize,
    PathId,
    Row,
    RowId,
)
from app.catalog import markup_rules
from app.catalog.markup import Markup, Rule
from app.catalog.markup_rules import MAX_DOWN, MAX_UP, NewRule
from app.errors import NotFound
from app.money import format_amount

router = APIRouter(prefix="/markup-rules", tags=["prices"], route_class=ExactRoute)

BASIS_POINTS = 100
"""Basis points in one percent."""

Percent = Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=2, examples=["12.5"])]
UpPercent = Annotated[int, Field(ge=0, le=MAX_UP)]
DownPercent = Annotated[int, Field(ge=0, le=MAX_DOWN)]
CostBasis = Literal["first", "dearest"]

_FIXED = "Added to each piece."
_FLOOR = "The least price."
_LEAST_MARGIN = "The least that is left over the cost."
_STEP = "Prices are rounded up to a multiple of this, plus the ending: 0.05, or 1.00 with the ending 0.99."
_ENDING = "Below the step."
_UP = "How far a price may rise by itself, in percent; null for any. Beyond it waits for staff."
_DOWN = "How far a price may fall by itself, in percent; null for any. Beyond it waits for staff."
_BASIS = "Of the routes that are active: the first by priority, or the dearest."


class MarkupRuleIn(Body):
    """A rule to set up: for one service, one service group, or all (name neither); the nearest makes the price.

    With a price group it makes that group's prices, without one the list prices; only those in its currency.
    """

    price_group_id: RowId | None = None
    service_group_id: RowId | None = None
    service_id: RowId | None = None
    currency: Currency | None = None
    percent: Percent = Field(description="Added to the cost; at most two places.")
    fixed: Amount = Field(0, description=_FIXED)
    floor: Amount = Field(0, description=_FLOOR)
    least_margin: Amount = Field(0, description=_LEAST_MARGIN)
    rounding_step: Amount = Field(1, description=_STEP)
    rounding_ending: Amount = Field(0, description=_ENDING)
    up_percent: UpPercent | None = Field(20, description=_UP)
    down_percent: DownPercent | None = Field(20, description=_DOWN)
    cost_basis: CostBasis = Field("dearest", description=_BASIS)


class MarkupRuleChange(Body):
    """What to change; what is not named stays. What a rule is for stays for life."""

    percent: Percent = Decimal(0)
    fixed: Amount = Field(0, description=_FIXED)
    floor: Amount = Field(0, description=_FLOOR)
    least_margin: Amount = Field(0, description=_LEAST_MARGIN)
    rounding_step: Amount = Field(1, description=_STEP)
    rounding_ending: Amount = Field(0, description=_ENDING)
    up_percent: UpPercent | None = Field(None, description=_UP)
    down_percent: DownPercent | None = Field(None, description=_DOWN)
    cost_basis: CostBasis = Field("dearest", description=_BASIS)


class MarkupRuleOut(Row):
    """A rule by which prices are made from costs."""

    price_group_id: int | None
    service_group_id: int | None
    service_id: int | None
    currency: str
    percent: Decimals
    fixed: Decimals
    floor: Decimals
    least_margin: Decimals
    rounding_step: Decimals
    rounding_ending: Decimals
    up_percent: int | None
    down_percent: int | None
    cost_basis: str


class AdoptedOut(BaseModel):
    """How many prices that were set by hand are left to the rules now."""

    adopted: int


@router.post("", status_code=201, summary="Set a mark-up rule up")
async def add_rule(body: MarkupRuleIn, _: Operator, parts: Parts, conn: Transaction) -> MarkupRuleOut:
    """Prices that are left to the rules are made by it within a minute; those set by hand stay."""
    new = NewRule(
        currency=body.currency or parts.currency,
        markup=Markup(
            basis_points=_basis_points(body.percent),
            fixed=body.fixed,
            floor=body.floor,
            least_margin=body.least_margin,
            rounding_step=body.rounding_step,
            rounding_ending=body.rounding_ending,
        ),
        price_group_id=body.price_group_id,
        service_group_id=body.service_group_id,
        service_id=body.service_id,
        up_percent=body.up_percent,
        down_percent=body.down_percent,
        cost_basis=body.cost_basis,
    )
    return _out(await markup_rules.add_rule(conn, new))


@router.get("", summary="The mark-up rules")
async def list_rules(
    _: Reader, conn: Transaction, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> Page[MarkupRuleOut]:
    """The rules in order of id."""
    rows = await markup_rules.list_rules(conn, after=cursor or 0, limit=limit + 1)
    return Page.of([_out(row) for row in rows], limit)


@router.get("/{rule_id}", summary="One mark-up rule")
async def get_rule(rule_id: PathId, _: Reader, conn: Transaction) -> MarkupRuleOut:
    """The rule with what it is for."""
    return _out(await markup_rules.get_rule(conn, rule_id))


@router.patch("/{rule_id}", summary="Change a mark-up rule")
async def change_rule(rule_id: PathId, body: MarkupRuleChange, _: Operator, conn: Transaction) -> MarkupRuleOut:
    """Change what the body names; prices are made anew within a minute."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "percent" in changes:
        changes["basis_points"] = _basis_points(changes.pop("percent"))
    return _out(await markup_rules.change_rule(conn, rule_id, changes))


@router.delete("/{rule_id}", summary="Remove a mark-up rule")
async def remove_rule(rule_id: PathId, _: Operator, conn: Transaction) -> Deleted:
    """Prices it made stay as they are, unless another rule is for them."""
    if not await markup_rules.remove_rule(conn, rule_id):
        raise NotFound("There is no such mark-up rule.")
    return Deleted()


@router.post("/{rule_id}/adopt", summary="Leave prices that were set by hand to the rules")
async def adopt(rule_id: PathId, _: Operator, conn: Transaction) -> AdoptedOut:
    """All the prices that the rule reaches are left to the rules from now on; the nearest rule makes each."""
    return AdoptedOut(adopted=await markup_rules.adopt(conn, rule_id))


def _basis_points(percent: Decimal) -> int:
    return int(percent * BASIS_POINTS)


def _out(rule: Rule) -> MarkupRuleOut:
    markup = rule.markup
    return MarkupRuleOut(
        id=rule.id,
        price_group_id=rule.price_group_id,
        service_group_id=rule.service_group_id,
        service_id=rule.service_id,
        currency=rule.currency,
        percent=f"{Decimal(markup.basis_points) / BASIS_POINTS:.2f}",
        fixed=format_amount(markup.fixed),
        floor=format_amount(markup.floor),
        least_margin=format_amount(markup.least_margin),
        rounding_step=format_amount(markup.rounding_step),
        rounding_ending=format_amount(markup.rounding_ending),
        up_percent=rule.up_percent,
        down_percent=rule.down_percent,
        cost_basis=rule.cost_basis,
    )
