"""From placed to completed: one worker process, a simulated supplier over HTTP, bulk calls on."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import TypeVar

import psycopg

from app.audit.service import audit
from app.db import Database
from bench.children import ChildError, running, serving
from bench.report import Line, rate
from bench.shop import devices, fill, open_reselling_shop
from bench.stage import Ground

TARGET = 500
WORK_SECONDS = "0.2"
SIMULATOR_KEY = "BEN-CHK-EY0-000"
LOOK_SECONDS = 0.1

T = TypeVar("T")

_OPEN = "SELECT id FROM orders WHERE state IN ('accepted', 'in_progress') LIMIT 1"

_TOOK = """
SELECT count(*), extract(epoch FROM max(a.closed_at) - min(a.sent_at))::float8,
       extract(epoch FROM max(a.placed_at) - min(a.sent_at))::float8
FROM attempts a JOIN orders o ON o.id = a.order_id WHERE a.order_id > %s AND o.state = 'completed'
"""


def measure(on: Ground) -> list[Line]:
    """Return orders per second of one worker, from its first claim to the last completion."""
    url = on.database("dispatch")
    environment = on.environment(url) | {"SIMULATOR_API_KEY": SIMULATOR_KEY}
    words = ["simulator", "--data", str(on.folder / "simulator.sqlite"), "--work-seconds", WORK_SECONDS]
    count = on.scale.dispatches
    rates: list[float] = []
    sends: list[float] = []
    imeis = devices(0)
    with serving("app", words, environment, on.folder / "simulator.log", ready="/simulator/stats") as (port, _):
        shop = _with_database(url, lambda db: open_reselling_shop(db, on.sealer(), on.scale, port, SIMULATOR_KEY))
        for _turn in range(min(on.scale.turns, 3)):
            before = _last_order(url)
            _with_database(url, lambda db: fill(db, shop, count, imeis))
            with running("app", ["worker"], environment, on.folder / "worker.log") as worker:
                _wait(url, worker, 4 * on.scale.turn_seconds)
            with psycopg.connect(url) as conn:
                row = conn.execute(_TOOK, (before,)).fetchone()
            assert row is not None
            completed, overall, sending = row
            if completed != count:
                raise RuntimeError(f"{completed} of {count} orders were completed")
            rates.append(count / overall)
            sends.append(count / sending)
    result = _with_database(url, _proof)
    if result:
        raise RuntimeError(f"the books do not balance: {result}")
    return [
        rate(f"dispatch and poll, one worker, {count} orders", rates, unit="orders/s", at_least=TARGET),
        Line("  until the last one was sent", f"{median(sends):,.0f} orders/s"),
    ]


def _with_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        db = Database(url, pool_size=2)
        await db.open()
        try:
            return await work(db)
        finally:
            await db.close()

    return asyncio.run(run())


async def _proof(db: Database) -> str:
    result = await audit(db)
    return "; ".join(f"{finding.promise}: {finding.subject}" for finding in result.findings)


def _last_order(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT COALESCE(max(id), 0) FROM orders").fetchone()
    assert row is not None
    return int(row[0])


def _wait(url: str, worker: "subprocess.Popen[bytes]", limit: float) -> None:
    """Wait until no order is open; ChildError if the worker ends before, or after ``limit`` seconds."""
    until = time.monotonic() + limit
    with psycopg.connect(url, autocommit=True) as conn:
        while conn.execute(_OPEN).fetchone() is not None:
            if worker.poll() is not None or time.monotonic() > until:
                raise ChildError("the worker did not complete the orders")
            time.sleep(LOOK_SECONDS)
