"""Closes the books of suppliers for the days that are over, and looks whether our credit there lasts."""

import structlog

from app.suppliers.books_days import close_day, due_days
from app.suppliers.runway import watch_balances
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    app, db = jobs.app, jobs.db

    @app.periodic(cron="7 * * * *")
    @app.task(name="close_books", queueing_lock="close_books", pass_context=False)
    async def close_books(timestamp: int) -> None:
        del timestamp
        async with db.pool.connection() as conn:
            due = await due_days(conn)
        for supplier_id, day in due:
            async with db.transaction() as conn:
                closed = await close_day(conn, supplier_id, day)
            if closed.state == "open":
                log.warning("books do not add up", supplier_id=supplier_id, day=str(day), missing=closed.unexplained)

    @app.periodic(cron="*/5 * * * *")
    @app.task(name="watch_balances", queueing_lock="watch_balances", pass_context=False)
    async def watch(timestamp: int) -> None:
        del timestamp
        async with db.transaction() as conn:
            await watch_balances(conn)
