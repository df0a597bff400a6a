"""Prices other than the list price: ``/price-groups`` and ``/customers/{id}/prices``; a customer's own wins."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Session
from app.admin.schemas import Amount, Body, Currency, Decimals, Deleted, Listing, PathId
from app.catalog import prices
from app.catalog.prices import SpecialPrice
from app.catalog.tables import PriceGroup
from app.customers.records import CustomerRow, get_customer
from app.db import driver
from app.errors import NotFound
from app.money import format_amount

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


def _group_out(group: PriceGroup) -> PriceGroupOut:
    return PriceGroupOut(id=group.id, name=group.name, currency=group.currency, created_at=group.created_at)


def _named(row: SpecialPrice, currency: str) -> NamedPriceOut:
    return NamedPriceOut(
        service_id=row.service_id, service=row.service, price=format_amount(row.price), currency=currency
    )
