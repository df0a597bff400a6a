"""The side-job engine with every task of this package."""

import procrastinate

from app.db import Database
from app.redis import Limiter
from app.sealing import Sealer
from app.settings import Settings
from app.worker.jobs import alarms, books, clock, readings, tidying
from app.worker.jobs.parts import Jobs

NOUNS = (alarms, books, clock, readings, tidying)


def side_jobs(db: Database, sealer: Sealer, settings: Settings, limiter: Limiter | None = None) -> procrastinate.App:
    """Return the side-job engine with its tasks; open it, then ``run_worker_async``.

    ``limiter`` is that of the order path, so that what suppliers take in a minute is counted once for all.
    """
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=db.conninfo, min_size=1, max_size=4))
    jobs = Jobs(app, db, sealer, settings, limiter or Limiter())
    for noun in NOUNS:
        noun.register(jobs)
    return app
