"""What people are told: of one alarm, of many at once, or that a channel works. Plain text, the same on every channel.

Every message carries an id that is the same if it has to be sent again, so that a receiver can drop a second copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.alarms.kinds import AlarmKind, Severity
from app.clock import now

SUMMARY_LINES = 30
_LINE = 200


class About(StrEnum):
    """Why a message is sent."""

    OPENED = "opened"
    """An alarm is new to this channel."""
    REMINDER = "reminder"
    """It is still open."""
    ENDED = "ended"
    """It is over."""
    SUMMARY = "summary"
    """Too many at once: all of them in one message."""
    TEST = "test"
    """A person asked whether the channel works."""


@dataclass(frozen=True, slots=True)
class ToldAlarm:
    """An alarm that a channel has something to tell of; ``sent`` is how often it did so before."""

    id: int
    kind: AlarmKind
    subject: str
    text: str
    count: int
    state: str
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None
    sent: int

    @property
    def about(self) -> About:
        """Return why it is told of now."""
        if self.state == "closed":
            return About.ENDED
        return About.REMINDER if self.sent else About.OPENED

    @property
    def severity(self) -> Severity:
        """Return how much it matters."""
        return self.kind.meaning.severity


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel sends: ``title`` is one line, ``text`` several, ``data`` the same facts for programs."""

    id: str
    about: About
    title: str
    text: str
    data: dict[str, Any]


def of_alarm(alarm: ToldAlarm, channel_id: int) -> Message:
    """Return the message that tells of one alarm: what, since when, how often, and what to do."""
    meaning, about = alarm.kind.meaning, alarm.about
    label = {About.OPENED: alarm.severity.value, About.REMINDER: "still open", About.ENDED: "over"}[about]
    lines = [meaning.headline + ("." if about is not About.ENDED else ": that is over."), "", alarm.text, ""]
    lines.append(f"Subject: {alarm.subject}")
    lines.append(f"Since: {_time(alarm.first_seen)}")
    if alarm.closed_at is not None:
        lines.append(f"Until: {_time(alarm.closed_at)}")
    lines.append(f"Seen: {_times(alarm.count)}, last {_time(alarm.last_seen)}")
    if about is not About.ENDED:
        lines += ["", f"What to do: {meaning.advice}"]
    lines += ["", f"Alarm {alarm.id}, {alarm.kind}, {alarm.severity}"]
    return Message(
        id=f"alarm-{alarm.id}-{channel_id}-{'end' if about is About.ENDED else alarm.sent + 1}",
        about=about,
        title=f"[{label}] {meaning.headline} ({alarm.subject})",
        text="\n".join(lines),
        data={"alarm": _facts(alarm)},
    )


def of_many(alarms: Sequence[ToldAlarm], *, total: int, channel_id: int, after: int) -> Message:
    """Return one message about ``total`` alarms of which ``alarms`` are the gravest; ``after`` is the id of the last
    message before it."""
    lines = ["There are more alarms than this channel tells of one by one.", ""]
    for alarm in alarms[:SUMMARY_LINES]:
        word = "over" if alarm.about is About.ENDED else alarm.severity.value
        text = " ".join(alarm.text.split())
        lines.append(f"[{word}] {alarm.kind.meaning.headline} ({alarm.subject}): {text}"[:_LINE])
    if total > SUMMARY_LINES:
        lines.append(f"and {total - SUMMARY_LINES} more")
    lines += ["", "The list of alarms in the staff API has all of them."]
    return Message(
        id=f"summary-{channel_id}-{after}",
        about=About.SUMMARY,
        title=f"[summary] {total} alarms",
        text="\n".join(lines),
        data={"alarms": [_facts(alarm) for alarm in alarms[:SUMMARY_LINES]], "total": total},
    )


def of_test(channel_name: str) -> Message:
    """Return a message that says that the channel works."""
    at = now()
    return Message(
        id=f"test-{int(at.timestamp() * 1_000_000)}",
        about=About.TEST,
        title=f"[test] The alarm channel {channel_name} works",
        text=f"Somebody asked at {_time(at)} whether this channel works. It does. No alarm is behind this message.",
        data={},
    )


def _facts(alarm: ToldAlarm) -> dict[str, Any]:
    meaning = alarm.kind.meaning
    return {
        "id": alarm.id,
        "kind": alarm.kind.value,
        "severity": meaning.severity.value,
        "headline": meaning.headline,
        "advice": meaning.advice,
        "subject": alarm.subject,
        "text": alarm.text,
        "count": alarm.count,
        "state": alarm.state,
        "first_seen": alarm.first_seen.isoformat(),
        "last_seen": alarm.last_seen.isoformat(),
        "closed_at": alarm.closed_at.isoformat() if alarm.closed_at else None,
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
