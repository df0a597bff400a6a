"""Waiting for the end of orders: together, bounded, and through a fault."""

import asyncio

import pytest

from app.db import Database
from app.orders import waiting
from app.orders.waiting import Waiters
from app.sealing import Sealer
from tests.api.v1.test_orders import close
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import buy, wish


class Counting(Waiters):
    """Counts its looks."""

    looks = 0

    async def _look(self) -> None:
        self.looks += 1
        await super()._look()


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    return await make_shop(db, sealer)


async def orders(db: Database, shop: Shop, count: int) -> list[int]:
    """Return the ids of open orders."""
    wishes = [await wish(db, shop.imei_service, imei(n)) for n in range(count)]
    return [outcome.order_id or 0 for outcome in await buy(db, shop, *wishes)]


async def test_a_hundred_who_wait_share_each_look(db: Database, shop: Shop) -> None:
    ids = await orders(db, shop, 10)
    waiters = Counting(db)
    started = asyncio.get_running_loop().time()
    waits = asyncio.gather(*(waiters.wait([ids[n % 10], ids[0]], 120) for n in range(100)))
    await asyncio.sleep(0.5)
    for order_id in ids[1:]:
        await close(db, order_id)
    await asyncio.sleep(0.5)
    assert not waits.done()  # all of them wait for the first one, too
    await close(db, ids[0])
    assert await waits == [True] * 100
    passed = asyncio.get_running_loop().time() - started
    assert waiters.looks <= passed / waiting.LOOK_SECONDS + 2
    looks = waiters.looks
    await asyncio.sleep(3 * waiting.LOOK_SECONDS)
    assert waiters.looks <= looks + 1  # nobody waits, nobody looks


async def test_beyond_the_bound_nobody_is_kept_waiting(
    db: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    [order_id] = await orders(db, shop, 1)
    monkeypatch.setattr(waiting, "MAX_WAITING", 3)
    waiters = Waiters(db)
    waits = [asyncio.create_task(waiters.wait([order_id], 120)) for _ in range(3)]
    await asyncio.sleep(0)
    assert await waiters.wait([order_id], 120) is False
    await close(db, order_id)
    assert await asyncio.gather(*waits) == [True] * 3
    assert await waiters.wait([], 120) is False
    assert await waiters.wait([order_id], 120) is True


async def test_a_look_that_fails_is_made_up_for_by_the_next(db: Database, shop: Shop) -> None:
    [order_id] = await orders(db, shop, 1)
    waits = asyncio.create_task(Waiters(db).wait([order_id], 120))
    async with db.pool.connection() as conn:
        await conn.execute("ALTER TABLE orders RENAME TO orders_away")
        await asyncio.sleep(3 * waiting.LOOK_SECONDS)
        await conn.execute("ALTER TABLE orders_away RENAME TO orders")
    assert not waits.done()
    await close(db, order_id)
    assert await waits is True
