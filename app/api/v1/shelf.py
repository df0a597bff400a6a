"""The services as a caller sees them, rendered once per catalogue version for all who see the same prices."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from app.api.kept import Kept
from app.api.v1.service_out import passing, steady
from app.api.v1.standing import Standing
from app.catalog.snapshot import Catalog, CatalogCache, prices_for
from app.customers.service import Identity
from app.db import Database
from app.suppliers.offers import NOT_OFFERED, Offer


@dataclass(frozen=True, slots=True)
class Item:
    """A service with what it is looked for by; ``words`` are in lower case, ``body`` is all but how it stands."""

    id: int
    group_id: int
    type: str
    words: str
    time: str
    body: bytes

    def shown(self, known: Mapping[int, Offer]) -> bytes:
        """Return the service in JSON, with how it stands by what is known of that."""
        standing = orjson.dumps(passing(known.get(self.id, NOT_OFFERED), self.time))
        return self.body[:-1] + b"," + standing[1:]


@dataclass(frozen=True)
class Shelf:
    """All services that are sold to a caller, in order of id."""

    items: Sequence[Item]

    def page(self, fits: Callable[[Item], bool], *, after: int, limit: int) -> tuple[list[Item], bool]:
        """Return up to ``limit`` of those that fit and have an id above ``after``, and whether there are more."""
        found: list[Item] = []
        for item in islice(self.items, bisect_right(self.items, after, key=lambda item: item.id), None):
            if fits(item):
                if len(found) == limit:
                    return found, True
                found.append(item)
        return found, False

    def item(self, service_id: int) -> Item | None:
        """Return one of them, None for one that is not sold to the caller."""
        place = bisect_right(self.items, service_id, key=lambda item: item.id) - 1
        return self.items[place] if place >= 0 and self.items[place].id == service_id else None


class Shelves:
    """Makes and keeps them; ``standing`` tells how their services stand."""

    def __init__(self, db: Database, catalog: CatalogCache) -> None:
        self.standing = Standing(db)
        self._db = db
        self._catalog = catalog
        self._kept: Kept[tuple[int, str, int, str], Shelf] = Kept(
            lambda shelf: sum(len(item.body) for item in shelf.items)
        )

    async def of(self, identity: Identity) -> Shelf:
        """Return what is sold to the caller, at the prices of now."""
        catalog = await self._catalog.at_least(identity.catalog_version)

        async def make() -> Shelf:
            async with self._db.pool.connection() as conn:
                prices = await prices_for(
                    conn,
                    customer_id=identity.customer_id,
                    price_group_id=identity.price_group_id,
                    currency=identity.currency,
                )
            return Shelf(await asyncio.to_thread(_render, catalog, prices, identity.currency))

        return await self._kept.get((catalog.version, *identity.prices_of), make)


def _render(catalog: Catalog, prices: Mapping[int, int], currency: str) -> Sequence[Item]:
    items = []
    for group in catalog.groups:
        for service in group.services:
            if service.id in prices:
                body = orjson.dumps(steady(service, group.name, prices[service.id], currency))
                words = f"{service.name}\n{group.name}\n{service.code or ''}".lower()
                items.append(Item(service.id, group.id, service.type.value, words, service.time, body))
    return sorted(items, key=lambda item: item.id)
