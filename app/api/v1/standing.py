"""How the services on sale stand, read once in a while beside the calls that show it."""

import asyncio
import time
from collections.abc import Mapping

import structlog
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout

from app.db import Database
from app.suppliers.offers import Offer, offers

REFRESH_SECONDS = 30.0

log = structlog.get_logger()


class Standing:
    """Keeps the last reading; nobody waits for the next one, which a call sets off when the last is old."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: Mapping[int, Offer] | None = None
        self._until = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def now(self) -> Mapping[int, Offer]:
        """Return how each service stands that a route leads from, by its id."""
        if self._reading is None and time.monotonic() >= self._until:
            self._reading = asyncio.create_task(self._read())
        if self._known is None and self._reading is not None:
            await asyncio.shield(self._reading)
        return self._known or {}

    async def _read(self) -> None:
        try:
            async with self._db.pool.connection() as conn:
                self._known = await offers(conn)
            self._until = time.monotonic() + REFRESH_SECONDS
        except (DatabaseError, PoolTimeout) as error:
            if self._known is None:
                raise
            log.warning("how services stand could not be read", error=type(error).__name__)
        finally:
            self._reading = None
