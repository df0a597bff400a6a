"""The command ``fakes``: faithful fakes of the supplier systems, to add as suppliers and to break on purpose."""

import asyncio
import importlib
import sys
from pathlib import Path

from app.cli.session import fail


def fakes() -> None:
    """Run a fake of every supplier system on loopback and print the config to add each with.

    They follow the suppliers' documents, count what was really bought (GET /fake/state) and go wrong on demand
    (POST /fake/faults with a list such as [{"kind": "hang", "action": "placeimeiorder"}]). They come with the source
    and not with an installed package. Example: trunkline fakes
    """
    sys.path.insert(0, str(Path(__file__).parents[2]))
    try:
        served = importlib.import_module("tests.fakes.serve")
    except ModuleNotFoundError:
        fail("The fakes come with the source: run this in a checkout, after make setup.")
    asyncio.run(served.serve())
