"""The client in a process of its own, so that it takes no time from the server's or the bench's event loop."""

import asyncio
import multiprocessing
from collections.abc import Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Any, Self

import uvloop

from bench.client import Load, Target, closed_loop, open_loop


class Generator:
    """Sends loads from one child process; as a context manager it ends that process."""

    def __init__(self, connections: int, limit: float) -> None:
        """Every load has so many ``connections`` and takes ``limit`` seconds at most."""
        self._connections = connections
        self._limit = limit
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def closed(self, target: Target, requests: Sequence[bytes]) -> Load:
        """Send the requests as fast as they are answered."""
        return self._pool.submit(_closed, target, requests, self._connections, self._limit).result()

    def paced(self, target: Target, requests: Sequence[bytes], rate: float) -> Load:
        """Send the requests at ``rate`` a second, whatever the answers do."""
        return self._pool.submit(_paced, target, requests, 4 * self._connections, rate, self._limit).result()


def _closed(target: Target, requests: Sequence[bytes], connections: int, limit: float) -> Load:
    return _run(closed_loop(target, requests, connections, limit))


def _paced(target: Target, requests: Sequence[bytes], connections: int, rate: float, limit: float) -> Load:
    return _run(open_loop(target, requests, connections, rate, limit))


def _run(load: Coroutine[Any, Any, Load]) -> Load:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load)
