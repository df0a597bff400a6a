"""Reads what suppliers say of themselves when it is due: catalogues, balances, devices."""

from datetime import timedelta
from typing import Any, LiteralString

import structlog

from app.connectors.errors import ConnectorError
from app.db import Database
from app.errors import Conflict, TrunklineError
from app.suppliers.balances import asking_time, store_balance
from app.suppliers.contact import reached, sync_devices, sync_supplier
from app.worker.jobs.parts import Jobs, defer_once

log = structlog.get_logger()

_SYNC_DUE: LiteralString = (
    "SELECT id FROM suppliers WHERE state = 'active' AND COALESCE(synced_at, '-infinity') < now() - %s"
)
# Where something is in doubt, the balances before and after it are evidence: they are read every other minute.
_BALANCE_DUE: LiteralString = (
    "SELECT id FROM suppliers s WHERE state = 'active' AND COALESCE("
    " (SELECT max(at) FROM supplier_balances b WHERE b.supplier_id = s.id), '-infinity') < now() - CASE WHEN"
    " EXISTS (SELECT FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'unclear')"
    " THEN interval '2 minutes' ELSE %s END"
)
# A supplier without such a catalogue is asked once a day too: its connector may have learnt it with a new version, or
# the supplier offers one. A round that is not at its end goes on within minutes.
_DEVICES_DUE: LiteralString = (
    "SELECT id FROM suppliers WHERE state = 'active' AND COALESCE(devices_read_at, '-infinity')"
    " < now() - CASE WHEN devices_left > 0 THEN interval '2 minutes' ELSE %s END"
)
DEVICES_MINUTES = 24 * 60


def register(jobs: Jobs) -> None:
    """Add the tasks of this file to the engine."""
    app, db, sealer = jobs.app, jobs.db, jobs.sealer

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
                async with db.pool.connection() as conn:
                    asked_at = await asking_time(conn)
                balance = await connector.balance()
        except (ConnectorError, TrunklineError) as error:
            log.warning("balance not read", supplier_id=supplier_id, error=str(error))
            return
        if balance is not None:
            async with db.transaction() as conn:
                await store_balance(conn, supplier_id, balance, asked_at=asked_at)

    @app.task(name="read_devices")
    async def read_devices(supplier_id: int) -> None:
        try:
            found = await sync_devices(db, sealer, supplier_id, limiter=jobs.limiter)
        except Conflict:
            return
        except TrunklineError as error:
            log.warning("devices not read", supplier_id=supplier_id, error=error.message)
            return
        log.info(
            "devices read", supplier_id=supplier_id, devices=found.devices, networks=found.networks, left=found.left
        )

    @app.periodic(cron="* * * * *")
    @app.task(name="defer_due_readings", queueing_lock="defer_due_readings", pass_context=False)
    async def defer_due_readings(timestamp: int) -> None:
        del timestamp  # when the cron line was due; what is due is read from the rows
        await _defer_due(db, sync_catalog, _SYNC_DUE, jobs.settings.sync_minutes)
        await _defer_due(db, read_balance, _BALANCE_DUE, jobs.settings.balance_minutes)
        await _defer_due(db, read_devices, _DEVICES_DUE, DEVICES_MINUTES)


async def _defer_due(db: Database, task: Any, due: LiteralString, minutes: int) -> None:
    """Queue the task for each supplier whose last reading is that old."""
    async with db.pool.connection() as conn:
        rows = await (await conn.execute(due, (timedelta(minutes=minutes),))).fetchall()
    for row in rows:
        await defer_once(task, f"{task.name}-{row['id']}", supplier_id=row["id"])
