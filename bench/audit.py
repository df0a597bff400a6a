"""The audit over a history of orders: how long all promises take to prove, on the server's own settings."""

import asyncio
from statistics import median

from app.audit.promises import AuditResult
from app.audit.service import audit
from app.db import Database
from bench.history import write_history
from bench.report import Line
from bench.shop import open_shop
from bench.stage import Ground

TARGET_TRANSFERS = 10_000_000
TARGET_SECONDS = 60.0
ENOUGH = 1_000_000
"""From so many transfers on a rate says something; below, what every audit costs counts for more."""


def measure(on: Ground) -> list[Line]:
    """Return the seconds that the audit takes, and the transfers that it proves in a second."""
    url = on.database("audit")
    asyncio.run(_open(on, url))
    write_history(url, on.scale.transfers)
    results = [asyncio.run(_audit(url)) for _ in range(min(on.scale.turns, 3))]
    for result in results:
        if not result.ok:
            raise RuntimeError(f"the history is not what the order path would have left: {result.breaks}")
    seconds = median(result.seconds for result in results)
    last = results[-1]
    rate = last.transfers / seconds
    least = TARGET_TRANSFERS / TARGET_SECONDS
    what = f"audit, {last.transfers:,} transfers, {last.orders:,} orders"
    enough = last.transfers >= ENOUGH
    return [
        Line(what, f"{seconds:.1f} s"),
        Line(
            "  proved in a second",
            f"{rate:,.0f} transfers",
            target=f">= {least:,.0f} transfers" if enough else "",
            met=rate >= least if enough else None,
        ),
    ]


async def _open(on: Ground, url: str) -> None:
    db = Database(url, pool_size=2)
    await db.open()
    try:
        await open_shop(db, on.sealer(), on.scale)
    finally:
        await db.close()


async def _audit(url: str) -> AuditResult:
    db = Database(url, pool_size=2)
    await db.open()
    try:
        return await audit(db)
    finally:
        await db.close()
