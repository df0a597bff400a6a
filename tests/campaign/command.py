"""The command line around a campaign or a load: a folder to run in, which stays if something broke."""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.campaign.report import breaks

Say = Callable[[str], None]


class Found(Protocol):
    """What a run ends with."""

    @property
    def broken(self) -> Mapping[str, Sequence[str]]:
        """What breaks each promise."""


T = TypeVar("T", bound=Found)


def parser(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows ``--seed`` and ``--keep``."""
    made = argparse.ArgumentParser(prog=prog, description=description)
    made.add_argument("--seed", type=int, help="decides what is done; the moments are never the same twice")
    made.add_argument("--keep", action="store_true", help="keep the folder with logs and database")
    return made


def seed_of(arguments: argparse.Namespace) -> int:
    """Return the seed that was given, or one of chance."""
    return random.SystemRandom().randrange(10**6) if arguments.seed is None else int(arguments.seed)


def new_folder() -> Path:
    """Make a folder that the database's user can pass through; what is secret inside has a mode of its own."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-campaign-"))
    folder.chmod(0o711)
    return folder


def run_in_folder(
    run: Callable[[Path, Say], Coroutine[Any, Any, T]], show: Callable[[T], str], *, title: str, keep: bool
) -> None:
    """Run and print; the folder with logs and database stays if something broke, or with ``keep``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = new_folder()
    print(f"{title}, in {folder}", flush=True)
    try:
        result = asyncio.run(run(folder, lambda line: print(line, file=sys.stderr, flush=True)))
    except BaseException:
        print(f"It did not come to its end; logs and database are in {folder}.", file=sys.stderr)
        raise
    print(f"\n{title}.\n\n{show(result)}\n")
    good = not any(result.broken.values())
    if good and not keep:
        shutil.rmtree(folder)
    if not good:
        print(breaks(result.broken), file=sys.stderr)
        print(f"Logs and database are in {folder}.", file=sys.stderr)
        raise SystemExit(1)
