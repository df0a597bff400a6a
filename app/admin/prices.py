"""Prices: ``/price-groups``, ``/customers/{id}/prices`` (a customer's own wins), and what every price ever was."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Session, Transaction
from app.admin.schemas import (
    DEFAULT_PAGE,
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
    Search,
)
from app.catalog import prices
from app.catalog.price_history import PriceRow, history_of
from app.catalog.prices import SpecialPrice
from app.catalog.tables import PriceGroup
from app.customers.records import CustomerRow, get_customer
from app.db import driver
from app.errors import NotFound
from app.money import format_amount
from app.suppliers.effective_prices import EffectivePrice, effective_prices

router = APIRouter(tags=["prices"], route_class=ExactRoute)


class PriceGroupIn(Body):
    """A price group to add."""

    name: str = Field(examples=["Gold"])
    currency: Currency | None = None


class PriceGroupOut(BaseModel):
    """A set of prices for customers of one currency."""

    id: int
    name: str
    currency: str
    created_at: datetime


class PriceIn(Body):
    """The price of one piece."""

    price: Amount


class PriceOut(BaseModel):
    """What one piece of a service costs here."""

    service_id: int
    price: Decimals
    currency: str


class NamedPriceOut(PriceOut):
    """What one piece of a service costs here, with the service's name."""

    service: str


class EffectivePriceOut(BaseModel):
    """What one piece of a service costs a customer, and whose price that is: their own, their group's or the list's.

    ``cost`` is that of the dearest route that may be used; what is null is not sold in their currency, or not known.
    """

    service_id: int
    service: str
    group: str
    currency: str
    price: Decimals | None
    source: Literal["own", "group", "list"] | None
    cost: Decimals | None
    margin: Decimals | None


class EffectivePrices(BaseModel):
    """Some of a customer's prices; ``next_cursor`` asks for those that follow, and is null at the end."""

    items: list[EffectivePriceOut]
    next_cursor: str | None


class PriceRecordOut(Row):
    """A price as it was set (``old`` is null), changed, or taken away (``new`` is null): the list price, or that of the
    price group or customer named. ``staff`` is who was behind it, null for a machine or the command line."""

    price_group_id: int | None
    price_group: str | None
    customer_id: int | None
    customer: str | None
    currency: str
    old: Decimals | None
    new: Decimals | None
    source: Literal["manual", "rule"]
    staff_id: int | None
    staff: str | None
    at: datetime


async def _customer(customer_id: PathId, session: Session) -> CustomerRow:
    async with driver(session) as conn:
        return await get_customer(conn, customer_id)


Customer = Annotated[CustomerRow, Depends(_customer)]


@router.post("/price-groups", status_code=201, summary="Add a price group")
async def create_price_group(body: PriceGroupIn, _: Operator, parts: Parts, session: Session) -> PriceGroupOut:
    """Create a price group; put customers into it with ``PATCH /customers/{id}``."""
    made = await prices.create_price_group(session, name=body.name, currency=body.currency or parts.currency)
    return _group_out(made)


@router.get("/price-groups", summary="The price groups")
async def list_price_groups(_: Reader, session: Session) -> Listing[PriceGroupOut]:
    """All price groups by name."""
    return Listing(items=[_group_out(group) for group in await prices.price_groups(session)])


@router.get("/price-groups/{price_group_id}/prices", summary="A price group's prices")
async def list_group_prices(price_group_id: PathId, _: Reader, session: Session) -> Listing[NamedPriceOut]:
    """The services whose price differs for this group."""
    group = await prices.get_price_group(session, price_group_id)
    rows = await prices.group_prices(session, price_group_id)
    return Listing(items=[_named(row, group.currency) for row in rows])


