"""The order path end to end: placed here, bought from a supplier that speaks DHRU over HTTP, delivered, settled."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from app.audit.service import audit
from app.catalog.snapshot import load_catalog
from app.db import Database
from app.ledger.service import account_of
from app.money import MICRO
from app.orders.service import Outcome, place
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.simulator import build_simulator
from app.worker.loop import Worker
from tests.factories import Shop, imei, make_remote_service, make_route, make_shop
from tests.serving import serving

PLACED = '[{"attempt": 1, "from": "sending", "to": "placed", "remote_id": "7", "order_to": "in_progress"}]'


@contextlib.asynccontextmanager
async def working(db: Database, sealer: Sealer, lease_seconds: float = 30) -> AsyncIterator[Worker]:
    worker = Worker(db, sealer, tick_seconds=0.02, lease_seconds=lease_seconds)
    task = asyncio.create_task(worker.run())
    yield worker
    worker.stop()
    await task


@contextlib.asynccontextmanager
async def simulated(work_seconds: float = 0.2, **options: Any) -> AsyncIterator[str]:
    simulator = build_simulator(
        ":memory:", username="us", api_key="their-secret-key", work_seconds=work_seconds, **options
    )
    async with serving(simulator) as url:
        yield url


async def open_shop(db: Database, sealer: Sealer, url: str, **options: Any) -> Shop:
    """A shop whose services are the simulator's 101 (IMEI check) and 401 (activation)."""
    shop = await make_shop(db, sealer, base_url=url, **options)
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET remote_id = '101' WHERE remote_id = '1'")
        await conn.execute("UPDATE remote_services SET remote_id = '401' WHERE remote_id = '2'")
    return shop


async def buy(db: Database, shop: Shop, *devices: str, service: int | None = None, **fields: str) -> list[Outcome]:
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        of = catalog.services[service or shop.imei_service]
        wishes = [make_wish(of, device=device, quantity=None, fields=fields) for device in devices]
        return await place(
            conn,
            wishes,
            key_id=shop.key_id,
            ip=None,
            catalog_version=catalog.version,
            source="dhru",
            window_seconds=30,
        )


