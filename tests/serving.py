"""Serves an ASGI app over real HTTP on a free loopback port, inside the test's own event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn


@contextlib.asynccontextmanager
async def serving(app: Any, *, graceful: bool = False, **options: Any) -> AsyncIterator[str]:
    """Lend the base URL of ``app``; the server is stopped at the end.

    ``graceful`` lets open requests end and runs the app's own shutdown; a fake that hangs must do without.
    """
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, **options)
    server = uvicorn.Server(config)
    # Not serve(): that one would take over the test process's signals.
    task = asyncio.create_task(server._serve())
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server ended before it started")
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = not graceful
        await task
