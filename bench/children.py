"""Processes that the bench starts: each is stopped by its own id, whatever happens."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx2

READY_SECONDS = 120.0
STOP_SECONDS = 20.0


class ChildError(RuntimeError):
    """A process ended or kept silent although it was needed; the text has the end of what it wrote."""


@contextlib.contextmanager
def running(
    module: str, words: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python -m module words`` with ``environment`` on top of ours; what it writes goes to the file ``log``."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def serving(
    module: str, words: Sequence[str], environment: Mapping[str, str], log: Path, *, ready: str
) -> Iterator[tuple[int, int]]:
    """Run a server with ``--port`` behind ``words``; lend port and process id once the path ``ready`` answers 200."""
    port = free_port()
    with running(module, [*words, "--port", str(port)], environment, log) as child:
        until = time.monotonic() + READY_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{ready}"):
            if child.poll() is not None or time.monotonic() > until:
                raise ChildError(f"python -m {module} {' '.join(words)}: {log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield port, child.pid


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
