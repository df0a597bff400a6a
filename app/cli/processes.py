"""Keeps a set of child processes running: started together, restarted when one dies, stopped together and cleanly."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog

log = structlog.get_logger()

STOP_SECONDS = 30.0
RESTART_SECONDS = 1.0
LOOK_SECONDS = 0.2


@dataclass
class Child:
    """A command of ours (words after ``trunkline``) that must be running."""

    words: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = field(default=0.0)

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process."""
        self.process = subprocess.Popen([sys.executable, "-m", "app", *self.words], env=dict(environment))
        self.started = time.monotonic()

    @property
    def dead(self) -> bool:
        """Whether it is not running."""
        return self.process is None or self.process.poll() is not None


class Supervisor:
    """Runs children until it is told to stop by Ctrl-C or SIGTERM."""

    def __init__(self, children: Sequence[Sequence[str]], environment: Mapping[str, str]) -> None:
        """``environment`` comes on top of this process's own."""
        self._children = [Child(words) for words in children]
        self._environment = {**os.environ, **environment}
        # Not an Event: its lock may be the loop's own when the signal comes, which would then wait for itself.
        self._stopping = False

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Start the children, call ``ready``, keep them running until stopped; then stop them, the last one first.

        An exception of ``ready`` stops everything and is raised again.
        """
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for child in self._children:
                child.start(self._environment)
            if ready is not None:
                ready()
            while not self._stopping:
                self._restart_the_dead()
                time.sleep(LOOK_SECONDS)
        finally:
            self._stop_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stopping

    def pid(self, word: str) -> int | None:
        """Return the process id of the child whose command is ``word``."""
        return next((c.process.pid for c in self._children if c.words[0] == word and c.process is not None), None)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _restart_the_dead(self) -> None:
        for child in self._children:
            if child.dead and time.monotonic() - child.started > RESTART_SECONDS:
                code = child.process.returncode if child.process else None
                log.warning("a process ended and is started again", process=child.words[0], exit_code=code)
                child.start(self._environment)

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            if child.process is not None and not child.dead:
                # In a terminal Ctrl-C reached it already; a second request to stop does no harm.
                with contextlib.suppress(ProcessLookupError):
                    child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in reversed(self._children):
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a process does not stop and is killed", process=child.words[0])
                child.process.kill()
                child.process.wait()
