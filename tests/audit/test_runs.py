"""Runs of the audit that are kept: by night, by staff, with an alarm while something is broken."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.audit.runs import SUBJECT, is_due, keep_run, last_due
from app.db import Database
from app.sealing import Sealer
from app.settings import Settings
from app.worker.jobs.engine import side_jobs
from tests.audit.lives import COMPLETED, shop_with_lives
from tests.worker.test_jobs import run
from tests.worker.test_order_path import rows


async def break_a_balance(db: Database, by: int = 1) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE accounts SET balance = balance + %s WHERE role = 'customer'", (by,))


async def test_the_night_s_run_is_kept_once_and_a_missed_one_made_up_for(db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    await run(db, sealer, "audit")
    await run(db, sealer, "audit")
    [kept] = await rows(db, "SELECT * FROM audit_runs")
    assert kept["seconds"] > 0
    counts = {name: kept[name] for name in ("ok", "orders", "attempts", "breaks", "findings", "staff_id")}
    assert counts == {"ok": True, "orders": 9, "attempts": 10, "breaks": {}, "findings": [], "staff_id": None}
    async with db.transaction() as conn:
        await conn.execute("UPDATE audit_runs SET started_at = started_at - interval '25 hours'")
    await run(db, sealer, "audit")
    assert len(await rows(db, "SELECT 1 FROM audit_runs")) == 2


async def test_a_run_of_staff_is_not_the_night_s(db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    await keep_run(db, staff_id=1)
    async with db.pool.connection() as conn:
        assert await is_due(conn, 3)
    await keep_run(db)
    async with db.pool.connection() as conn:
        assert not await is_due(conn, 3)


@pytest.mark.parametrize(
    ("hour", "at", "due"),
    [
        (3, datetime(2026, 11, 21, 3, 0, tzinfo=UTC), datetime(2026, 11, 21, 3, tzinfo=UTC)),
        (3, datetime(2026, 11, 21, 2, 59, 59, tzinfo=UTC), datetime(2026, 11, 20, 3, tzinfo=UTC)),
        (0, datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (23, datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 2, 28, 23, tzinfo=UTC)),
        (3, datetime(2026, 11, 21, 4, 30, tzinfo=timezone(timedelta(hours=3))), datetime(2026, 11, 20, 3, tzinfo=UTC)),
    ],
)
def test_the_hour_is_that_of_utc(hour: int, at: datetime, due: datetime) -> None:
    assert last_due(hour, at) == due


@pytest.mark.usefixtures("within_an_hour")
async def test_the_hour_comes_from_the_settings(db: Database, sealer: Sealer) -> None:
    """An hour that comes later today was last struck yesterday, so a run of this minute's beginning serves it too."""
    [row] = await rows(db, "SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::integer AS hour")
    await keep_run(db)
    async with db.transaction() as conn:
        await conn.execute("UPDATE audit_runs SET started_at = started_at - interval '2 hours'")
    async with db.pool.connection() as conn:
        assert await is_due(conn, row["hour"])
        assert not await is_due(conn, (row["hour"] + 1) % 24)
    jobs = side_jobs(db, sealer, Settings(_env_file=None, audit_hour=(row["hour"] + 1) % 24))
    async with jobs.open_async():
        await jobs.tasks["audit"].defer_async(timestamp=0)
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)
    assert len(await rows(db, "SELECT 1 FROM audit_runs")) == 1


async def test_a_break_raises_the_alarm_until_a_clean_run(db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    await break_a_balance(db)
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute("DELETE FROM attempts WHERE order_id = %s", (COMPLETED,))
    for times in (1, 2):
        kept = await keep_run(db)
        assert not kept.ok
        [alarm] = await rows(db, "SELECT subject, text, count, state FROM alarms WHERE kind = 'audit_break'")
        assert (alarm["subject"], alarm["count"], alarm["state"]) == (SUBJECT, times, "open")
        assert alarm["text"].startswith(f"Audit run {kept.id}: broken: every balance equals its transfers (1 times)")
        assert f"order {COMPLETED}: completed, attempts: none" in alarm["text"]
    [first, *_] = kept.findings
    assert first.promise == "every balance equals its transfers"
    await break_a_balance(db, by=-1)
    assert not (await keep_run(db)).ok, "one of two is put right"
    assert [row["state"] for row in await rows(db, "SELECT state FROM alarms WHERE kind = 'audit_break'")] == ["open"]


async def test_a_clean_run_ends_the_alarm(db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    await break_a_balance(db)
    await keep_run(db)
    await break_a_balance(db, by=-1)
    assert (await keep_run(db)).ok
    assert [row["state"] for row in await rows(db, "SELECT state FROM alarms WHERE kind = 'audit_break'")] == ["closed"]
