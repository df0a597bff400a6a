"""The watch of a server process: sees that workers are silent, and delivers alarms although no worker runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from app.alarms.delivery import deliver
from app.alarms.silence import look
from app.db import Database
from app.sealing import Sealer

WATCH_SECONDS = 5.0

log = structlog.get_logger()


class Watch:
    """Looks every few seconds until cancelled; any number of processes may, and each trouble is told once."""

    def __init__(self, db: Database, sealer: Sealer, *, silent_seconds: float, overdue_seconds: float) -> None:
        """No worker for ``silent_seconds``, or work due for ``overdue_seconds``, is an alarm."""
        self._db = db
        self._sealer = sealer
        self._silent = silent_seconds
        self._overdue = overdue_seconds
        self._settled = time.monotonic() + silent_seconds

    async def run(self) -> None:
        """Look and deliver for ever, beside each other; what goes wrong is logged and tried again."""
        await asyncio.gather(self._again_and_again(self._look), self._again_and_again(self._deliver))

    async def _look(self) -> None:
        async with self._db.transaction() as conn:
            await look(
                conn,
                silent_seconds=self._silent,
                overdue_seconds=self._overdue,
                may_raise=time.monotonic() >= self._settled,
            )

    async def _deliver(self) -> None:
        await deliver(self._db, self._sealer)

    async def _again_and_again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await work()
            except (psycopg.Error, PoolTimeout) as error:
                # The workers could not write either; they get as long to be heard as after a start.
                self._settled = time.monotonic() + self._silent
                log.warning("the watch cannot reach the database", error=type(error).__name__)
            except Exception:
                # A watch that ended would be as silent as the workers that it watches.
                log.exception("the watch failed")
