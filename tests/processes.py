"""The processes that tests start: each ends when it is asked to, or its test fails in bounded time and says why."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping

STOP_SECONDS = 90.0
"""Longer than a supervisor waits for its own children before it kills them."""
DUMP_SECONDS = 5.0


@contextlib.asynccontextmanager
async def running(
    *words: str,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
    how: signal.Signals = signal.SIGTERM,
    codes: tuple[int, ...] = (0,),
    seconds: float = STOP_SECONDS,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command with ``environment`` in place of ours; at the end it is asked to end by the signal ``how``, and has
    to do so with one of these exit ``codes``, unless the test itself ended it.

    One that still runs after so many ``seconds`` fails the test. It is killed with everything it started, and all of
    them write first what they were doing: somebody who holds its standard output would have us wait for ever.
    """
    process = await asyncio.create_subprocess_exec(
        *words,
        # A process that is aborted says where it was.
        env={**(os.environ if environment is None else environment), "PYTHONFAULTHANDLER": "1"},
        stdout=stdout,
        start_new_session=True,  # a group of its own, which can be killed whole
    )
    try:
        yield process
    finally:
        asked = process.returncode is None
        if asked:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(how)
        ended = await _ended(process, seconds)
        if not ended:
            await _kill(process)
        command = " ".join(words[1:])
        assert ended, f"{command} did not end within {seconds:.0f} seconds"
        assert not asked or process.returncode in codes, f"{command} ended with {process.returncode}"


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Wait until a process has ended and nobody holds its output any more; False if that takes too long."""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _kill(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGABRT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        await _ended(process, DUMP_SECONDS)
