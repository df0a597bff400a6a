"""Prices that are not the list price: of a group of customers, and of one customer, whose own wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.service import check_price
from app.catalog.tables import CustomerPrice, GroupPrice, PriceGroup, Service
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class SpecialPrice:
    """A price of one piece of a service, in micro-units of the currency of whom it is for."""

    service_id: int
    service: str
    price: int


async def create_price_group(session: AsyncSession, *, name: str, currency: str) -> PriceGroup:
    """Create a price group; Invalid for a name that cannot be one, Conflict if it is taken."""
    name = name.strip()
    if not name or len(name) > 200:
        raise Invalid("A name has 1 to 200 characters.", field="name")
    made: PriceGroup | None = await session.scalar(
        insert(PriceGroup)
        .values(name=name, currency=currency)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(PriceGroup)
    )
    if made is None:
        raise Conflict("A price group of this name exists.", field="name")
    return made


async def price_groups(session: AsyncSession) -> Sequence[PriceGroup]:
    """Return all price groups by name."""
    return (await session.scalars(select(PriceGroup).order_by(PriceGroup.name))).all()


async def get_price_group(session: AsyncSession, group_id: int) -> PriceGroup:
    """Return a price group; NotFound if there is none."""
    found = await session.get(PriceGroup, group_id)
    if found is None:
        raise NotFound("There is no such price group.", field="price_group_id")
    return found


async def group_prices(session: AsyncSession, group_id: int) -> list[SpecialPrice]:
    """Return a group's prices in order of service; NotFound if there is no such group."""
    await get_price_group(session, group_id)
    rows = await session.execute(
        select(Service.id, Service.name, GroupPrice.price)
        .join(GroupPrice, GroupPrice.service_id == Service.id)
        .where(GroupPrice.price_group_id == group_id)
        .order_by(Service.id)
    )
    return [SpecialPrice(*row) for row in rows]


async def set_group_price(session: AsyncSession, group_id: int, service_id: int, price: int) -> None:
    """Set what a service costs a group's customers (micro-units); no rule touches it then. NotFound, Invalid."""
    await get_price_group(session, group_id)
    await _require_service(session, service_id)
    row = insert(GroupPrice).values(
        price_group_id=group_id, service_id=service_id, price=check_price(price), price_source="manual"
    )
    await session.execute(
        row.on_conflict_do_update(
            index_elements=["price_group_id", "service_id"],
            set_={"price": row.excluded.price, "price_source": row.excluded.price_source},
        )
    )


async def remove_group_price(session: AsyncSession, group_id: int, service_id: int) -> bool:
    """Let the list price apply to a group again; return whether there was another."""
    gone = await session.scalar(
        delete(GroupPrice)
        .where(GroupPrice.price_group_id == group_id, GroupPrice.service_id == service_id)
        .returning(GroupPrice.service_id)
    )
    return gone is not None


async def customer_prices(session: AsyncSession, customer_id: int) -> list[SpecialPrice]:
    """Return a customer's own prices in order of service."""
    rows = await session.execute(
        select(Service.id, Service.name, CustomerPrice.price)
        .join(CustomerPrice, CustomerPrice.service_id == Service.id)
        .where(CustomerPrice.customer_id == customer_id)
        .order_by(Service.id)
    )
    return [SpecialPrice(*row) for row in rows]


async def set_customer_price(session: AsyncSession, customer_id: int, service_id: int, price: int) -> None:
    """Set what a service costs a customer who exists (micro-units of their currency); NotFound, Invalid."""
    await _require_service(session, service_id)
    row = insert(CustomerPrice).values(customer_id=customer_id, service_id=service_id, price=check_price(price))
    await session.execute(
        row.on_conflict_do_update(index_elements=["customer_id", "service_id"], set_={"price": row.excluded.price})
    )


async def remove_customer_price(session: AsyncSession, customer_id: int, service_id: int) -> bool:
    """Let the group's or the list price apply to a customer again; return whether there was another."""
    gone = await session.scalar(
        delete(CustomerPrice)
        .where(CustomerPrice.customer_id == customer_id, CustomerPrice.service_id == service_id)
        .returning(CustomerPrice.service_id)
    )
    return gone is not None


async def change_customer_prices(conn: Connection, customer_id: int, prices: Mapping[int, int | None]) -> int:
    """Set what these services cost a customer who exists (micro-units), None: no price of their own any more.

    Returns how many changed. Raises NotFound for a service there is not, Invalid for a price that cannot be one.
    """
    for service_id, price in prices.items():
        if price is not None:
            try:
                check_price(price)
            except Invalid as error:
                raise Invalid(error.message, field=f"price-{service_id}") from error
    given = {service_id: price for service_id, price in prices.items() if price is not None}
    cursor = await conn.execute("SELECT count(*) AS n FROM services WHERE id = ANY (%s::bigint[])", (list(prices),))
    row = await cursor.fetchone()
    if row is None or row["n"] < len(prices):
        raise NotFound("There is no such service.", field="service_id")
    gone = await conn.execute(
        "DELETE FROM customer_prices WHERE customer_id = %s AND service_id = ANY (%s::bigint[])",
        (customer_id, [service_id for service_id in prices if service_id not in given]),
    )
    kept = await conn.execute(
        "INSERT INTO customer_prices AS p (customer_id, service_id, price)"
        " SELECT %s, g.service_id, g.price FROM unnest(%s::bigint[], %s::bigint[]) AS g(service_id, price)"
        " ON CONFLICT (customer_id, service_id) DO UPDATE SET price = excluded.price"
        " WHERE p.price <> excluded.price",
        (customer_id, list(given), list(given.values())),
    )
    return gone.rowcount + kept.rowcount


async def _require_service(session: AsyncSession, service_id: int) -> None:
    if await session.scalar(select(Service.id).where(Service.id == service_id)) is None:
        raise NotFound("There is no such service.", field="service_id")
