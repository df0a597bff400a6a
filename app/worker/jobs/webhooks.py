"""Finds which services changed for customers who want to be told, and forgets deliveries in time."""

import structlog

from app.db import Database
from app.webhooks.log import forget_deliveries
from app.webhooks.services_changed import behind, tell_changes
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    app, db = jobs.app, jobs.db

    @app.periodic(cron="* * * * *")
    @app.task(
        name="tell_changed_services", queueing_lock="tell_changed_services", lock="tell_changed_services",
        pass_context=False,
    )  # fmt: skip
    async def tell_changed_services(timestamp: int) -> None:
        del timestamp
        # Until nobody is behind: in a large house a change concerns more customers than one round compares.
        while customers := await _behind(db):
            for customer_id in customers:
                async with db.transaction() as conn:
                    changed = await tell_changes(conn, customer_id)
                if changed:
                    log.info("changed services are told", customer_id=customer_id, services=changed)

    @app.periodic(cron="47 * * * *")
    @app.task(name="forget_deliveries", queueing_lock="forget_deliveries", pass_context=False)
    async def forget_old_deliveries(timestamp: int) -> None:
        del timestamp
        async with db.pool.connection() as conn:
            events = await forget_deliveries(conn)
        log.info("old webhook events are forgotten", events=events)


async def _behind(db: Database) -> list[int]:
    async with db.pool.connection() as conn:
        return await behind(conn)
