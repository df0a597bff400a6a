"""Taking over a supplier's catalogue: all new, nothing changed, every price changed; and the memory it takes."""

import asyncio
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from app.connectors.base import RemoteField, RemoteService, ServiceType
from app.db import Database
from app.money import MICRO
from app.suppliers.service import add
from app.suppliers.sync import apply_catalog
from bench.report import Line
from bench.stage import Ground

TARGET_SECONDS = 10.0
INFO = "<p>Clean IMEI only. Not for barred, unpaid or stolen devices; no refund for a wrong choice.</p>" * 5


def measure(on: Ground) -> list[Line]:
    """Return the seconds that a catalogue takes from the connector's rows to the commit."""
    return asyncio.run(_measure(on))


def _catalogue(count: int) -> list[RemoteService]:
    field = RemoteField("Email", required=True, description="Where the result is sent")
    return [
        RemoteService(
            str(number),
            f"Carrier and lock status, variant {number}",
            f"Group {number % 200}",
            ServiceType.IMEI,
            MICRO,
            time="1-24 hours",
            info=f"{INFO} {number}",
            fields=(field,) if number % 5 == 0 else (),
        )
        for number in range(count)
    ]


async def _measure(on: Ground) -> list[Line]:
    count = on.scale.catalogue
    services = _catalogue(count)
    dearer = [replace(service, cost=MICRO * 11 // 10) for service in services]
    db = Database(on.database("sync"), pool_size=2)
    await db.open()
    seconds: dict[str, list[float]] = {"all new": [], "nothing changed": [], "every price changed": []}
    try:
        for turn in range(min(on.scale.turns, 3)):
            async with db.transaction() as conn:
                supplier_id = await add(
                    conn,
                    on.sealer(),
                    name=f"Upstream {turn}",
                    kind="dhru",
                    config={"base_url": "http://127.0.0.1:9", "username": "nobody", "api_key": "nobody's"},
                    currency="USD",
                )
            for what, listed in zip(seconds, (services, services, dearer), strict=True):
                seconds[what].append(await _read(db, supplier_id, listed))
        tracemalloc.start()
        await _read(db, supplier_id, services)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    finally:
        await db.close()
    lines = [_line(f"catalogue sync, {count:,} services, {what}", times) for what, times in seconds.items()]
    return [*lines, Line("  memory beside the catalogue itself", f"{peak / 1024 / 1024:.1f} MB")]


async def _read(db: Database, supplier_id: int, services: Sequence[RemoteService]) -> float:
    started = time.perf_counter()
    async with db.transaction() as conn:
        await apply_catalog(conn, supplier_id, services)
    return time.perf_counter() - started


def _line(what: str, times: Sequence[float]) -> Line:
    middle = median(times)
    return Line(what, f"{middle:.2f} s", target=f"< {TARGET_SECONDS:.0f} s", met=middle < TARGET_SECONDS)
