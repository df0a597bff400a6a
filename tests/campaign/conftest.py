"""A folder for whole runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.command import new_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's user can pass through; pytest's own are closed to others."""
    made = new_folder()
    yield made
    shutil.rmtree(made, ignore_errors=True)
