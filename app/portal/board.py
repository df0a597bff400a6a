"""How the groups of services stand, for everybody to see: read from the measures, and kept for a while."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from app.catalog.snapshot import CatalogCache, Group
from app.db import Database
from app.suppliers.measures import in_words
from app.suppliers.offers import NOT_OFFERED, Availability, Offer, offers

KEPT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A group: how many of its services are taken, go out at once, and how long deliveries took, in words.

    ``time`` is empty where too few were measured.
    """

    group: str
    services: int
    available: int
    delayed: int
    time: str


class Board:
    """Knows how all groups stand; whoever asks, however often, the database is asked twice a minute at most."""

    def __init__(self, db: Database, catalog: CatalogCache) -> None:
        """Empty until somebody asks."""
        self._db = db
        self._catalog = catalog
        self._lock = asyncio.Lock()
        self._standings: Sequence[Standing] = ()
        self._until = 0.0

    async def standings(self) -> Sequence[Standing]:
        """Return the groups in the order of the catalogue, those without a service left out."""
        async with self._lock:
            if time.monotonic() >= self._until:
                async with self._db.pool.connection() as conn:
                    known = await offers(conn)
                    row = await (await conn.execute("SELECT version FROM catalog_version WHERE id = 1")).fetchone()
                catalog = await self._catalog.at_least(row["version"] if row else 0)
                self._standings = [_standing(group, known) for group in catalog.groups if group.services]
                self._until = time.monotonic() + KEPT_SECONDS
            return self._standings


def _standing(group: Group, known: dict[int, Offer]) -> Standing:
    of = [known.get(service.id, NOT_OFFERED) for service in group.services]
    usual = [offer.usual_seconds for offer in of if offer.usual_seconds is not None]
    longest = [offer.longest_seconds for offer in of if offer.longest_seconds is not None]
    return Standing(
        group.name,
        len(of),
        sum(offer.availability is Availability.AVAILABLE for offer in of),
        sum(offer.availability is Availability.DELAYED for offer in of),
        in_words(min(usual), max(longest)) if usual and longest else "",
    )
