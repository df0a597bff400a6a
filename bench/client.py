"""An HTTP/1.1 client that costs little beside what it measures: finished bytes out, the least of parsing in.

It understands what our own servers send: replies with a Content-Length on connections that stay open.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and what a right reply has in the first piece that arrives of it."""

    port: int
    marker: bytes


@dataclass(frozen=True, slots=True)
class Load:
    """What became of a load: ``done`` right replies in ``seconds``, ``wrong`` ones, and how long each took.

    Closed loop: from sending. Open loop: from the moment the request was due, whether or not it could be sent then, so
    that a server which stalls is charged for all that waited.
    """

    done: int
    wrong: int
    seconds: float
    latencies: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Right replies per second."""
        return self.done / self.seconds


class Connection(asyncio.Protocol):
    """One connection with one request at a time on it."""

    def __init__(
        self, marker: bytes, answered: Callable[["Connection", bool], None], lost: Callable[[str], None]
    ) -> None:
        self.due = 0.0
        self._marker = marker
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._right = False
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but not by inheritance

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at ``due`` (perf_counter); ``answered`` is called when the reply is complete."""
        assert self._transport is not None
        self.due = due
        self._head = b""
        self._missing = 0
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            data = self._head + data
            split = data.find(b"\r\n\r\n")
            if split < 0 or split + 4 == len(data):
                self._head = data  # head and body may come one after the other
                return
            head = data[:split].lower()
            start = head.find(b"content-length:")
            if start < 0:
                self._lost(f"a reply without a length: {head[:200]!r}")
                return
            length = int(head[start + 15 :].split(b"\r\n", 1)[0])
            self._right = head[9:12] == b"200" and self._marker in data
            self._missing = length - (len(data) - split - 4)
        if self._missing == 0:
            self._answered(self, self._right)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._lost(f"the server closed a connection: {error or 'no error'}, {self._head[:200]!r}")

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()


class Gang:
    """A number of connections to one target, and the tally of what they were answered."""

    def __init__(self, target: Target) -> None:
        self.idle: list[Connection] = []
        self.done = self.wrong = 0
        self.latencies: list[float] = []
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.next: Callable[[Connection], None] = self.idle.append
        self._target = target
        self._all: list[Connection] = []

    async def connect(self, count: int) -> None:
        """Open the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, connection = await loop.create_connection(
                lambda: Connection(self._target.marker, self._answered, self.fail), "127.0.0.1", self._target.port
            )
            self._all.append(connection)
        self.idle.extend(self._all)

    def _answered(self, connection: Connection, right: bool) -> None:
        if self.finished.done():
            return
        self.latencies.append(perf_counter() - connection.due)
        if right:
            self.done += 1
        else:
            self.wrong += 1
        self.next(connection)

    def fail(self, why: str) -> None:
        """End the load with an error."""
        if not self.finished.done():
            self.finished.set_exception(ConnectionError(why))

    async def end(self, started: float, limit: float) -> Load:
        """Wait until all is answered, at most ``limit`` seconds; close everything and return the tally."""
        try:
            async with asyncio.timeout(limit):
                await asyncio.shield(self.finished)
        except TimeoutError:
            self.finished.cancel()
        finally:
            seconds = perf_counter() - started
            for connection in self._all:
                connection.close()
        return Load(self.done, self.wrong, seconds, tuple(self.latencies))


async def closed_loop(target: Target, requests: Sequence[bytes], connections: int, limit: float) -> Load:
    """Send every request, each connection the next one as soon as it has its answer."""
    gang = Gang(target)
    await gang.connect(min(connections, len(requests)))
    waiting = iter(requests)

    def send_next(connection: Connection) -> None:
        request = next(waiting, None)
        if request is not None:
            connection.send(request, perf_counter())
        elif gang.done + gang.wrong == len(requests) and not gang.finished.done():
            gang.finished.set_result(None)

    gang.next = send_next
    started = perf_counter()
    for connection in gang.idle:
        send_next(connection)
    return await gang.end(started, limit)


async def open_loop(target: Target, requests: Sequence[bytes], connections: int, rate: float, limit: float) -> Load:
    """Send every request at its due time, ``rate`` a second, or as soon after it as a connection is free."""
    gang = Gang(target)
    await gang.connect(connections)
    loop = asyncio.get_running_loop()
    late: deque[tuple[bytes, float]] = deque()
    sent = 0
    started = perf_counter()

    def due_now() -> None:
        nonlocal sent
        while sent < len(requests) and (due := started + sent / rate) <= perf_counter():
            late.append((requests[sent], due))
            sent += 1
        while late and gang.idle:
            gang.idle.pop().send(*late.popleft())
        if sent < len(requests) and not gang.finished.done():
            loop.call_later(max(started + sent / rate - perf_counter(), 0.0), due_now)

    def free(connection: Connection) -> None:
        if late:
            connection.send(*late.popleft())
            return
        gang.idle.append(connection)
        if gang.done + gang.wrong == len(requests) and not gang.finished.done():
            gang.finished.set_result(None)

    gang.next = free
    due_now()
    return await gang.end(started, limit)
