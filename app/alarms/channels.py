"""Channels: the ways in which people are told of alarms, set up by staff, their secrets sealed and never shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from pydantic import SecretStr, ValidationError

from app.alarms.configs import CONFIGS, SECRETS, ChannelConfig, ChannelKind
from app.alarms.kinds import AlarmKind, Severity
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.sealing import Sealer

_ADDRESSES = ("host", "api_url", "url")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it is kept: ``config`` without its secrets, which are ``sealed``; no ``kinds`` means all of them.

    ``failures`` counts those since it last worked; until ``not_before`` it is left alone.
    """

    id: int
    name: str
    kind: str
    config: dict[str, Any]
    sealed: bytes
    severity: str
    kinds: list[str]
    tell_end: bool
    per_hour: int
    active: bool
    failures: int
    not_before: datetime | None
    last_error: str | None
    failed_at: datetime | None
    created_at: datetime


_CHANNELS = (
    "SELECT id, name, kind, config, sealed, severity, kinds, tell_end, per_hour, active, failures, not_before,"
    " last_error, failed_at, created_at FROM alarm_channels"
)


async def add_channel(
    conn: Connection,
    sealer: Sealer,
    *,
    name: str,
    kind: ChannelKind,
    config: Mapping[str, object],
    severity: Severity = Severity.NOTICE,
    kinds: Sequence[AlarmKind] = (),
    tell_end: bool = True,
    per_hour: int = 20,
) -> Channel:
    """Add a channel and return it; alarms that are open now are told over it too.

    Raises Invalid for a config that the kind does not take, Conflict for a name that is taken.
    """
    name = _name(name)
    open_part, secrets = _split(kind, config)
    try:
        async with conn.transaction():
            cursor = await conn.execute(
                "INSERT INTO alarm_channels (name, kind, config, sealed, severity, kinds, tell_end, per_hour)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
                (
                    name,
                    kind,
                    Jsonb(open_part),
                    sealer.seal(orjson.dumps(secrets).decode()),
                    severity,
                    sorted(set(kinds)),
                    tell_end,
                    _per_hour(per_hour),
                ),
            )
            row = await cursor.fetchone()
    except UniqueViolation as error:
        raise Conflict("An alarm channel of this name exists.", field="name") from error
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return await get_channel(conn, row["id"])


async def change_channel(
    conn: Connection,
    sealer: Sealer,
    channel_id: int,
    *,
    name: str | None = None,
    config: Mapping[str, object] | None = None,
    severity: Severity | None = None,
    kinds: Sequence[AlarmKind] | None = None,
    tell_end: bool | None = None,
    per_hour: int | None = None,
    active: bool | None = None,
) -> Channel:
    """Change what is given and return the channel; one that failed is tried again at once. ``conn`` is inside a
    transaction.

    ``config`` holds the values to change, secrets included; None takes one back to its default. Raises NotFound,
    Invalid, and Conflict for a name that is taken.
    """
    channel = await get_channel(conn, channel_id, for_update=True)
    parts = None if config is None else _merged(channel, sealer, config)
    try:
        async with conn.transaction():
            await conn.execute(
                "UPDATE alarm_channels SET name = COALESCE(%(name)s, name),"
                " severity = COALESCE(%(severity)s, severity),"
                " kinds = COALESCE(%(kinds)s::text[], kinds), tell_end = COALESCE(%(tell_end)s, tell_end),"
                " per_hour = COALESCE(%(per_hour)s, per_hour), active = COALESCE(%(active)s, active),"
                " config = COALESCE(%(config)s, config), sealed = COALESCE(%(sealed)s, sealed),"
                " failures = 0, not_before = NULL WHERE id = %(id)s",
                {
                    "id": channel_id,
                    "name": None if name is None else _name(name),
                    "severity": severity,
                    "kinds": None if kinds is None else sorted(set(kinds)),
                    "tell_end": tell_end,
                    "per_hour": None if per_hour is None else _per_hour(per_hour),
                    "active": active,
                    "config": None if parts is None else Jsonb(parts[0]),
                    "sealed": None if parts is None else sealer.seal(orjson.dumps(parts[1]).decode()),
                },
            )
    except UniqueViolation as error:
        raise Conflict("An alarm channel of this name exists.", field="name") from error
    return await get_channel(conn, channel_id)


