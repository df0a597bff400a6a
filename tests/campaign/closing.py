"""What comes after a load: wait until nothing moves, read the three books, ask clients and the audit."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import httpx2

from app.money import format_amount
from tests.campaign import books
from tests.campaign.proof import Books
from tests.campaign.resellers import Reseller
from tests.campaign.shop import Operator
from tests.campaign.suppliers import Sold
from tests.campaign.world import ROOT, World

QUIET_SECONDS = 1.5
"""Nothing has to move for so long before it counts as quiet: a sweep may still turn something up."""


async def drain(world: World, operator: Operator, *, patience: float, lease: float) -> None:
    """Wait until nothing moves, ``patience`` seconds at most; a lease that just began lasts ``lease`` seconds."""
    quiet_since: float | None = None
    until = time.monotonic() + patience
    # A lease that began with the last kill may end only now.
    settled = time.monotonic() + lease + 6
    while time.monotonic() < until:
        world.note_deaths()
        await operator.resume()
        now = time.monotonic()
        if await asyncio.to_thread(books.moving, world.database_url):
            quiet_since = None
        else:
            quiet_since = quiet_since or now
            if now > settled or now - quiet_since > QUIET_SECONDS:
                return
        await asyncio.sleep(0.3)


async def read_books(world: World, door: httpx2.AsyncClient, resellers: Sequence[Reseller]) -> Books:
    """Return what clients were told, what Trunkline wrote and what the suppliers behind ``door`` sold."""
    told = (await door.get("/sold")).raise_for_status().json()
    ours = await asyncio.to_thread(books.read, world.database_url)
    return Books(resellers, ours, [Sold(**row) for row in told["sold"]], told["bought_twice"], world.kills)


async def misshown(resellers: Sequence[Reseller], found: Books) -> list[str]:
    """Return whose ``accountinfo`` is not the balance."""
    wrong = []
    for reseller in resellers:
        shown, known = await reseller.balance(), found.ours.balances[reseller.customer.id]
        if shown != format_amount(known):
            wrong.append(f"customer {reseller.customer.id} is shown {shown} and has {known} micro-units")
    return wrong


def audit(world: World) -> list[str]:
    """Return what ``trunkline audit`` finds."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "audit"],
        cwd=ROOT, env={**os.environ, **world.environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [] if done.returncode == 0 else [done.stdout + done.stderr]
