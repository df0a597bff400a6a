"""The service-level clock, and how remote services really do: late orders are told, measures are taken anew."""

from datetime import timedelta

import structlog

from app.orders.escalation import escalate
from app.suppliers.measures import measure, show_measured_times
from app.suppliers.performance import REBUILT_DAYS, forget_days, measure_days
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()

WINDOW = timedelta(days=7)


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    app = jobs.app

    @app.periodic(cron="* * * * *")
    @app.task(name="escalate_late_orders", queueing_lock="escalate_late_orders", pass_context=False)
    async def escalate_late_orders(timestamp: int) -> None:
        del timestamp
        async with jobs.db.transaction() as conn:
            late = await escalate(conn)
        if late:
            log.warning("orders are later than was promised", orders=late)

    @app.periodic(cron="*/15 * * * *")
    @app.task(name="measure_remote_services", queueing_lock="measure_remote_services", pass_context=False)
    async def measure_remote_services(timestamp: int) -> None:
        del timestamp
        async with jobs.db.transaction() as conn:
            measured = await measure(conn, WINDOW)
            shown = await show_measured_times(conn)
        log.info("measured", remote_services=measured, times_shown=shown)

    @app.periodic(cron="*/15 * * * *")
    @app.task(name="measure_today", queueing_lock="measure_today", lock="measure_days", pass_context=False)
    async def measure_today(timestamp: int) -> None:
        del timestamp
        async with jobs.db.transaction() as conn:
            await measure_days(conn, back=1)

    @app.periodic(cron="40 2 * * *")
    @app.task(name="measure_past_days", queueing_lock="measure_past_days", lock="measure_days", pass_context=False)
    async def measure_past_days(timestamp: int) -> None:
        del timestamp
        async with jobs.db.transaction() as conn:
            rows = await measure_days(conn, back=REBUILT_DAYS)
            gone = await forget_days(conn)
        log.info("days measured", rows=rows, gone=gone)
