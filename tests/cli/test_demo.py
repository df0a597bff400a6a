"""The demo as a newcomer meets it: a process of its own, a browser's two doors, an order that is delivered."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2

from tests.processes import running
from tests.serving import free_port

START_SECONDS = 180


@contextlib.asynccontextmanager
async def demo(folder: Path, database_url: str) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """Lend the facts that a demo wrote down and what it printed; interrupted at the end, it must exit with 0."""
    facts = folder / "demo.json"
    environment = {
        name: value for name, value in os.environ.items() if name not in {"SECRET_KEY", "REDIS_URL", "PUBLIC_URL"}
    } | {"VAR_DIR": str(folder), "PORT": str(free_port()), "DATABASE_URL": database_url}
    command = (sys.executable, "-m", "app", "demo")
    async with running(*command, environment=environment, stdout=asyncio.subprocess.PIPE, how=signal.SIGINT) as process:
        assert process.stdout is not None
        printed = ""
        async with asyncio.timeout(START_SECONDS):
            while "Ctrl-C" not in printed:
                line = await process.stdout.readline()
                assert line, printed
                printed += line.decode()
        yield json.loads(facts.read_text()), printed


async def enter(http: httpx2.AsyncClient, door: str, name: str, password: str) -> httpx2.Response:
    """Sign in as a browser does, and return the page behind the door."""
    page = (await http.get(f"{door}/sign-in")).text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": csrf, "email": name, "password": password}
    entered = await http.post(f"{door}/sign-in", data=form)
    assert entered.status_code == 303, entered.text
    return await http.get(f"{door}/")


async def test_a_newcomer_signs_in_at_both_doors_and_an_order_is_delivered(conninfo: str, tmp_path: Path) -> None:
    async with demo(tmp_path, conninfo) as (facts, printed):
        assert all(str(facts[name]) in printed for name in ("url", "username", "key", "password", "staff_email"))
        call = {"username": facts["username"], "apiaccesskey": facts["key"], "requestformat": "JSON"}
        async with httpx2.AsyncClient(base_url=facts["url"], timeout=60) as http:
            assert "Sign out" in (await enter(http, "/admin", facts["staff_email"], facts["password"])).text
            assert "Sign out" in (await enter(http, "/portal", facts["username"], facts["password"])).text
            wish = f"<PARAMETERS><ID>{facts['imei_service_id']}</ID><IMEI>356557847079356</IMEI></PARAMETERS>"
            placed = await http.post("/api/index.php", data={**call, "action": "placeimeiorder", "parameters": wish})
            number = placed.json()["SUCCESS"][0]["REFERENCEID"]
            asked = {**call, "action": "getimeiorder", "parameters": f"<PARAMETERS><ID>{number}</ID></PARAMETERS>"}
            async with asyncio.timeout(120):
                while (await http.post("/api/index.php", data=asked)).json()["SUCCESS"][0]["STATUS"] != 4:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
    async with demo(tmp_path, conninfo) as (again, _):
        assert {**again, "url": facts["url"]} == facts, "a second run keeps what is there"
