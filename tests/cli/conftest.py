"""Runs commands as a person would, against this test's own database."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli import cli

SECRET_KEY = "a secret key for commands that nobody else uses"
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """The commands configure logging; give the test process its own logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def run(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``trunkline`` with the words given and returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", conninfo)
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    runner = CliRunner()

    def invoke(*words: str, typed: str = "") -> Result:
        return runner.invoke(cli, list(words), input=typed)

    return invoke
