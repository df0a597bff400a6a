"""Delivers alarms: each open one is told over every channel that wants it, again at growing intervals, and once when it
is over.

Any number of processes may call ``deliver``. A channel is leased by one of them at a time; the lease is renewed before
each message and outlasts it, and what was told is written down right after it was taken. So a message is sent twice
only if the process dies or hangs between sending and writing down, or if the receiver took it and its answer was lost;
both copies carry the same id then. Nothing here is called by the order path, and no transaction is open during a call.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import structlog

from app.alarms.channels import Channel, get_channel, opened
from app.alarms.configs import ChannelConfig
from app.alarms.kinds import AlarmKind, Severity
from app.alarms.messages import About, Message, ToldAlarm, of_alarm, of_many, of_test
from app.alarms.transports import SEND_SECONDS, NotDelivered, send
from app.db import Connection, Database
from app.sealing import Sealer

LEASE_SECONDS = 3 * SEND_SECONDS
REMINDERS = (timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6), timedelta(hours=24))
"""How long after a message the next reminder is due; the last one goes on."""
CALM = timedelta(minutes=5)
"""A trouble that comes back within this time of the last message about it is told of only after it."""
CRITICAL_SHARE = 2
"""Critical alarms may use so many times a channel's messages an hour: less grave ones never keep them back."""
FIRST_BACKOFF = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(hours=1)
KEPT_DAYS = 90
MAX_DUE = 1000

log = structlog.get_logger()

# Channels times open alarms; both are few. now(), and not the clock, lets the index find the last messages.
_PLAN: LiteralString = """
INSERT INTO alarm_notices (alarm_id, channel_id, due_at)
SELECT a.id, c.id, GREATEST(clock_timestamp(), told.last + %(calm)s)
FROM alarms a
JOIN unnest(%(kinds)s::text[], %(ranks)s::integer[]) AS k(kind, rank) ON k.kind = a.kind
JOIN alarm_channels c ON c.active AND array_position(%(severities)s::text[], c.severity) - 1 <= k.rank
     AND (c.kinds = '{}' OR a.kind = ANY (c.kinds))
LEFT JOIN LATERAL (
    SELECT max(m.at) AS last FROM alarm_messages m JOIN alarms b ON b.id = m.alarm_id
    WHERE m.channel_id = c.id AND m.at > now() - %(calm)s AND b.kind = a.kind AND b.subject = a.subject
) told ON true
WHERE a.state = 'open' AND NOT EXISTS (SELECT FROM alarm_notices n WHERE n.alarm_id = a.id AND n.channel_id = c.id)
ON CONFLICT DO NOTHING
"""

# What was never told needs no end, and some channels want none.
_FORGET: LiteralString = """
UPDATE alarm_notices n SET state = 'over'
FROM alarms a, alarm_channels c
WHERE a.id = n.alarm_id AND c.id = n.channel_id AND n.state <> 'over' AND a.state = 'closed'
  AND (n.state = 'waiting' OR NOT c.tell_end)
"""

_CLAIM: LiteralString = """
UPDATE alarm_channels SET lease_by = %(by)s, lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id = (
    SELECT c.id FROM alarm_channels c
    WHERE c.active AND c.id <> ALL (%(done)s) AND COALESCE(c.not_before, '-infinity') <= clock_timestamp()
      AND COALESCE(c.lease_until, '-infinity') < clock_timestamp()
      AND EXISTS (SELECT FROM due_notices d WHERE d.channel_id = c.id)
    ORDER BY c.id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id
"""

_ALARMS: LiteralString = """
SELECT d.id, d.kind, d.subject, d.text, d.count, d.state, d.first_seen, d.last_seen, d.closed_at, d.sent
FROM due_notices d
JOIN unnest(%(kinds)s::text[], %(ranks)s::integer[]) AS k(kind, rank) ON k.kind = d.kind
WHERE d.channel_id = %(channel)s
ORDER BY d.state = 'closed', k.rank DESC, d.due_at, d.id
LIMIT %(limit)s
"""

_KINDS = {
    "kinds": [kind.value for kind in AlarmKind],
    "ranks": [kind.meaning.severity.rank for kind in AlarmKind],
    "severities": [severity.value for severity in Severity],
}


