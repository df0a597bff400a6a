"""``/alarm-channels``: who is told of alarms, by e-mail, Telegram or webhook; set up by owners alone."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictBool, StrictInt

from app.admin.bodies import ExactRoute
from app.admin.deps import Owner, Parts, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, Body, Cursor, Deleted, Listing, Page, PageSize, PathId, Row
from app.alarms import channels, delivery
from app.alarms.channels import Channel
from app.alarms.configs import ChannelKind
from app.alarms.delivery import MessageRow
from app.alarms.kinds import AlarmKind, Severity
from app.alarms.messages import About

router = APIRouter(prefix="/alarm-channels", tags=["alarm channels"], route_class=ExactRoute)

_CONFIG = (
    "email: `host`, `port` (587), `security` (starttls, tls or none), `sender`, `recipients`, `username`, `password`;"
    " telegram: `chat_id`, `bot_token`, `api_url`; webhook: `url`, `secret`."
)
_KINDS = "Only these kinds of alarms; none named: all of them."
_PER_HOUR = "Messages in an hour; what is beyond is told in one summary. Critical alarms may use twice as many."


class ChannelIn(Body):
    """A channel to add. What ``config`` holds depends on the kind; its secrets are sealed and never shown."""

    name: str = Field(examples=["Night shift"])
    kind: ChannelKind
    config: dict[str, Any] = Field(
        description=_CONFIG, examples=[{"url": "https://ops.example/alarms", "secret": "at least 16 characters"}]
    )
    severity: Severity = Field(Severity.NOTICE, description="Alarms that matter less are not told.")
    kinds: list[AlarmKind] = Field([], description=_KINDS)
    tell_end: StrictBool = Field(True, description="Whether it is told that an alarm is over.")
    per_hour: StrictInt = Field(20, description=_PER_HOUR)


class ChannelChange(Body):
    """What to change; what is not named stays. In ``config`` too, secrets included; null there means the default."""

    name: str | None = None
    config: dict[str, Any] | None = Field(None, description=_CONFIG, examples=[{"recipients": ["ann@shop.example"]}])
    severity: Severity | None = None
    kinds: list[AlarmKind] | None = Field(None, description=_KINDS)
    tell_end: StrictBool | None = None
    per_hour: StrictInt | None = Field(None, description=_PER_HOUR)
    active: StrictBool | None = None


class ChannelOut(BaseModel):
    """A channel; its secrets never come back. ``failures`` in a row, the last being ``last_error`` at ``failed_at``."""

    id: int
    name: str
    kind: ChannelKind
    config: dict[str, Any]
    severity: Severity
    kinds: list[AlarmKind]
    tell_end: bool
    per_hour: int
    active: bool
    failures: int
    not_before: datetime | None = Field(description="Until then it is left alone, because it failed.")
    last_error: str | None
    failed_at: datetime | None
    created_at: datetime


class TestOut(BaseModel):
    """How a test message went; ``error`` is what the receiver or the way to it said."""

    ok: bool
    error: str = Field(examples=["HTTP 403"])


class MessageOut(Row):
    """A message that a channel took."""

    alarm_id: int | None
    about: About
    title: str
    at: datetime


@router.get("", summary="All channels")
async def list_channels(_: Reader, conn: Transaction) -> Listing[ChannelOut]:
    """How alarms are told, and which channels fail with what."""
    return Listing(items=[_out(channel) for channel in await channels.list_channels(conn)])


@router.post("", status_code=201, summary="Add a channel")
async def add_channel(body: ChannelIn, _: Owner, parts: Parts, conn: Transaction) -> ChannelOut:
    """Alarms that are open now are told over it within seconds; send a test first."""
    added = await channels.add_channel(
        conn,
        parts.sealer,
        name=body.name,
        kind=body.kind,
        config=body.config,
        severity=body.severity,
        kinds=body.kinds,
        tell_end=body.tell_end,
        per_hour=body.per_hour,
    )
    return _out(added)


@router.get("/{channel_id}", summary="One channel")
async def get_channel(channel_id: PathId, _: Reader, conn: Transaction) -> ChannelOut:
    """The channel as it is set up, without its secrets."""
    return _out(await channels.get_channel(conn, channel_id))


@router.patch("/{channel_id}", summary="Change a channel")
async def change_channel(
    channel_id: PathId, body: ChannelChange, _: Owner, parts: Parts, conn: Transaction
) -> ChannelOut:
    """A channel that failed is tried again at once."""
    changed = await channels.change_channel(
        conn,
        parts.sealer,
        channel_id,
        name=body.name,
        config=body.config,
        severity=body.severity,
        kinds=body.kinds,
        tell_end=body.tell_end,
        per_hour=body.per_hour,
        active=body.active,
    )
    return _out(changed)


@router.delete("/{channel_id}", summary="Remove a channel")
async def remove_channel(channel_id: PathId, _: Owner, conn: Transaction) -> Deleted:
    """The list of what it told goes with it."""
    await channels.remove_channel(conn, channel_id)
    return Deleted()


@router.post("/{channel_id}/test", summary="Send a test message")
async def send_test(channel_id: PathId, _: Owner, parts: Parts) -> TestOut:
    """Takes at most half a minute; filter and limit of the channel do not apply."""
    error = await delivery.send_test(parts.db, parts.sealer, channel_id)
    return TestOut(ok=not error, error=error)


@router.get("/{channel_id}/messages", summary="What a channel told")
async def list_messages(
    channel_id: PathId, _: Reader, conn: Transaction, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> Page[MessageOut]:
    """The newest first; messages are kept for 90 days."""
    rows = await delivery.list_messages(conn, channel_id, before=cursor, limit=limit + 1)
    return Page.of([_message(row) for row in rows], limit)


def _out(channel: Channel) -> ChannelOut:
    return ChannelOut(
        id=channel.id,
        name=channel.name,
        kind=ChannelKind(channel.kind),
        config=channel.config,
        severity=Severity(channel.severity),
        kinds=[AlarmKind(kind) for kind in channel.kinds],
        tell_end=channel.tell_end,
        per_hour=channel.per_hour,
        active=channel.active,
        failures=channel.failures,
        not_before=channel.not_before,
        last_error=channel.last_error,
        failed_at=channel.failed_at,
        created_at=channel.created_at,
    )


def _message(row: MessageRow) -> MessageOut:
    return MessageOut(id=row.id, alarm_id=row.alarm_id, about=About(row.about), title=row.title, at=row.at)
