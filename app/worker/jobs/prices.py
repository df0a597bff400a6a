"""Makes prices anew soon after something changed that they are made of: a cost, a rate, a route, a rule."""

import structlog

from app.suppliers.pricing import make_due_prices
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the task of this file to the engine."""
    app = jobs.app

    @app.periodic(cron="* * * * *")
    @app.task(name="make_prices", queueing_lock="make_prices", lock="make_prices", pass_context=False)
    async def make_prices(timestamp: int) -> None:
        del timestamp  # when the cron line was due; whether there is anything to do is read from the marks
        made = await make_due_prices(jobs.db)
        if made is not None:
            log.info("prices made", applied=made.applied, waiting=made.waiting, without_cost=made.without_cost)
