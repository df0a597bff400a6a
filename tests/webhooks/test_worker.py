"""Workers tell customers: messages go out by themselves, none is lost with a worker, changed services are noticed."""

import asyncio

from app.db import Database
from app.sandbox.orders import place_sandbox
from app.sealing import Sealer
from app.settings import load_settings
from app.webhooks.services_changed import MAX_CUSTOMERS, behind
from app.worker.jobs.engine import side_jobs
from app.worker.sandbox import close_for_ever
from app.worker.webhooks import Messenger
from tests.factories import imei
from tests.webhooks.conftest import Told
from tests.webhooks.test_delivery import happen
from tests.webhooks.test_events import wished
from tests.worker.test_order_path import until


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_worker_sends_what_happens_while_it_runs(told: Told) -> None:
    await told.endpoint()
    running = asyncio.create_task(Messenger(told.db, told.sealer, told.rules).run())
    try:
        await happen(told, 30)
        await until(lambda: has_taken(told, 30))
        await happen(told)
        await until(lambda: has_taken(told, 31))
    finally:
        await ended(running)
    assert len(set(told.receiver.ids)) == len(told.receiver.ids) == 31


async def has_taken(told: Told, number: int) -> bool:
    return len(told.receiver.took) >= number


async def test_what_a_worker_was_sending_when_it_ended_is_sent_by_the_next(told: Told) -> None:
    await told.endpoint()
    told.receiver.hold = asyncio.Event()
    await happen(told)
    first = asyncio.create_task(Messenger(told.db, told.sealer, told.rules).run())
    await until(lambda: was_asked(told))
    await ended(first)
    told.receiver.hold.set()
    told.receiver.took.clear()
    [row] = await told.rows("SELECT state FROM webhook_deliveries")
    assert row["state"] == "sending"
    await told.pass_time(60)
    second = asyncio.create_task(Messenger(told.db, told.sealer, told.rules).run())
    await until(lambda: delivered(told))
    await ended(second)
    assert len(set(told.receiver.ids)) == 1


async def was_asked(told: Told) -> bool:
    return told.receiver.asked > 0


async def delivered(told: Told) -> bool:
    return (await told.rows("SELECT state FROM webhook_deliveries")) == [{"state": "delivered"}]


async def test_orders_of_the_sandbox_end_although_nobody_asks(told: Told) -> None:
    wish = await wished(told, imei(1))
    async with told.db.pool.connection() as conn:
        customer = told.shop.customer_id
        await place_sandbox(conn, [wish], customer_id=customer, source="rest", window_seconds=0)
        await conn.execute("UPDATE sandbox_orders SET closes_at = now()")

    async def closed() -> bool:
        return (await told.rows("SELECT state FROM sandbox_orders")) == [{"state": "completed"}]

    running = asyncio.create_task(close_for_ever(told.db))
    await until(closed)
    await ended(running)


async def run(db: Database, sealer: Sealer, task: str) -> None:
    jobs = side_jobs(db, sealer, load_settings(None, secret_key="a test key that protects nothing but tests"))
    async with jobs.open_async():
        await jobs.tasks[task].defer_async(timestamp=0)
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)


async def test_side_jobs_tell_changed_services_and_forget_what_is_old(told: Told) -> None:
    await told.endpoint("service.changed")
    async with told.db.transaction() as conn:
        await conn.execute("UPDATE services SET price = price * 2")
    await run(told.db, told.sealer, "tell_changed_services")
    [event] = await told.rows("SELECT kind, body FROM webhook_events")
    assert event["kind"] == "service.changed"
    assert [change["change"] for change in event["body"]["services"]] == ["price", "price"]
    await run(told.db, told.sealer, "tell_changed_services")
    assert len(await told.rows("SELECT 1 FROM webhook_events")) == 1

    async with told.db.transaction() as conn:
        await conn.execute(
            "INSERT INTO customers (username, name, email, currency)"
            " SELECT 'shop-' || n, 'C', n || '@example.com', 'USD' FROM generate_series(1, %s) n",
            (MAX_CUSTOMERS + 1,),
        )
        await conn.execute("INSERT INTO webhook_told_catalogs SELECT id, 0 FROM customers ON CONFLICT DO NOTHING")
    await run(told.db, told.sealer, "tell_changed_services")
    async with told.db.pool.connection() as conn:
        assert await behind(conn) == [], "one run tells everybody"

    wish = await wished(told, imei(1))
    async with told.db.transaction() as conn:
        await place_sandbox(conn, [wish], customer_id=told.shop.customer_id, source="rest", window_seconds=0)
        await conn.execute("UPDATE sandbox_orders SET created_at = now() - interval '31 days'")
        await conn.execute("UPDATE webhook_events SET created_at = now() - interval '31 days'")
    await run(told.db, told.sealer, "forget_deliveries")
    await run(told.db, told.sealer, "tidy_up")
    assert await told.rows("SELECT 1 FROM webhook_events") == []
    assert await told.rows("SELECT 1 FROM sandbox_orders") == []
