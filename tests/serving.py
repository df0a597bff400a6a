"""Serves an ASGI app over real HTTP on a free loopback port, inside the test's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn


def free_port() -> int:
    """Return a port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Server(uvicorn.Server):
    """uvicorn's server, told to end by an event instead of looking every tenth of a second: thousands of tests wait."""

    def __init__(self, config: uvicorn.Config, *, graceful: bool) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()
        self.graceful = graceful

    async def main_loop(self) -> None:
        while not self.ended.is_set():
            await self.on_tick(0)  # the Date header of the next second
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.graceful:
            while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.005)
            await self.lifespan.shutdown()


@contextlib.asynccontextmanager
async def serving(
    app: Any, *, graceful: bool = False, listener: socket.socket | None = None, **options: Any
) -> AsyncIterator[str]:
    """Lend the base URL of ``app``; the server is stopped at the end.

    ``listener`` is a bound socket, for an app that has to know its own address before. ``graceful`` lets open requests
    end and runs the app's own shutdown; a fake that hangs must do without.
    """
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, **options)
    server = _Server(config, graceful=graceful)
    # Not serve(): that one would take over the test process's signals.
    task = asyncio.create_task(server._serve([listener] if listener else None))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server ended before it started")
            await asyncio.sleep(0.001)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.ended.set()
        await task
