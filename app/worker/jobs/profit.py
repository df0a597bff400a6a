"""Keeps what was earned up to date: the day under way every minute or so, every other day once it is over."""

import structlog

from app.profit.building import build_due
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the task of this file to the engine."""

    @jobs.app.periodic(cron="* * * * *")
    @jobs.app.task(name="build_profit", queueing_lock="build_profit", lock="build_profit", pass_context=False)
    async def build_profit(timestamp: int) -> None:
        del timestamp
        built = await build_due(jobs.db)
        log.debug("profit built", days=built)
