"""The watch of a server process: sees that workers are silent, and delivers alarms although no worker runs."""

import asyncio
import time

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
        """Look and deliver for ever; what goes wrong is logged and tried again."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                async with self._db.transaction() as conn:
                    await look(
                        conn,
                        silent_seconds=self._silent,
                        overdue_seconds=self._overdue,
                        may_raise=time.monotonic() >= self._settled,
                    )
                await deliver(self._db, self._sealer)
            except (psycopg.Error, PoolTimeout) as error:
                # The workers could not write either; they get as long to be heard as after a start.
                self._settled = time.monotonic() + self._silent
                log.warning("the watch cannot reach the database", error=type(error).__name__)
            except Exception:
                log.exception("the watch failed")
