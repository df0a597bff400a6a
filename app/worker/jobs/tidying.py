"""Removes what nobody needs any more, and tries again what a dead worker left behind."""

import structlog
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from app.customers.once import forget_old
from app.orders.exchanges import forget_exchanges
from app.orders.files import drop_orphans
from app.sandbox.orders import forget_sandbox
from app.suppliers.balances import prune_readings
from app.suppliers.changes import forget_changes
from app.suppliers.webhooks import forget_calls
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()

STALLED_SECONDS = 600


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    app = jobs.app

    @app.periodic(cron="17 * * * *")
    @app.task(name="tidy_up", queueing_lock="tidy_up", pass_context=False)
    async def tidy_up(timestamp: int) -> None:
        del timestamp
        async with jobs.db.pool.connection() as conn:
            files, calls = await drop_orphans(conn), await forget_calls(conn)
            changes, readings = await forget_changes(conn), await prune_readings(conn)
            said = await forget_exchanges(conn, days=jobs.settings.exchange_days)
            answers, tried = await forget_old(conn), await forget_sandbox(conn)
        log.info(
            "tidied up",
            files=files,
            calls=calls,
            changes=changes,
            readings=readings,
            exchanges=said,
            answers=answers,
            sandbox=tried,
        )

    @app.periodic(cron="*/5 * * * *")
    @app.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=False)
    async def retry_stalled(timestamp: int) -> None:
        del timestamp
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            log.warning("a side job is tried again", task=job.task_name, job_id=job.id)
            try:
                await app.job_manager.retry_job(job)
            except UniqueViolation:
                # Its successor waits already, for the lock that this one would hold for ever.
                await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
