"""What can be ordered, at the customer's own price."""

from dataclasses import dataclass

from starlette.responses import Response

from app.catalog.snapshot import Catalog, Service, prices_for
from app.customers.service import Identity
from app.errors import NotFound
from app.portal.noun import Noun
from app.portal.visit import Visit

pages = Noun()

PAGE = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """A service with what it costs this customer, in micro-units of their currency."""

    service: Service
    group: str
    price: int


@pages.page("/services")
async def services(visit: Visit) -> Response:
    """Those whose name or group has every word that is searched for, in the order of the catalogue."""
    words = visit.asked("search").lower().split()
    group_id = visit.asked_id("group")
    identity = await visit.identity()
    catalog = await visit.parts.catalog.at_least(identity.catalog_version)
    offers = [
        offer
        for offer in await offers_for(visit, identity, catalog)
        if (group_id is None or offer.service.group_id == group_id)
        and all(word in f"{offer.service.name} {offer.group}".lower() for word in words)
    ]
    start = next((place + 1 for place, offer in enumerate(offers) if offer.service.id == visit.asked_id("after")), 0)
    shown = offers[start : start + PAGE]
    return await visit.page(
        "services/list.html",
        offers=shown,
        search=visit.asked("search"),
        group_id=group_id,
        groups=[(group.id, group.name) for group in catalog.groups],
        identity=identity,
        more=shown[-1].service.id if len(offers) > start + PAGE else None,
        is_first=start == 0,
    )


async def offers_for(
    visit: Visit, identity: Identity, catalog: Catalog, *, service_id: int | None = None
) -> list[Offer]:
    """Return all that this customer can buy; of one service only, if it is named."""
    async with visit.parts.db.pool.connection() as conn:
        prices = await prices_for(
            conn,
            customer_id=identity.customer_id,
            price_group_id=identity.price_group_id,
            currency=identity.currency,
            service_id=service_id,
        )
    return [
        Offer(service, group.name, prices[service.id])
        for group in catalog.groups
        for service in group.services
        if service.id in prices
    ]


async def offer_of(visit: Visit, identity: Identity, service_id: int) -> Offer:
    """Return one service with its price; NotFound if the customer cannot buy it."""
    catalog = await visit.parts.catalog.at_least(identity.catalog_version)
    found = await offers_for(visit, identity, catalog, service_id=service_id)
    if not found:
        raise NotFound("There is no such service.")
    return found[0]
