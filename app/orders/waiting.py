"""Waits for the end of orders: those who wait share one cheap look at a time, and hold neither connection nor lock."""

import asyncio
from collections.abc import Collection

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from app.db import Database

LOOK_SECONDS = 0.2
MAX_WAITING = 2_000
"""How many may wait in one process; who comes then is answered at once."""

log = structlog.get_logger()


class Waiters:
    """Those who wait in this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: dict[asyncio.Future[None], set[int]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, ids: Collection[int], seconds: float) -> bool:
        """Return when all of these orders are over or the time is, and say whether it was waited at all."""
        if not ids or len(self._waiting) >= MAX_WAITING:
            return False
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[over] = set(ids)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_while_waited_for())
        try:
            await asyncio.wait([over], timeout=seconds)
        finally:
            del self._waiting[over]
            over.cancel()
        return True

    async def _look_while_waited_for(self) -> None:
        try:
            while self._waiting:
                try:
                    await self._look()
                except (psycopg.Error, PoolTimeout) as error:
                    log.warning("cannot look after the orders that are waited for", error=type(error).__name__)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._looking = None

    async def _look(self) -> None:
        wanted = set().union(*self._waiting.values())
        async with self._db.pool.connection() as conn:
            cursor = await conn.execute(
                "SELECT id FROM orders WHERE id = ANY (%s) AND state IN ('completed', 'rejected')", (list(wanted),)
            )
            ended = {row["id"] for row in await cursor.fetchall()}
        for over, ids in self._waiting.items():
            ids.difference_update(ended)
            if not ids and not over.done():
                over.set_result(None)