async def rows(db: Database, query: Any, *values: object) -> list[dict[str, Any]]:
    async with db.pool.connection() as conn:
        return await (await conn.execute(query, values)).fetchall()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
    """Return once it is so; ``seconds`` is far beyond what a busy machine takes, for what never comes."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  what is waited for happens in Postgres
            await asyncio.sleep(0.02)


async def closed(db: Database, number: int) -> bool:
    found = await rows(db, "SELECT count(*) AS n FROM orders WHERE state IN ('completed', 'rejected')")
    return bool(found[0]["n"] == number)


async def attempts_in(db: Database, state: str, number: int = 1) -> bool:
    found = await rows(db, "SELECT count(*) AS n FROM attempts WHERE state = %s", state)
    return bool(found[0]["n"] >= number)


async def put_aside(db: Database) -> bool:
    return bool(await rows(db, "SELECT 1 FROM attempts WHERE state = 'prepared' AND note IS NOT NULL"))


async def stats(url: str) -> dict[str, int]:
    async with httpx2.AsyncClient(timeout=30) as client:
        answer: dict[str, int] = (await client.get(f"{url}/simulator/stats")).json()
    return answer


async def assert_sound(db: Database) -> None:
    result = await audit(db)
    assert result.ok, result.findings


async def test_an_order_is_bought_delivered_and_settled(db: Database, sealer: Sealer) -> None:
    async with simulated() as url, working(db, sealer):
        shop = await open_shop(db, sealer, url)
        [placed] = await buy(db, shop, imei(1))
        await until(lambda: closed(db, 1))
        [order] = await rows(db, "SELECT state, result, reason FROM orders WHERE id = %s", placed.order_id)
        assert order["state"] == "completed"
        assert imei(1) in order["result"]
        assert (await stats(url))["accepted"] == 1
    [attempt] = await rows(db, "SELECT state, cost, place_exchange_id, report_exchange_id FROM attempts")
    assert (attempt["state"], attempt["cost"]) == ("done", MICRO)
    exchanges = await rows(db, "SELECT call, request, reply FROM exchanges ORDER BY id")
    assert [exchange["call"] for exchange in exchanges] == ["place", "check"]
    assert not any("their-secret-key" in exchange["request"] for exchange in exchanges)
    events = await rows(db, "SELECT kind, old_state, new_state FROM order_events ORDER BY id")
    assert [tuple(event.values()) for event in events] == [
        ("attempt", "sending", "placed"),
        ("order", "accepted", "in_progress"),
        ("attempt", "placed", "done"),
        ("order", "in_progress", "completed"),
    ]
    kinds = await rows(db, "SELECT kind FROM transfers WHERE order_id IS NOT NULL ORDER BY id")
    assert [row["kind"] for row in kinds] == ["charge", "settle"]
    await assert_sound(db)


async def test_staff_say_how_many_orders_one_call_may_carry(db: Database, sealer: Sealer) -> None:
    async with simulated() as url:
        shop = await open_shop(db, sealer, url)
        async with db.transaction() as conn:
            await conn.execute("UPDATE suppliers SET place_batch = 3")
        await buy(db, shop, *(imei(n) for n in range(9)))
        async with working(db, sealer):
            await until(lambda: closed(db, 9))
        calls = await rows(
            db, "SELECT count(*) AS orders FROM attempts GROUP BY place_exchange_id ORDER BY place_exchange_id"
        )
        assert sum(call["orders"] for call in calls) == 9
        assert max(call["orders"] for call in calls) == 3


async def test_many_orders_are_bought_in_bulk_each_once(db: Database, sealer: Sealer) -> None:
    async with simulated() as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, *(imei(n) for n in range(230)))
        async with working(db, sealer), working(db, sealer):
            await until(lambda: closed(db, 230))
        seen = await stats(url)
    assert (seen["accepted"], seen["distinct_devices"], seen["bought_twice"]) == (230, 230, 0)
    results = await rows(
        db, "SELECT count(*) AS n FROM orders WHERE state = 'completed' AND position(device in result) > 0"
    )
    assert results[0]["n"] == 230
    await assert_sound(db)


async def test_the_suppliers_no_is_the_customers_refund_with_their_words(db: Database, sealer: Sealer) -> None:
    async with simulated() as url, working(db, sealer):
        shop = await open_shop(db, sealer, url)
        async with db.transaction() as conn:
            await conn.execute("UPDATE remote_services SET remote_id = '303' WHERE remote_id = '101'")
        await buy(db, shop, imei(1))
        await until(lambda: closed(db, 1))
    [order] = await rows(db, "SELECT state, reason FROM orders")
    assert order["state"] == "rejected"
    assert order["reason"]
    async with db.pool.connection() as conn:
        assert (await account_of(conn, shop.customer_id)).balance == 1000 * MICRO
    await assert_sound(db)


async def test_fields_reach_the_supplier_under_their_exact_names(db: Database, sealer: Sealer) -> None:
    async with simulated() as url, working(db, sealer):
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, "", service=shop.server_service, Email="buyer@example.com")
        await until(lambda: closed(db, 1))
    [order] = await rows(db, "SELECT state, result, reason FROM orders")
    assert order["state"] == "completed", order


async def test_pain_15_an_unreachable_supplier_holds_the_order_and_takes_nothing_back(
    db: Database, sealer: Sealer
) -> None:
    shop = await open_shop(db, sealer, "http://127.0.0.1:9")  # nothing listens there
    async with working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: attempts_in(db, "not_sent"))
        await until(lambda: attempts_in(db, "prepared"))
    [order] = await rows(db, "SELECT state FROM orders")
    assert order["state"] == "accepted"
    [supplier] = await rows(db, "SELECT paused_until > now() AS paused, pause_reason FROM suppliers")
    assert supplier["paused"]
    assert "unreachable" in supplier["pause_reason"]
    await assert_sound(db)


async def test_a_non_answer_moves_on_to_the_next_route_at_the_price_sold(db: Database, sealer: Sealer) -> None:
    async with simulated() as url:
        shop = await open_shop(db, sealer, "http://127.0.0.1:9")
        async with db.transaction() as conn:
            second = await conn.execute(
                "INSERT INTO suppliers (name, kind, config, sealed, currency)"
                " SELECT 'Second', kind, jsonb_set(config, '{base_url}', to_jsonb(%s::text)), sealed, currency"
                " FROM suppliers RETURNING id",
                (url,),
            )
            row = await second.fetchone()
            assert row is not None
            remote = await make_remote_service(conn, row["id"], remote_id="101", cost=1_500_000)
            await make_route(conn, shop.imei_service, remote, priority=200)
        async with working(db, sealer):
            await buy(db, shop, imei(1))
            await until(lambda: closed(db, 1))
        assert (await stats(url))["accepted"] == 1
    found = await rows(db, "SELECT number, state, cost FROM attempts ORDER BY number")
    assert [(row["number"], row["state"], row["cost"]) for row in found] == [
        (1, "not_sent", MICRO),
        (2, "done", 1_500_000),
    ]
    [order] = await rows(db, "SELECT state, price FROM orders")
    assert order == {"state": "completed", "price": 2 * MICRO}
    await assert_sound(db)


async def test_pain_5_a_price_risen_since_the_order_is_not_paid(db: Database, sealer: Sealer) -> None:
    async with simulated() as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, imei(1))
        async with db.transaction() as conn:
            await conn.execute("UPDATE remote_services SET cost = %s", (3 * MICRO,))
        async with working(db, sealer):
            await until(lambda: put_aside(db))
            await asyncio.sleep(0.3)
        assert (await stats(url))["accepted"] == 0
        [attempt] = await rows(db, "SELECT state, note, sent_at FROM attempts")
        assert attempt == {"state": "prepared", "note": "the supplier's price is above the price sold", "sent_at": None}
        async with db.transaction() as conn:
            await conn.execute("UPDATE remote_services SET cost = %s", (MICRO,))
            await conn.execute("UPDATE attempts SET due_at = now()")
        async with working(db, sealer):
            await until(lambda: closed(db, 1))
    await assert_sound(db)


@pytest.mark.parametrize("state", ["sending", "placed"])
async def test_pain_1_an_orphaned_send_becomes_unclear_and_is_never_sent_again(
    db: Database, sealer: Sealer, state: str
) -> None:
    async with simulated() as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, imei(1))
        async with db.transaction() as conn:
            await conn.execute(
                "SELECT * FROM claim_attempts(%s, 'a dead worker', interval '0', 10)", (shop.supplier_id,)
            )
            if state == "placed":
                await conn.execute(
                    "SELECT record_attempts('a dead worker', 'worker', %s::json)",
                    (PLACED,),
                )
        async with working(db, sealer):
            if state == "sending":
                await until(lambda: attempts_in(db, "unclear"))
            await asyncio.sleep(0.3)
        assert (await stats(url))["accepted"] == 0
    [order] = await rows(db, "SELECT state FROM orders")
    assert order["state"] == "in_progress"
    await assert_sound(db)


async def test_the_late_word_of_a_worker_that_lost_its_lease_changes_nothing(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    late = '[{"attempt": 1, "from": "sending", "to": "refused", "order_to": "rejected", "reason": "x"}]'
    async with db.transaction() as conn:
        await conn.execute("SELECT * FROM claim_attempts(%s, 'slow', interval '0', 10)", (shop.supplier_id,))
        await conn.execute("SELECT sweep_attempts()")
        answer = await (
            await conn.execute("SELECT record_attempts('slow', 'worker', %s::json) AS w", (late,))
        ).fetchone()
    assert answer == {"w": []}
    [order] = await rows(db, "SELECT state FROM orders")
    assert order["state"] == "in_progress"
    await assert_sound(db)


async def test_two_workers_never_claim_the_same_attempt(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, *(imei(n) for n in range(60)))

    async def claim(name: str) -> list[int]:
        async with db.pool.connection() as conn:
            cursor = await conn.execute(
                "SELECT attempt_id FROM claim_attempts(%s, %s, interval '1 minute', 25)", (shop.supplier_id, name)
            )
            return [row["attempt_id"] for row in await cursor.fetchall()]

    claims = await asyncio.gather(*(claim(f"worker {n}") for n in range(4)))
    ids = [attempt for found in claims for attempt in found]
    assert len(ids) == len(set(ids)) == 60