async def remove_channel(conn: Connection, channel_id: int) -> None:
    """Remove a channel with the list of what it told; NotFound if there is none."""
    cursor = await conn.execute("DELETE FROM alarm_channels WHERE id = %s RETURNING id", (channel_id,))
    if await cursor.fetchone() is None:
        raise NotFound("There is no such alarm channel.")


async def get_channel(conn: Connection, channel_id: int, *, for_update: bool = False) -> Channel:
    """Return a channel; NotFound if there is none."""
    lock = "FOR UPDATE" if for_update else ""
    row = await (await conn.execute(f"{_CHANNELS} WHERE id = %s {lock}", (channel_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such alarm channel.")
    return Channel(**row)


async def list_channels(conn: Connection) -> list[Channel]:
    """Return all channels in the order they came."""
    cursor = await conn.execute(f"{_CHANNELS} ORDER BY id")
    return [Channel(**row) for row in await cursor.fetchall()]


def opened(channel: Channel, sealer: Sealer) -> ChannelConfig:
    """Return the whole config of a channel; ValueError if no SECRET_KEY opens it or this program cannot use it."""
    secrets = orjson.loads(sealer.open(channel.sealed))
    return CONFIGS[ChannelKind(channel.kind)].model_validate({**channel.config, **secrets})


async def reseal_channels(conn: Connection, sealer: Sealer) -> int:
    """Seal every channel's secrets with the newest key and return how many there are.

    ``conn`` is inside a transaction. Conflict if there is one that no key opens; then none is to be changed.
    """
    cursor = await conn.execute("SELECT id, name, sealed FROM alarm_channels ORDER BY id FOR UPDATE")
    rows = await cursor.fetchall()
    for row in rows:
        try:
            sealed = sealer.reseal(row["sealed"])
        except ValueError as error:
            raise Conflict(
                f"No SECRET_KEY opens the secrets of alarm channel {row['name']}; enter them again."
            ) from error
        await conn.execute("UPDATE alarm_channels SET sealed = %s WHERE id = %s", (sealed, row["id"]))
    return len(rows)


def _split(kind: ChannelKind, config: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """Check a config against its kind; return its open and its secret part."""
    try:
        checked = CONFIGS[kind].model_validate(config)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(["config", *(str(part) for part in first["loc"])])
        raise Invalid(f"{where}: {first['msg'].removeprefix('Value error, ')}", field=where) from error
    secrets = {
        name: value.get_secret_value()
        for name in SECRETS
        if isinstance(value := getattr(checked, name, None), SecretStr)
    }
    return checked.model_dump(mode="json", exclude=set(SECRETS)), secrets


def _merged(
    channel: Channel, sealer: Sealer, changes: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, str]]:
    try:
        secrets = orjson.loads(sealer.open(channel.sealed))
    except ValueError:
        secrets = {}  # no SECRET_KEY opens them any more: they have to be given again
    values = {key: value for key, value in {**channel.config, **secrets, **changes}.items() if value is not None}
    open_part, secret_part = _split(ChannelKind(channel.kind), values)
    if any(_host(open_part.get(name)) != _host(channel.config.get(name)) for name in _ADDRESSES):
        # Else whoever may change the address could have a secret sent to a server of their own.
        for name in sorted(secrets.keys() - changes.keys()):
            if secrets[name]:
                raise Invalid("At another host the secrets have to be entered again.", field=f"config.{name}")
    return open_part, secret_part


def _host(address: object) -> str | None:
    text = str(address or "")
    return urlsplit(text).hostname if "://" in text else text.lower()


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 200:
        raise Invalid("A name has 1 to 200 characters.", field="name")
    return name


def _per_hour(number: int) -> int:
    if not 1 <= number <= 1000:
        raise Invalid("A channel takes 1 to 1000 messages an hour.", field="per_hour")
    return number
