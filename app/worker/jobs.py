"""Periodic side jobs on the same Postgres: suppliers' catalogues and balances, tidying up. Never the order path."""

from datetime import timedelta
from typing import Any, LiteralString

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued

from app.connectors.errors import ConnectorError
from app.db import Database
from app.errors import Conflict, TrunklineError
from app.orders.files import drop_orphans
from app.sealing import Sealer
from app.suppliers.contact import reached, sync_devices, sync_supplier
from app.suppliers.service import store_balance
from app.suppliers.webhooks import forget_calls

log = structlog.get_logger()

STALLED_SECONDS = 600

_SYNC_DUE: LiteralString = (
    "SELECT id FROM suppliers WHERE state = 'active' AND COALESCE(synced_at, '-infinity') < now() - %s"
)
_BALANCE_DUE: LiteralString = (
    "SELECT id FROM suppliers WHERE state = 'active' AND COALESCE(balance_at, '-infinity') < now() - %s"
)
# A supplier without such a catalogue is asked once a day too: its connector may have learnt it with a new version.
_DEVICES_DUE: LiteralString = (
    "SELECT id FROM suppliers WHERE state = 'active' AND COALESCE(devices_read_at, '-infinity') < now() - %s"
)
DEVICES_MINUTES = 24 * 60


def side_jobs(db: Database, sealer: Sealer, *, sync_minutes: int, balance_minutes: int) -> procrastinate.App:
    """Return the side-job engine with its tasks; open it, then ``run_worker_async``.

    Each task may run twice without harm, so one that a dead worker left behind is simply tried again.
    """
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=db.conninfo, min_size=1, max_size=4))

    @app.task(name="sync_catalog")
    async def sync_catalog(supplier_id: int) -> None:
        try:
            result = await sync_supplier(db, sealer, supplier_id)
        except TrunklineError as error:
            # The next reading is minutes away; what we know stays, and staff see the age of it.
            log.warning("catalogue not read", supplier_id=supplier_id, error=error.message)
            return
        log.info("catalogue read", supplier_id=supplier_id, added=result.added, changed=result.changed)

    @app.task(name="read_balance")
    async def read_balance(supplier_id: int) -> None:
        try:
            async with reached(db, sealer, supplier_id) as connector:
                balance = await connector.balance()
        except (ConnectorError, TrunklineError) as error:
            log.warning("balance not read", supplier_id=supplier_id, error=str(error))
            return
        if balance is not None:
            async with db.transaction() as conn:
                await store_balance(conn, supplier_id, balance)

    @app.task(name="read_devices")
    async def read_devices(supplier_id: int) -> None:
        try:
            found = await sync_devices(db, sealer, supplier_id)
        except Conflict:
            return
        except TrunklineError as error:
            log.warning("devices not read", supplier_id=supplier_id, error=error.message)
            return
        log.info("devices read", supplier_id=supplier_id, devices=found.devices, networks=found.networks)

    @app.periodic(cron="* * * * *")
    @app.task(name="defer_due_readings", queueing_lock="defer_due_readings", pass_context=False)
    async def defer_due_readings(timestamp: int) -> None:
        del timestamp  # when the cron line was due; what is due is read from the rows
        await _defer_due(db, sync_catalog, _SYNC_DUE, sync_minutes)
        await _defer_due(db, read_balance, _BALANCE_DUE, balance_minutes)
        await _defer_due(db, read_devices, _DEVICES_DUE, DEVICES_MINUTES)

    @app.periodic(cron="17 * * * *")
    @app.task(name="tidy_up", queueing_lock="tidy_up", pass_context=False)
    async def tidy_up(timestamp: int) -> None:
        del timestamp
        async with db.pool.connection() as conn:
            files, calls = await drop_orphans(conn), await forget_calls(conn)
        log.info("tidied up", files=files, calls=calls)

    @app.periodic(cron="*/5 * * * *")
    @app.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=False)
    async def retry_stalled(timestamp: int) -> None:
        del timestamp
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            log.warning("a side job is tried again", task=job.task_name, job_id=job.id)
            await app.job_manager.retry_job(job)

    return app


async def _defer_due(db: Database, task: Any, due: LiteralString, minutes: int) -> None:
    """Queue the task for each supplier whose last reading is that old, once however often it is asked for."""
    async with db.pool.connection() as conn:
        rows = await (await conn.execute(due, (timedelta(minutes=minutes),))).fetchall()
    for row in rows:
        lock = f"{task.name}-{row['id']}"
        try:
            await task.configure(queueing_lock=lock, lock=lock).defer_async(supplier_id=row["id"])
        except AlreadyEnqueued:
            continue
