"""``trunkline fakes`` runs every fake where it says."""

import asyncio
import json
import sys

import httpx2

from tests.acceptance.systems import SYSTEMS
from tests.processes import running


async def test_every_fake_is_where_it_says() -> None:
    async with running(sys.executable, "-m", "app", "fakes", stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        async with asyncio.timeout(120), httpx2.AsyncClient(timeout=60) as client:
            for name, system in SYSTEMS.items():
                line = (await process.stdout.readline()).decode()
                assert line.split()[:3] == [name, "kind", f"{system.kind}:"]
                config = json.loads(line[line.index("{") :])
                counters = (await process.stdout.readline()).decode().split()[-1]
                assert counters.removesuffix("/fake/state") in config["base_url"]
                state = (await client.get(counters)).json()
                assert (state["accepted"], state["bought_twice"]) == (0, 0)
