"""The load generator: counts right and wrong replies, and charges a slow server for all who waited."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from bench.client import Target, closed_loop, open_loop
from bench.report import against_floor, percentile, table
from bench.wire import post

REQUEST = post("/", b"hello")


@contextlib.asynccontextmanager
async def server(replies: Sequence[bytes], *, seconds: float = 0.0) -> AsyncIterator[int]:
    """Lend the port of a server that gives these replies in turn, each ``seconds`` after its request; the empty one
    is a closed connection."""
    number = 0
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        serving.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while answer := replies[number % len(replies)]:
                await reader.readexactly(len(REQUEST))
                await asyncio.sleep(seconds)
                head, split, body = answer.partition(b"\r\n\r\n")
                number += 1
                writer.write(head + split)
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(body)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.gather(*(task for task in serving if task is not None))


def reply(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_a_closed_loop_sends_everything_once() -> None:
    async with server([reply(b'{"SUCCESS": 1}' + b" " * 500_000)]) as port:
        load = await closed_loop(Target(port, b'"SUCCESS"'), [REQUEST] * 50, 4, 30)
    assert (load.done, load.wrong, len(load.latencies)) == (50, 0, 50)


async def test_replies_of_another_kind_are_wrong() -> None:
    replies = [reply(b'{"SUCCESS": 1}'), reply(b'{"ERROR": 1}'), reply(b'{"SUCCESS": 1}', "500 Oops")]
    async with server(replies) as port:
        load = await closed_loop(Target(port, b'"SUCCESS"'), [REQUEST] * 30, 1, 30)
    assert (load.done, load.wrong) == (10, 20)


async def test_an_open_loop_counts_from_the_moment_a_request_was_due() -> None:
    async with server([reply(b'"SUCCESS"')], seconds=0.02) as port:
        load = await open_loop(Target(port, b'"SUCCESS"'), [REQUEST] * 20, 1, 1_000, 30)
    assert load.done == 20
    # Twenty are due within 20 ms, one at a time takes 20 ms: the last has waited for all between it and the first.
    assert load.latencies[-1] - load.latencies[0] > 0.02 * 19 - 0.02 - 0.01


async def test_a_turn_that_takes_too_long_is_cut_off() -> None:
    async with server([reply(b'"SUCCESS"')], seconds=0.02) as port:
        load = await closed_loop(Target(port, b'"SUCCESS"'), [REQUEST] * 100_000, 1, 2)
    assert 0 < load.done < 100_000


async def test_a_server_that_goes_away_is_an_error() -> None:
    async with server([reply(b"x"), b""]) as port:
        with pytest.raises(ConnectionError):
            await closed_loop(Target(port, b"x"), [REQUEST] * 3, 1, 30)


def test_a_ratio_is_the_median_of_the_turns_own_ratios() -> None:
    line = against_floor("x", [50, 80, 100], [100, 100, 50], target=0.7, unit="/s")
    assert (line.ratio, line.met) == (0.8, True)
    assert "80 /s" in table([line])
    assert against_floor("x", [60], [100], target=0.7, unit="/s").met is False


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0
