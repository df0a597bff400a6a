"""``python -m bench``: runs what is asked for and prints one table. Needs nothing but this machine."""

import argparse
import contextlib
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench import audit, dispatch, listing, pages, place, status, sync
from bench.report import Line, table
from bench.scale import FULL, QUICK
from bench.stage import Ground, Stage, ground, stage

ON_STAGE: dict[str, Callable[[Stage], list[Line]]] = {
    "place": place.measure,
    "status": status.measure,
    "list": listing.measure,
}
BY_THEMSELVES: dict[str, Callable[[Ground], list[Line]]] = {
    "dispatch": dispatch.measure,
    "sync": sync.measure,
    "audit": audit.measure,
    "pages": pages.measure,
}
NAMES = (*ON_STAGE, *BY_THEMSELVES)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print; everything that was started is stopped at the end, also by Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Trunkline beside its floors.")
    parser.add_argument("--quick", action="store_true", help="small counts: shows that the bench works, not how fast")
    parser.add_argument("--only", default=",".join(NAMES), help=f"some of {','.join(NAMES)}, separated by commas")
    parser.add_argument("--transfers", type=int, help="how many the audit goes over; 10000000 take 12 GB of disk")
    arguments = parser.parse_args(words)
    chosen = [name.strip() for name in arguments.only.split(",") if name.strip()]
    if unknown := set(chosen) - set(NAMES):
        parser.error(f"--only knows {', '.join(NAMES)}; not {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    scale = QUICK if arguments.quick else FULL
    if arguments.transfers is not None:
        scale = replace(scale, transfers=arguments.transfers)
    with ground(scale) as on:
        lines = run(on, chosen)
    print(f"\n{table(lines)}\n")
    print(_circumstances(time.monotonic() - started))


def run(on: Ground, chosen: Sequence[str]) -> list[Line]:
    """Measure what is chosen, in the order of the table."""
    lines: list[Line] = []
    with contextlib.ExitStack() as running:
        if any(name in ON_STAGE for name in chosen):
            here = running.enter_context(stage(on))
            for name, measure in ON_STAGE.items():
                if name in chosen:
                    _say(name)
                    lines += measure(here)
    for name, alone in BY_THEMSELVES.items():
        if name in chosen:
            _say(name)
            lines += alone(on)
    return lines


def _say(name: str) -> None:
    print(f"measuring: {name}", file=sys.stderr, flush=True)


def _circumstances(seconds: float) -> str:
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, load"
        f" {load:.1f}; {seconds:.0f} s. Everything, the load generator and PostgreSQL too, shares these cores: compare"
        " ratios, not figures."
    )


if __name__ == "__main__":
    main()
