"""The service-level clock, and how remote services really do: late orders are told, measures are taken anew."""

from datetime import timedelta

import structlog

from app.orders.escalation import escalate
from app.suppliers.measures import measure, show_measured_times
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
