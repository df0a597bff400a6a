"""Two that want the same row at the same time: one of them gets it, and nothing happens twice."""

import asyncio
from collections import Counter

from app.connectors.base import Placed, Report, ReportStatus
from app.db import Database
from app.orders.attempts import ask_now, claim_polls
from app.sealing import Sealer
from app.suppliers.service import get
from app.worker.poll import Asker
from tests.factories import imei, make_shop
from tests.orders.test_place import assert_sound
from tests.worker.scripted import Scripted, claimed, send
from tests.worker.test_order_path import buy, rows


async def test_race_of_many_workers_sends_each_order_once(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, *(imei(n) for n in range(60)))
    rounds = await asyncio.gather(
        *(claimed(db, shop.supplier_id, limit=7, by=f"w{worker}") for worker in range(8) for _ in range(2))
    )
    taken = Counter(one.attempt_id for claims in rounds for one in claims)
    assert len(taken) == 60
    assert set(taken.values()) == {1}


async def test_race_of_many_pollers_asks_after_each_order_once(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    connector = Scripted()
    for number in range(20):
        await buy(db, shop, imei(number))
        connector.placed = Placed(f"r{number}")
        await send(db, shop, connector)
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET due_at = now()")

    async def poll(worker: int) -> list[int]:
        async with db.pool.connection() as conn:
            polls = await claim_polls(conn, shop.supplier_id, lease_by=f"w{worker}", lease_seconds=60, limit=6)
        return [one.attempt_id for one in polls]

    taken = Counter(attempt for polls in await asyncio.gather(*(poll(n) for n in range(8))) for attempt in polls)
    assert len(taken) == 20
    assert set(taken.values()) == {1}


async def test_race_of_a_webhook_against_the_poller_delivers_once(db: Database, sealer: Sealer) -> None:
    """A call that comes while the poller asks changes nothing; one that comes before makes it ask at once."""
    shop = await make_shop(db, sealer)
    done = Report("", ReportStatus.DONE, "the result")
    async with db.pool.connection() as conn:
        account = await get(conn, shop.supplier_id)
    for number in range(10):
        await buy(db, shop, imei(number))
        await send(db, shop, Scripted(placed=Placed(f"r{number}")))
        async with db.transaction() as conn:
            await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'placed'")

        async def called(remote_id: str) -> None:
            async with db.pool.connection() as conn:
                assert await ask_now(conn, shop.supplier_id, remote_id)

        async def polled(worker: str) -> int:
            async with db.pool.connection() as conn:
                polls = await claim_polls(conn, shop.supplier_id, lease_by=worker, lease_seconds=60, limit=5)
            if polls:
                await Asker(db, account, Scripted(report=done), worker).ask(polls)
            return len(polls)

        asked = await asyncio.gather(called(f"r{number}"), polled("w1"), called(f"r{number}"), polled("w2"))
        # Who finds the order locked by a call passes it over; the next look of a worker takes it.
        assert sum(one or 0 for one in asked) + await polled("w1") == 1
    assert [row["state"] for row in await rows(db, "SELECT state FROM orders")] == ["completed"] * 10
    settled = await rows(db, "SELECT count(*) AS n FROM transfers WHERE kind = 'settle'")
    assert settled[0]["n"] == 10
    await assert_sound(db)
