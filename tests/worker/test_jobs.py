"""Side jobs, run by their engine: what is due is read once, and what is in nobody's order goes."""

from datetime import UTC, timedelta

import pytest

from app.clock import now
from app.connectors.base import File
from app.db import Database
from app.orders.files import store_file
from app.sealing import Sealer
from app.settings import Settings
from app.suppliers.service import add
from app.suppliers.sync import apply_catalog
from app.suppliers.webhooks import take_call
from app.worker.jobs.engine import side_jobs
from app.worker.jobs.parts import defer_once
from tests.factories import make_shop, make_supplier
from tests.fakes.doctorsim import FakeDoctorSim
from tests.fakes.faults import Fault, serving_fake
from tests.suppliers.accounts import Account
from tests.suppliers.catalogue import listed
from tests.worker.test_order_path import rows, simulated


async def run(db: Database, sealer: Sealer, task: str) -> None:
    """Run a task, and all that it leads to, to the end."""
    jobs = side_jobs(db, sealer, Settings(_env_file=None))
    async with jobs.open_async():
        await jobs.tasks[task].defer_async(timestamp=0)
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)


async def test_devices_are_read_once_a_day(db: Database, sealer: Sealer) -> None:
    fake = FakeDoctorSim()
    async with serving_fake(fake) as url:
        async with db.transaction() as conn:
            await add(conn, sealer, name="By device", kind="doctorsim", config=fake.config(url), currency="USD")
        await run(db, sealer, "defer_due_readings")
        kinds = await rows(db, "SELECT kind, count(*) AS n FROM device_entries GROUP BY kind ORDER BY kind")
        assert [(row["kind"], row["n"]) for row in kinds] == [("brand", 3), ("device", 2), ("network", 4)]
        asked = fake.state()["requests"]
        await run(db, sealer, "defer_due_readings")
        assert fake.state()["requests"] == asked, "nothing is due"
        async with db.transaction() as conn:
            await conn.execute("UPDATE suppliers SET devices_read_at = now() - interval '25 hours'")
        await run(db, sealer, "defer_due_readings")
        assert fake.state()["requests"] != asked


async def test_a_reading_that_did_not_come_to_the_end_goes_on_within_minutes(db: Database, sealer: Sealer) -> None:
    fake = FakeDoctorSim()
    fake.script(Fault("throttled", "devices"))
    fake.brands = {"29": "iPhone", "1": "Alcatel"}
    async with serving_fake(fake) as url:
        async with db.transaction() as conn:
            await add(conn, sealer, name="By device", kind="doctorsim", config=fake.config(url), currency="USD")
            await conn.execute("UPDATE suppliers SET devices_done = '{29}', devices_left = 1")
        await run(db, sealer, "defer_due_readings")
        assert fake.requests["devices"] == 1, "it was turned away"
        await run(db, sealer, "defer_due_readings")
        assert fake.requests["devices"] == 1, "the next turn is not due"
        async with db.transaction() as conn:
            await conn.execute("UPDATE suppliers SET devices_read_at = now() - interval '3 minutes'")
        await run(db, sealer, "defer_due_readings")
        assert fake.requests["devices"] == 2
        assert await rows(db, "SELECT devices_done, devices_left FROM suppliers") == [
            {"devices_done": [], "devices_left": 0}
        ]
        async with db.transaction() as conn:
            await conn.execute("UPDATE suppliers SET devices_read_at = now() - interval '3 minutes'")
        await run(db, sealer, "defer_due_readings")
        assert fake.requests["devices"] == 2, "the round is over"
    devices = await rows(db, "SELECT parent FROM device_entries WHERE kind = 'device'")
    assert [row["parent"] for row in devices] == ["1"], "29 was read in the turn before"


async def test_a_supplier_without_devices_is_not_asked_every_minute(db: Database, sealer: Sealer) -> None:
    config = {"base_url": "http://127.0.0.1:9", "username": "us", "api_key": "key"}
    async with db.transaction() as conn:
        await add(conn, sealer, name="Plain", kind="dhru", config=config, currency="USD")
    await run(db, sealer, "defer_due_readings")
    [supplier] = await rows(db, "SELECT devices_read_at FROM suppliers")
    assert supplier["devices_read_at"] is not None


