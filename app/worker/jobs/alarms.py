"""Tells people of alarms, and forgets what was told long ago, and workers that are long gone.

Without this a house of workers alone would be mute; where there are server processes they deliver within seconds.
"""

import structlog

from app.alarms.delivery import deliver, forget_messages
from app.alarms.silence import forget_workers
from app.worker.jobs.parts import Jobs

log = structlog.get_logger()


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    app = jobs.app

    @app.periodic(cron="* * * * *")
    @app.task(name="tell_alarms", queueing_lock="tell_alarms", lock="tell_alarms", pass_context=False)
    async def tell_alarms(timestamp: int) -> None:
        del timestamp
        await deliver(jobs.db, jobs.sealer)

    @app.periodic(cron="37 * * * *")
    @app.task(name="forget_messages", queueing_lock="forget_messages", pass_context=False)
    async def forget_old_messages(timestamp: int) -> None:
        del timestamp
        async with jobs.db.transaction() as conn:
            messages, workers = await forget_messages(conn), await forget_workers(conn)
        log.info("old alarm messages and workers are forgotten", messages=messages, workers=workers)
