"""Workers killed with SIGKILL at any point: nothing is bought twice, nothing is lost, doubt becomes unclear."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.factories import imei
from tests.serving import serving
from tests.worker.test_order_path import (
    assert_sound,
    attempts_in,
    buy,
    closed,
    open_shop,
    rows,
    simulated,
    stats,
    until,
)

SECRET = "a test key that protects nothing but tests"


async def start_worker(conninfo: str) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "DATABASE_URL": conninfo,
        "SECRET_KEY": SECRET,
        "LEASE_SECONDS": "5",
        "WORKER_TICK_MS": "20",
        "LOG_LEVEL": "error",
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "app", "worker", env=environment)


async def kill(worker: asyncio.subprocess.Process) -> None:
    worker.send_signal(signal.SIGKILL)
    assert await worker.wait() == -signal.SIGKILL


@contextlib.asynccontextmanager
async def worker(conninfo: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start_worker(conninfo)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        code = await process.wait()
    assert code in (0, -signal.SIGKILL)


async def let_leases_end(db: Database) -> None:
    """Do what the passing of time would do to the leases of a worker that is gone."""
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE attempts SET lease_until = now() - interval '1 second' WHERE state = 'sending'")
        await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'placed'")


async def nothing_moves(db: Database) -> bool:
    found = await rows(db, "SELECT count(*) AS n FROM attempts WHERE state IN ('prepared', 'sending', 'placed')")
    return bool(found[0]["n"] == 0)


async def accepted(url: str) -> bool:
    return (await stats(url))["accepted"] > 0


async def test_pain_8_killed_while_the_supplier_thinks_it_stays_unclear_and_is_bought_once(
    db: Database, sealer: Sealer, conninfo: str
) -> None:
    async with simulated(accept_seconds=60) as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, imei(1))
        async with worker(conninfo) as first:
            await until(lambda: accepted(url))
            await kill(first)
        await let_leases_end(db)
        async with worker(conninfo):
            await until(lambda: attempts_in(db, "unclear"))
        assert (await stats(url))["accepted"] == 1
    [order] = await rows(db, "SELECT state FROM orders")
    assert order["state"] == "in_progress"
    await assert_sound(db)


async def test_pain_8_what_the_supplier_gets_is_in_our_books_already_and_stays_there(
    db: Database, sealer: Sealer, conninfo: str
) -> None:
    seen: list[dict[str, Any]] = []
    arrived = asyncio.Event()

    async def supplier(request: Request) -> Response:
        # Another connection than the worker's: it sees what is committed, and nothing else.
        seen.extend(
            await rows(db, "SELECT state, supplier_id, sent_at <= clock_timestamp() AS sent, cost FROM attempts")
        )
        arrived.set()
        await asyncio.sleep(60)
        return Response()

    async with serving(Starlette(routes=[Route("/api/index.php", supplier, methods=["POST"])])) as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, imei(1))
        async with worker(conninfo) as first:
            await asyncio.wait_for(arrived.wait(), 120)
            await kill(first)
        known = {"state": "sending", "supplier_id": shop.supplier_id, "sent": True, "cost": MICRO}
        assert seen == [known]
        assert await rows(db, "SELECT state FROM attempts") == [{"state": "sending"}]
        await let_leases_end(db)
        async with worker(conninfo):
            await until(lambda: attempts_in(db, "unclear"))
        assert seen == [known], "it was sent again"
    await assert_sound(db)


@pytest.mark.parametrize("point", ["place", "check"])
async def test_killed_after_the_reply_and_before_it_is_recorded(
    db: Database, sealer: Sealer, conninfo: str, point: str
) -> None:
    # Long enough that the lock is there before the word is recorded.
    seconds = {"place": {"accept_seconds": 3.0}, "check": {"work_seconds": 3.0}}[point]
    async with simulated(**seconds) as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, imei(1))
        async with worker(conninfo) as first:
            await until(lambda: attempts_in(db, "sending" if point == "place" else "placed"))
            async with db.transaction() as conn:
                # The worker can hear the supplier, but not write down what it heard.
                await conn.execute("SELECT 1 FROM orders WHERE id = 1 FOR UPDATE")
                await until(lambda: blocked(db))
                await kill(first)
                await asyncio.sleep(0.2)
        await let_leases_end(db)
        async with worker(conninfo):
            if point == "place":
                await until(lambda: attempts_in(db, "unclear"))
            else:
                await until(lambda: closed(db, 1))
        assert (await stats(url))["accepted"] == 1
    await assert_sound(db)


async def blocked(db: Database) -> bool:
    """Whether a backend waits for a lock in record_attempts()."""
    found = await rows(
        db,
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%%record_attempts%%'",
    )
    return bool(found[0]["n"])


async def test_killed_again_and_again_during_200_orders(db: Database, sealer: Sealer, conninfo: str) -> None:
    chance = random.Random(20261120)
    async with simulated(accept_seconds=0.15, work_seconds=0.3) as url:
        shop = await open_shop(db, sealer, url)
        for start in range(0, 200, 50):
            await buy(db, shop, *(imei(n) for n in range(start, start + 50)))
            async with worker(conninfo) as victim:
                await until(lambda: attempts_in(db, "sending"))
                await asyncio.sleep(chance.uniform(0, 0.4))
                await kill(victim)
        await let_leases_end(db)
        async with worker(conninfo):
            await until(lambda: nothing_moves(db))
        seen = await stats(url)
    assert seen["bought_twice"] == 0
    states = {
        row["state"]: row["n"] for row in await rows(db, "SELECT state, count(*) AS n FROM attempts GROUP BY state")
    }
    assert sum(states.values()) == 200, "an order was given a second attempt after a kill"
    assert set(states) <= {"done", "unclear"}
    assert states["done"] <= seen["accepted"] <= 200
    completed = await rows(db, "SELECT count(*) AS n FROM orders WHERE state = 'completed'")
    assert completed[0]["n"] == states["done"]
    await assert_sound(db)


async def test_a_worker_told_to_stop_finishes_its_calls_first(db: Database, sealer: Sealer, conninfo: str) -> None:
    async with simulated(accept_seconds=3.0) as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, imei(1))
        async with worker(conninfo) as process:
            await until(lambda: attempts_in(db, "sending"))
            process.terminate()
            assert await process.wait() == 0
        assert (await stats(url))["accepted"] == 1
    assert await attempts_in(db, "placed")
