"""What every command starts with: settings, logs, and a database that is there."""

import asyncio
import getpass
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn, TypeVar

import typer

from app import embedded, logs
from app.db import Actor, Database, acting
from app.embedded.errors import EmbeddedError
from app.errors import TrunklineError
from app.migrate import migrate
from app.sealing import Sealer
from app.settings import Settings, SettingsError, load_settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """One command's settings, sealer and open database."""

    settings: Settings
    db: Database
    sealer: Sealer


def settings_or_exit(**overrides: Any) -> Settings:
    """Return the settings, with logs configured; a wrong environment ends the command with what is wrong."""
    try:
        settings = load_settings(**overrides)
    except SettingsError as error:
        fail(str(error))
    logs.configure(settings.log_level, as_json=settings.logs_as_json)
    return settings


def fail(message: str) -> NoReturn:
    """Print one sentence to standard error and end with exit code 1."""
    print(message, file=sys.stderr)
    raise typer.Exit(1)


@contextmanager
def database(settings: Settings) -> Iterator[Settings]:
    """Lend settings whose database answers: the given one, or the embedded one, started and migrated if need be.

    The embedded server is shared: it stops when the last process that uses it ends.
    """
    if settings.database_url is not None:
        yield settings
        return
    try:
        postgres = embedded.start(settings.var_dir / "postgres")
    except EmbeddedError as error:
        fail(str(error))
    # SIGTERM would end this process without the clean-up that stops the server.
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        with postgres:
            migrate(postgres.url)
            yield settings.with_database(postgres.url)
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def with_open_database(settings: Settings, work: Callable[[Session], Awaitable[T]]) -> T:
    """Run ``work`` with the database of ``settings`` open and return its result."""

    async def run() -> T:
        acting.set(Actor("command", f"{_user()}@{socket.gethostname()}"))
        db = Database(settings.database_conninfo, pool_size=4)
        await db.open()
        try:
            return await work(Session(settings, db, settings.sealer()))
        finally:
            await db.close()

    return asyncio.run(run())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user often has a number alone
        return "?"


def with_database(work: Callable[[Session], Awaitable[T]]) -> T:
    """Run ``work`` with a database and return its result; an error for the caller becomes one sentence and exit 1."""
    with database(settings_or_exit()) as settings:
        try:
            return with_open_database(settings, work)
        except TrunklineError as error:
            fail(error.message)
