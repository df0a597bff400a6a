"""Proves the books every night, and catches up with a night that was missed."""

import structlog

from app.audit.runs import is_due, keep_run
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    db, hour = jobs.db, jobs.settings.audit_hour

    # Asked for every hour: a worker that was away at the hour itself runs the night's audit when it is back.
    @jobs.app.periodic(cron="0 * * * *")
    @jobs.app.task(name="audit", queueing_lock="audit", lock="audit", pass_context=False)
    async def audit(timestamp: int) -> None:
        del timestamp
        async with db.pool.connection() as conn:
            if not await is_due(conn, hour):
                return
        run = await keep_run(db)
        if run.ok:
            log.info("the books balance", run_id=run.id, seconds=run.seconds, transfers=run.transfers)
        else:
            log.error("a promise is broken", run_id=run.id, seconds=run.seconds, breaks=run.breaks)
