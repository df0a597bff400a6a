"""Serves every fake on a loopback port of its own, for people who try connectors by hand."""

import asyncio
import contextlib
import json
import signal

from tests.acceptance.systems import SYSTEMS
from tests.fakes.faults import serving_fake


async def serve() -> None:
    """Run the fakes until Ctrl-C or SIGTERM, and print where each is and what config it takes."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as running:
        for name, system in SYSTEMS.items():
            fake = system.fake()
            url = await running.enter_async_context(serving_fake(fake))
            print(f"{name:20} kind {system.kind}: {json.dumps(dict(system.config(fake, url)))}", flush=True)
            print(f"{'':20} faults: POST {url}/fake/faults   counters: GET {url}/fake/state", flush=True)
        await stopped.wait()
