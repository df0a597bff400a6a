"""Keeps the hours of the dashboard up to date, every minute."""

import structlog

from app.hours.building import build_hours
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the task of this file to the engine."""

    @jobs.app.periodic(cron="* * * * *")
    @jobs.app.task(name="build_hours", queueing_lock="build_hours", lock="build_hours", pass_context=False)
    async def build(timestamp: int) -> None:
        del timestamp
        first = await build_hours(jobs.db)
        log.debug("hours built", first=str(first))
