"""Alarms: raised by whoever sees trouble, counted while it lasts, acknowledged and closed by staff or by its end.

Raising is the last thing a transaction does: the row is shared by all who see the same trouble, and what comes after
it would keep them waiting.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.alarms.kinds import AlarmKind
from app.db import Connection
from app.errors import NotFound

__all__ = [
    "MAX_TEXT",
    "AlarmKind",
    "AlarmRow",
    "Alarming",
    "about_customer",
    "about_supplier",
    "acknowledge_alarm",
    "close_alarm",
    "end_alarms",
    "list_alarms",
    "live_about",
    "raise_alarm",
    "raise_all",
]

MAX_TEXT = 1000


class Alarming(NamedTuple):
    """Something to raise an alarm about."""

    kind: AlarmKind
    subject: str
    text: str


def about_supplier(supplier_id: int) -> str:
    """Return the subject of alarms about a supplier."""
    return f"supplier {supplier_id}"


def about_customer(customer_id: int) -> str:
    """Return the subject of alarms about a customer."""
    return f"customer {customer_id}"


async def raise_alarm(conn: Connection, kind: AlarmKind, subject: str, text: str) -> None:
    """Open an alarm about ``subject``, or count up the one that is live, which then says ``text``."""
    await conn.execute(
        "INSERT INTO alarms AS a (kind, subject, text) VALUES (%s, %s, %s)"
        " ON CONFLICT (kind, subject) WHERE state <> 'closed'"
        " DO UPDATE SET count = a.count + 1, last_seen = clock_timestamp(), text = excluded.text",
        (kind, subject, text.replace("\x00", "").encode("utf-8", "replace").decode()[:MAX_TEXT]),
    )


async def raise_all(conn: Connection, found: Iterable[Alarming]) -> None:
    """Raise each alarm once per kind and subject, in an order that keeps transactions from waiting in a circle."""
    once = {(alarm.kind, alarm.subject): alarm for alarm in found}
    for _, alarm in sorted(once.items()):
        await raise_alarm(conn, *alarm)


async def end_alarms(conn: Connection, kinds: Iterable[AlarmKind], subject: str) -> None:
    """Close the live alarms of these kinds about ``subject``, because what they were about is over."""
    await conn.execute(
        "UPDATE alarms SET state = 'closed', closed_at = clock_timestamp()"
        " WHERE kind = ANY (%s) AND subject = %s AND state <> 'closed'",
        (sorted(kinds), subject),
    )


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm as staff see it; ``acknowledged_by`` is the id of who did."""

    id: int
    kind: str
    subject: str
    text: str
    count: int
    state: str
    first_seen: datetime
    last_seen: datetime
    acknowledged_by: int | None
    closed_at: datetime | None


_ALARMS = """
SELECT id, kind, subject, text, count, state, first_seen, last_seen, acknowledged_by, closed_at FROM alarms
"""


async def list_alarms(conn: Connection, *, state: str | None = None, after: int = 0, limit: int) -> list[AlarmRow]:
    """Return alarms with an id above ``after`` in order of id: those in ``state``, or all that are not closed."""
    cursor = await conn.execute(
        f"{_ALARMS} WHERE id > %(after)s AND CASE WHEN %(state)s::text IS NULL THEN state <> 'closed'"
        " ELSE state = %(state)s END ORDER BY id LIMIT %(limit)s",
        {"after": after, "state": state, "limit": limit},
    )
    return [AlarmRow(**row) for row in await cursor.fetchall()]


async def live_about(conn: Connection, subjects: Sequence[str]) -> list[AlarmRow]:
    """Return the alarms about any of these subjects that are not closed, in order of id."""
    cursor = await conn.execute(
        f"{_ALARMS} WHERE state <> 'closed' AND subject = ANY (%s) ORDER BY id", (list(subjects),)
    )
    return [AlarmRow(**row) for row in await cursor.fetchall()]


async def acknowledge_alarm(conn: Connection, alarm_id: int, *, staff_id: int) -> AlarmRow:
    """Say that somebody is at it, and return the alarm; one that is not open stays as it is. NotFound if none."""
    await conn.execute(
        "UPDATE alarms SET state = 'acknowledged', acknowledged_by = %s WHERE id = %s AND state = 'open'",
        (staff_id, alarm_id),
    )
    return await _get(conn, alarm_id)


async def close_alarm(conn: Connection, alarm_id: int) -> AlarmRow:
    """Say that it is over, and return the alarm; the same trouble seen again opens a new one. NotFound if none."""
    await conn.execute(
        "UPDATE alarms SET state = 'closed', closed_at = clock_timestamp() WHERE id = %s AND state <> 'closed'",
        (alarm_id,),
    )
    return await _get(conn, alarm_id)


async def _get(conn: Connection, alarm_id: int) -> AlarmRow:
    row = await (await conn.execute(f"{_ALARMS} WHERE id = %s", (alarm_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such alarm.")
    return AlarmRow(**row)
