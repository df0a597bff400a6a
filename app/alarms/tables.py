"""Rows of the alarms: what a person should look at, who is told of it where, and which workers live."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class Alarm(Base):
    """One trouble with one subject, counted up each time it is seen again until it is closed.

    ``text`` is what was said of it last. An acknowledged alarm goes on counting without becoming open again.
    """

    __tablename__ = "alarms"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'acknowledged', 'closed')", name="state"),
        CheckConstraint("count >= 1", name="count"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_at"),
        Index("uq_alarms_live", "kind", "subject", unique=True, postgresql_where=text("state <> 'closed'")),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    count: Mapped[int] = mapped_column(server_default="1")
    state: Mapped[str] = mapped_column(server_default="open")
    first_seen: Mapped[Created]
    last_seen: Mapped[Created]
    acknowledged_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    closed_at: Mapped[datetime | None]


class AlarmChannel(Base):
    """A way to tell people of alarms. ``config`` holds the open settings, ``sealed`` the secret ones.

    It tells of alarms of at least ``severity``, and of ``kinds`` only if any are named. One process at a time sends
    over it, the holder of the lease; after failures it is left alone until ``not_before``.
    """

    __tablename__ = "alarm_channels"
    __table_args__ = (
        CheckConstraint("kind IN ('email', 'telegram', 'webhook')", name="kind"),
        CheckConstraint("severity IN ('notice', 'warning', 'critical')", name="severity"),
        CheckConstraint("per_hour BETWEEN 1 AND 1000", name="per_hour"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    severity: Mapped[str] = mapped_column(server_default="notice")
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    tell_end: Mapped[bool] = mapped_column(server_default=text("true"))
    per_hour: Mapped[int] = mapped_column(Integer, server_default="20")
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    not_before: Mapped[datetime | None]
    last_error: Mapped[str | None]
    failed_at: Mapped[datetime | None]
    lease_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[Created]


class AlarmNotice(Base):
    """What a channel has told of an alarm: nothing yet (waiting), that it is there (told), or all there is (over).

    ``sent`` counts the messages about it, those in a summary included; ``due_at`` is when the next is due while the
    alarm is open.
    """

    __tablename__ = "alarm_notices"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'told', 'over')", name="state"),
        Index("ix_alarm_notices_live", "channel_id", "due_at", postgresql_where=text("state <> 'over'")),
    )

    alarm_id: Mapped[int] = mapped_column(ForeignKey("alarms.id", ondelete="CASCADE"), primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("alarm_channels.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str] = mapped_column(server_default="waiting")
    sent: Mapped[int] = mapped_column(Integer, server_default="0")
    due_at: Mapped[Created]


class AlarmMessage(Base):
    """One message that a channel took; a summary is of many alarms and a test of none."""

    __tablename__ = "alarm_messages"
    __table_args__ = (
        CheckConstraint("about IN ('opened', 'reminder', 'ended', 'summary', 'test')", name="about"),
        Index("ix_alarm_messages_channel_id", "channel_id", "id"),
        Index("ix_alarm_messages_at", "channel_id", "at"),
    )

    id: Mapped[Id]
    channel_id: Mapped[int] = mapped_column(ForeignKey("alarm_channels.id", ondelete="CASCADE"))
    alarm_id: Mapped[int | None] = mapped_column(ForeignKey("alarms.id", ondelete="SET NULL"))
    about: Mapped[str]
    title: Mapped[str]
    at: Mapped[Created]


class SeenWorker(Base):
    """A worker process and its last sign of life."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    started_at: Mapped[Created]
    seen_at: Mapped[Created]
