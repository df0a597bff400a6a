"""``python -m tests.campaign``: runs a crash campaign and prints its table; exit code 1 if a promise was broken."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.campaign.campaign import new_seed, run
from tests.campaign.plan import Plan
from tests.campaign.report import breaks, table


def main(words: Sequence[str] | None = None) -> None:
    """Run and print; the folder with logs and database stays if something broke, or with ``--keep``."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, help="chooses victims and faults; the moments are never the same twice")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and database")
    arguments = parser.parse_args(words)
    plan = Plan(arguments.rounds, new_seed() if arguments.seed is None else arguments.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="trunkline-campaign-"))
    folder.chmod(0o711)  # the database's user passes through it; what is secret inside has a mode of its own
    print(f"seed {plan.seed}, {plan.rounds} rounds, in {folder}", flush=True)
    try:
        result = asyncio.run(run(plan, folder, lambda line: print(line, file=sys.stderr, flush=True)))
    except BaseException:
        print(f"The campaign did not come to its end; logs and database are in {folder}.", file=sys.stderr)
        raise
    print(f"\nSeed {plan.seed}, {result.seconds:.0f} seconds.\n\n{table(result)}\n")
    if result.good and not arguments.keep:
        shutil.rmtree(folder)
    if not result.good:
        print(breaks(result.broken), file=sys.stderr)
        print(f"Logs and database are in {folder}.", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