async def test_prices_are_made_when_something_changed(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET price_source = 'rule'")
        await conn.execute("INSERT INTO markup_rules (currency, basis_points, down_percent) VALUES ('USD', 5000, 100)")
    await run(db, sealer, "make_prices")
    prices = await rows(db, "SELECT price FROM services ORDER BY id")
    assert [row["price"] for row in prices] == [1_500_000, 4_500_000]
    assert await rows(db, "SELECT 1 FROM pricing_due") == []
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET cost = 1100000 WHERE remote_id = '1'")
    await run(db, sealer, "make_prices")
    [changed] = await rows(db, "SELECT price FROM services WHERE id = %s", shop.imei_service)
    assert changed["price"] == 1_650_000


async def test_files_of_no_order_and_old_calls_are_removed(db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        supplier_id = await make_supplier(conn, sealer)
        assert await take_call(conn, supplier_id, b"old")
        await conn.execute("UPDATE webhook_calls SET at = now() - interval '1 year'")
        assert await take_call(conn, supplier_id, b"new")
        await store_file(conn, File("orphan.bcl", b"1"))
        await conn.execute("UPDATE files SET created_at = now() - interval '2 days'")
    await run(db, sealer, "tidy_up")
    async with db.transaction() as conn:
        assert await take_call(conn, supplier_id, b"old"), "it was forgotten"
        assert not await take_call(conn, supplier_id, b"new")
    assert await rows(db, "SELECT 1 FROM files") == []


async def test_old_changes_go_when_they_hold_no_more(db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        supplier_id = await make_supplier(conn, sealer)
    for name, cost in (("A", 100), ("B", 101), ("C", 900), ("C", 950)):
        async with db.transaction() as conn:
            await apply_catalog(conn, supplier_id, [listed("1", name=name, cost=cost)])

    async def kept() -> list[tuple[str, object, str]]:
        found = await rows(db, "SELECT kind, new, state FROM catalog_changes ORDER BY id")
        return [(row["kind"], row["new"].get("name", row["new"].get("cost")), row["state"]) for row in found]

    everything = [
        ("new", "A", "applied"),
        ("price", 101, "applied"),
        ("name", "B", "applied"),
        ("price", 900, "waiting"),
        ("name", "C", "applied"),
        ("price", 950, "waiting"),
    ]
    assert await kept() == everything
    await run(db, sealer, "tidy_up")
    assert await kept() == everything, "none of it is old"
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE catalog_changes SET found_at = found_at - interval '91 days',"
            " outdated_at = outdated_at - interval '91 days'"
        )
    await run(db, sealer, "tidy_up")
    held = [change for change in everything if change[1] not in ("B", 900)]
    assert await kept() == held, "the rise of which they took a part back, and the name they gave up"


async def test_a_supplier_with_something_in_doubt_is_asked_for_its_balance_sooner(db: Database, sealer: Sealer) -> None:
    async with simulated() as url:
        account = Account(db, await make_shop(db, sealer, base_url=url))
        await run(db, sealer, "defer_due_readings")
        read = "SELECT count(*) AS n, bool_and(asked_at IS NOT NULL) AS dated FROM supplier_balances"
        [first] = await rows(db, read)
        assert first["n"] > 0
        assert first["dated"]
        async with db.transaction() as conn:
            await conn.execute("UPDATE supplier_balances SET at = now() - interval '3 minutes'")
            await conn.execute("UPDATE suppliers SET synced_at = now()")
        await run(db, sealer, "defer_due_readings")
        assert await rows(db, read) == [first], "three minutes are not ten"
        await account.attempt("unclear", now())
        await run(db, sealer, "defer_due_readings")
        assert await rows(db, read) == [{"n": first["n"] + 1, "dated": True}]


@pytest.mark.usefixtures("within_an_hour")
async def test_pain_11_books_are_closed_and_balances_watched_by_themselves(db: Database, sealer: Sealer) -> None:
    account = Account(db, await make_shop(db, sealer))
    today = now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await account.reads(10, today - timedelta(hours=25))
    await account.attempt("done", now())
    await account.reads(1, today - timedelta(hours=1))
    await run(db, sealer, "close_books")
    await run(db, sealer, "watch_balances")
    days = await rows(db, "SELECT day, state, difference FROM supplier_days")
    assert days == [{"day": (today - timedelta(days=1)).date(), "state": "open", "difference": -9_000_000}]
    # The engine also does what its clock says is due; at some minutes that is the audit, which finds rows made by hand.
    kinds = await rows(db, "SELECT kind FROM alarms WHERE kind <> 'audit_break' ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["books_unexplained", "low_runway"]


async def test_a_job_that_a_dead_worker_holds_does_not_keep_its_successor_waiting(db: Database, sealer: Sealer) -> None:
    jobs = side_jobs(db, sealer, Settings(_env_file=None))
    async with jobs.open_async():
        await defer_once(jobs.tasks["mark_overdue"], "the lock", timestamp=0)
        async with db.transaction() as conn:
            await conn.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
        await defer_once(jobs.tasks["mark_overdue"], "the lock", timestamp=0)
        await jobs.tasks["retry_stalled"].defer_async(timestamp=0)
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)
        left = await rows(
            db, "SELECT status::text AS status FROM procrastinate_jobs WHERE task_name = 'mark_overdue' ORDER BY id"
        )
        assert {row["status"] for row in left} == {"succeeded"}, "the dead one's is gone, its successor is done"


async def test_a_job_that_a_dead_worker_left_is_done_by_another(db: Database, sealer: Sealer) -> None:
    jobs = side_jobs(db, sealer, Settings(_env_file=None))
    async with jobs.open_async():
        await defer_once(jobs.tasks["mark_overdue"], "the lock", timestamp=0)
        async with db.transaction() as conn:
            await conn.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
        await jobs.tasks["retry_stalled"].defer_async(timestamp=0)
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)
        done = await rows(db, "SELECT status::text AS status FROM procrastinate_jobs WHERE task_name = 'mark_overdue'")
        assert {row["status"] for row in done} == {"succeeded"}
