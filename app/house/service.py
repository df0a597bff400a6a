"""Settings that change while the program runs: read every few seconds beside the requests, so none waits for them.

What is made of settings when a process starts (a door, the pages) follows: its attributes are set anew when a setting
changed. In the process in which that was done it happens at once, in the others within ``EVERY_SECONDS``.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog

from app.db import Connection, Database
from app.errors import Invalid
from app.settings import Settings, SettingsError

log = structlog.get_logger()

EVERY_SECONDS = 5.0

CHANGEABLE = (
    "brand", "four_eyes_above", "session_idle_minutes", "session_hours", "dhru_requests_per_minute",
    "api_requests_per_minute", "duplicate_window_seconds",
)  # fmt: skip
"""The settings that may be changed so; all others are read when a process starts."""

MAX_LENGTH = 200

FollowerT = TypeVar("FollowerT")
Making = Callable[[Settings], Any]


class House:
    """The settings as they are now, and whoever follows them."""

    def __init__(self, db: Database, environment: Settings) -> None:
        """``environment`` is what counts where nothing was changed."""
        self.now = environment
        self.environment = environment
        self.changed: Mapping[str, str] = {}
        self._db = db
        self._followers: list[tuple[object, Mapping[str, Making]]] = []

    def follow(self, follower: FollowerT, **attributes: Making) -> FollowerT:
        """Set these attributes of ``follower``, each made of the settings, whenever one of those changed; return it."""
        self._followers.append((follower, attributes))
        return follower

    async def refresh(self) -> None:
        """Read what is changed now, and tell all who follow."""
        async with self._db.pool.connection() as conn:
            changed = await read(conn)
        if changed == self.changed:
            return
        try:
            self.now = settle(self.environment, changed)
        except SettingsError as error:
            log.error("changed settings do not fit the environment's, and do not count", error=str(error))
            return
        self.changed = changed
        for follower, attributes in self._followers:
            for name, making in attributes.items():
                setattr(follower, name, making(self.now))

    async def run(self) -> None:
        """Refresh for ever; while the database is away all stays as it is."""
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001  whatever it was, it is tried again
                log.warning("settings could not be read", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)


def settle(environment: Settings, changed: Mapping[str, str]) -> Settings:
    """Return the environment's settings with those in place of its own that are changed; SettingsError for a misfit."""
    known = {name: value or None for name, value in changed.items() if name in CHANGEABLE}
    return environment.replace(**known) if known else environment


async def settings_now(conn: Connection, environment: Settings) -> Settings:
    """Return the settings as they are now, for a process that does not follow them; the environment's for a misfit."""
    try:
        return settle(environment, await read(conn))
    except SettingsError as error:
        log.error("changed settings do not fit the environment's, and do not count", error=str(error))
        return environment


async def read(conn: Connection) -> dict[str, str]:
    """Return what is changed, by name."""
    rows = await (await conn.execute("SELECT name, value FROM house_settings ORDER BY name")).fetchall()
    return {row["name"]: row["value"] for row in rows}


async def change(conn: Connection, environment: Settings, wanted: Mapping[str, str | None]) -> None:
    """Change settings by name, None gives one back to the environment; ``conn`` is inside a transaction.

    Raises Invalid, with the field, for one that cannot be changed so and for a value that it cannot have.
    """
    for name, value in wanted.items():
        if name not in CHANGEABLE:
            raise Invalid("This setting is read from the environment alone.", field=name)
        if value is None:
            await conn.execute("DELETE FROM house_settings WHERE name = %s", (name,))
            continue
        if len(value) > MAX_LENGTH:
            raise Invalid(f"At most {MAX_LENGTH} characters.", field=name)
        try:
            settle(environment, {name: value})
        except SettingsError as error:
            raise Invalid(str(error).split(": ", 1)[-1], field=name) from error
        await conn.execute(
            "INSERT INTO house_settings (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE"
            " SET value = excluded.value, changed_at = now() WHERE house_settings.value <> excluded.value",
            (name, value),
        )