async def deliver(db: Database, sealer: Sealer, *, by: str | None = None) -> int:
    """Send every message that is due now and that no other process is sending; return how many were taken.

    ``by`` names the sender, one of its own for each call by default. Failures are kept with their channel, and raise
    nothing.
    """
    by = by or f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
    async with db.pool.connection() as conn:
        await conn.execute(_FORGET)
        await conn.execute(_PLAN, {**_KINDS, "calm": CALM})
    claimed = list[Channel]()
    while True:
        async with db.pool.connection() as conn:
            done = [channel.id for channel in claimed]
            cursor = await conn.execute(_CLAIM, {"by": by, "lease": LEASE_SECONDS, "done": done})
            row = await cursor.fetchone()
            if row is None:
                break
            claimed.append(await get_channel(conn, row["id"]))
    # Side by side: a channel that hangs keeps no other waiting.
    runs = [_Delivery(db, channel, by).run(sealer) for channel in claimed]
    ended = await asyncio.gather(*runs, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, BaseException):
            raise outcome
    return sum(outcome for outcome in ended if isinstance(outcome, int))


async def send_test(db: Database, sealer: Sealer, channel_id: int) -> str:
    """Send a test message over a channel and return why it was not taken, empty if it was; NotFound if there is none.

    Neither the channel's filter nor its limit applies, and its failures stay as they were unless it works.
    """
    async with db.pool.connection() as conn:
        channel = await get_channel(conn, channel_id)
    message = of_test(channel.name)
    try:
        note = await send(_config(channel, sealer), message)
    except NotDelivered as error:
        return error.text
    async with db.transaction() as conn:
        await _write_down(conn, channel.id, message, None)
        await conn.execute(
            "UPDATE alarm_channels SET failures = 0, not_before = NULL, last_error = %s WHERE id = %s",
            (note or None, channel.id),
        )
    return note


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message that a channel took; a summary is of many alarms and a test of none, so these name none."""

    id: int
    alarm_id: int | None
    about: str
    title: str
    at: datetime


async def list_messages(
    conn: Connection, channel_id: int, *, before: int | None = None, limit: int
) -> list[MessageRow]:
    """Return what a channel told, the newest first, those with an id below ``before``; NotFound if there is none."""
    await get_channel(conn, channel_id)
    cursor = await conn.execute(
        "SELECT id, alarm_id, about, title, at FROM alarm_messages"
        " WHERE channel_id = %(channel)s AND id < COALESCE(%(before)s::bigint, 9223372036854775807)"
        " ORDER BY id DESC LIMIT %(limit)s",
        {"channel": channel_id, "before": before, "limit": limit},
    )
    return [MessageRow(**row) for row in await cursor.fetchall()]


async def forget_messages(conn: Connection) -> int:
    """Remove what was told more than 90 days ago and return how many messages that were."""
    await conn.execute(
        "DELETE FROM alarm_notices n USING alarms a WHERE a.id = n.alarm_id AND n.state = 'over'"
        " AND a.closed_at < now() - make_interval(days => %s)",
        (KEPT_DAYS,),
    )
    cursor = await conn.execute("DELETE FROM alarm_messages WHERE at < now() - make_interval(days => %s)", (KEPT_DAYS,))
    return cursor.rowcount


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One channel while this process holds its lease."""

    db: Database
    channel: Channel
    by: str

    async def run(self, sealer: Sealer) -> int:
        """Send what is due and give the lease back; return how many messages were taken."""
        sent = 0
        try:
            config = _config(self.channel, sealer)
            single, rest, last = await self._due()
            for alarm in single:
                if not await self._send(config, of_alarm(alarm, self.channel.id), [alarm]):
                    return sent
                sent += 1
            if rest:
                summary = of_many(rest, total=len(rest), channel_id=self.channel.id, after=last)
                sent += await self._send(config, summary, rest)
        except NotDelivered as error:
            await self._failed(error)
        else:
            await self._release()
        return sent

    async def _due(self) -> tuple[list[ToldAlarm], list[ToldAlarm], int]:
        """Return the alarms to tell of one by one, those for a summary, and the id of the last message."""
        async with self.db.pool.connection() as conn:
            cursor = await conn.execute(_ALARMS, {**_KINDS, "channel": self.channel.id, "limit": MAX_DUE})
            due = [ToldAlarm(**{**row, "kind": AlarmKind(row["kind"])}) for row in await cursor.fetchall()]
            cursor = await conn.execute(
                "SELECT count(*) FILTER (WHERE about <> 'summary') AS told, bool_or(about = 'summary') AS summed,"
                " (SELECT COALESCE(max(id), 0) FROM alarm_messages WHERE channel_id = %(id)s) AS last"
                " FROM alarm_messages WHERE channel_id = %(id)s AND about <> 'test'"
                " AND at > now() - interval '1 hour'",
                {"id": self.channel.id},
            )
            row = await cursor.fetchone()
        used, summed, last = (row["told"], bool(row["summed"]), row["last"]) if row else (0, False, 0)
        single, rest = list[ToldAlarm](), list[ToldAlarm]()
        for alarm in due:
            share = CRITICAL_SHARE if alarm.severity is Severity.CRITICAL else 1
            if used < self.channel.per_hour * share:
                single.append(alarm)
                used += 1
            else:
                rest.append(alarm)
        # After a summary the channel stays silent until its hour has room again.
        return single, [] if summed else rest, last

    async def _send(self, config: ChannelConfig, message: Message, alarms: Sequence[ToldAlarm]) -> bool:
        """Send one message and write down that it was taken; False if the lease is another's by now."""
        async with self.db.pool.connection() as conn:
            cursor = await conn.execute(
                "UPDATE alarm_channels SET lease_until = clock_timestamp() + make_interval(secs => %s)"
                " WHERE id = %s AND lease_by = %s AND lease_until > clock_timestamp() RETURNING id",
                (LEASE_SECONDS, self.channel.id, self.by),
            )
            if await cursor.fetchone() is None:
                return False
        note = await send(config, message)
        async with self.db.transaction() as conn:
            await _write_down(conn, self.channel.id, message, alarms[0].id if len(alarms) == 1 else None)
            for alarm in alarms:
                ended = alarm.about is About.ENDED
                wait = REMINDERS[min(alarm.sent, len(REMINDERS) - 1)]
                await conn.execute(
                    "UPDATE alarm_notices SET state = %s, sent = sent + 1, due_at = clock_timestamp() + %s"
                    " WHERE alarm_id = %s AND channel_id = %s",
                    ("over" if ended else "told", wait, alarm.id, self.channel.id),
                )
            await conn.execute(
                "UPDATE alarm_channels SET failures = 0, not_before = NULL, last_error = %s WHERE id = %s",
                (note or None, self.channel.id),
            )
        log.info("an alarm was told", channel_id=self.channel.id, message=message.id, alarms=len(alarms))
        return True

    async def _failed(self, error: NotDelivered) -> None:
        """Keep what went wrong and leave the channel alone, the longer the more often it failed."""
        backoff = min(FIRST_BACKOFF * 2 ** min(self.channel.failures, 20), LONGEST_BACKOFF)
        if error.retry_after is not None:
            backoff = min(max(timedelta(seconds=error.retry_after), FIRST_BACKOFF), LONGEST_BACKOFF)
        log.warning("an alarm could not be told", channel_id=self.channel.id, error=error.text)
        async with self.db.pool.connection() as conn:
            await conn.execute(
                "UPDATE alarm_channels SET failures = failures + 1, last_error = %s, failed_at = clock_timestamp(),"
                " not_before = clock_timestamp() + %s, lease_by = NULL, lease_until = NULL"
                " WHERE id = %s AND lease_by = %s",
                (error.text, backoff, self.channel.id, self.by),
            )

    async def _release(self) -> None:
        async with self.db.pool.connection() as conn:
            await conn.execute(
                "UPDATE alarm_channels SET lease_by = NULL, lease_until = NULL WHERE id = %s AND lease_by = %s",
                (self.channel.id, self.by),
            )


def _config(channel: Channel, sealer: Sealer) -> ChannelConfig:
    try:
        return opened(channel, sealer)
    except ValueError as error:
        raise NotDelivered("no SECRET_KEY opens the channel's secrets; enter them again") from error


async def _write_down(conn: Connection, channel_id: int, message: Message, alarm_id: int | None) -> None:
    values: tuple[Any, ...] = (channel_id, alarm_id, message.about, message.title)
    await conn.execute(
        "INSERT INTO alarm_messages (channel_id, alarm_id, about, title) VALUES (%s, %s, %s, %s)", values
    )
