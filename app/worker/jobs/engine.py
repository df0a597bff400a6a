"""The side-job engine with every task of this package."""

import asyncio

import procrastinate
import structlog

from app.db import Database
from app.redis import Limiter
from app.sealing import Sealer
from app.settings import Settings
from app.worker.jobs import (
    alarms,
    audit,
    books,
    clock,
    debts,
    hours,
    pause_mails,
    prices,
    profit,
    readings,
    resets,
    tidying,
    webhooks,
)
from app.worker.jobs.parts import Jobs

NOUNS = (
    alarms, audit, books, clock, debts, hours, pause_mails, prices, profit, readings, resets, tidying, webhooks,
)  # fmt: skip
AGAIN_SECONDS = 2.0
HEARTBEAT_SECONDS = 10.0

log = structlog.get_logger()


def side_jobs(db: Database, sealer: Sealer, settings: Settings, limiter: Limiter | None = None) -> procrastinate.App:
    """Return the side-job engine with its tasks; open it, then ``run_worker_async``.

    ``limiter`` is that of the order path, so that what suppliers take in a minute is counted once for all.
    """
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=db.conninfo, min_size=1, max_size=4))
    jobs = Jobs(app, db, sealer, settings, limiter or Limiter())
    for noun in NOUNS:
        noun.register(jobs)
    return app


async def run_for_ever(app: procrastinate.App, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
    """Do the side jobs until cancelled; ``app`` is open.

    The engine ends by itself, without an error, when the database was away at one of its own statements. It is started
    again then, or this process would do no side job any more while its order path goes on.
    """
    while True:
        try:
            await app.run_worker_async(
                concurrency=4,
                install_signal_handlers=False,
                shutdown_graceful_timeout=5,
                delete_jobs="successful",
                update_heartbeat_interval=heartbeat_seconds,
            )
            log.warning("the side jobs ended and are started again")
        except Exception as error:  # noqa: BLE001  whatever ends them, they are started again
            log.warning("the side jobs ended and are started again", error=type(error).__name__)
        await asyncio.sleep(AGAIN_SECONDS)