@router.put("/price-groups/{price_group_id}/prices/{service_id}", summary="Set a price for a group")
async def set_group_price(
    price_group_id: PathId, service_id: PathId, body: PriceIn, _: Operator, session: Session
) -> PriceOut:
    """Set what the service costs the group's customers, in the group's currency."""
    group = await prices.get_price_group(session, price_group_id)
    await prices.set_group_price(session, price_group_id, service_id, body.price)
    return PriceOut(service_id=service_id, price=format_amount(body.price), currency=group.currency)


@router.delete("/price-groups/{price_group_id}/prices/{service_id}", summary="Take a group's price away")
async def remove_group_price(price_group_id: PathId, service_id: PathId, _: Operator, session: Session) -> Deleted:
    """Let the list price apply to the group again."""
    if not await prices.remove_group_price(session, price_group_id, service_id):
        raise NotFound("The group has no price of its own for this service.")
    return Deleted()


@router.get("/customers/{customer_id}/prices", summary="A customer's own prices")
async def list_customer_prices(_: Reader, customer: Customer, session: Session) -> Listing[NamedPriceOut]:
    """The services whose price differs for this customer alone."""
    rows = await prices.customer_prices(session, customer.id)
    return Listing(items=[_named(row, customer.currency) for row in rows])


@router.put("/customers/{customer_id}/prices/{service_id}", summary="Set a price for a customer")
async def set_customer_price(
    service_id: PathId, body: PriceIn, _: Operator, customer: Customer, session: Session
) -> PriceOut:
    """Set what the service costs this customer, in their currency; it wins over the group's price."""
    await prices.set_customer_price(session, customer.id, service_id, body.price)
    return PriceOut(service_id=service_id, price=format_amount(body.price), currency=customer.currency)


@router.delete("/customers/{customer_id}/prices/{service_id}", summary="Take a customer's price away")
async def remove_customer_price(service_id: PathId, _: Operator, customer: Customer, session: Session) -> Deleted:
    """Let the group's or the list price apply to the customer again."""
    if not await prices.remove_customer_price(session, customer.id, service_id):
        raise NotFound("The customer has no price of their own for this service.")
    return Deleted()


@router.get("/customers/{customer_id}/prices/effective", summary="What everything costs a customer")
async def list_effective_prices(
    customer_id: PathId,
    _: Reader,
    conn: Transaction,
    search: Search = "",
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> EffectivePrices:
    """The active services as this customer sees them, in order of id, and what of each price is left to us."""
    rows = await effective_prices(conn, customer_id, search=search, after=cursor or 0, limit=limit + 1)
    items = [_effective(row) for row in rows[:limit]]
    return EffectivePrices(items=items, next_cursor=str(items[-1].service_id) if len(rows) > limit else None)


@router.get("/services/{service_id}/prices/history", summary="What a service has cost")
async def list_price_history(
    service_id: PathId, _: Reader, conn: Transaction, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> Page[PriceRecordOut]:
    """Every price of the service that ever was, the newest first, those of groups and customers too."""
    rows = await history_of(conn, service_id, before=cursor, limit=limit + 1)
    return Page.of([_record(row) for row in rows], limit)


def _effective(row: EffectivePrice) -> EffectivePriceOut:
    return EffectivePriceOut(
        **{name: getattr(row, name) for name in ("service_id", "service", "group", "currency", "source")},
        **{name: _amount(getattr(row, name)) for name in ("price", "cost", "margin")},
    )


def _record(row: PriceRow) -> PriceRecordOut:
    return PriceRecordOut(
        **{name: getattr(row, name) for name in PriceRecordOut.model_fields if name not in ("old", "new")},
        old=_amount(row.old),
        new=_amount(row.new),
    )


def _amount(micro: int | None) -> str | None:
    return None if micro is None else format_amount(micro)


def _group_out(group: PriceGroup) -> PriceGroupOut:
    return PriceGroupOut(id=group.id, name=group.name, currency=group.currency, created_at=group.created_at)


def _named(row: SpecialPrice, currency: str) -> NamedPriceOut:
    return NamedPriceOut(
        service_id=row.service_id, service=row.service, price=format_amount(row.price), currency=currency
    )
