"""Marks the customers whose debt became older than their terms."""

import structlog

from app.ledger.debts import refresh_overdue
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    app = jobs.app

    @app.periodic(cron="7 * * * *")
    @app.task(name="mark_overdue", queueing_lock="mark_overdue", pass_context=False)
    async def mark_overdue(timestamp: int) -> None:
        del timestamp
        looked_at, overdue = await refresh_overdue(jobs.db)
        log.info("debts looked at", accounts=looked_at, overdue=overdue)
