"""The audit log: what staff did, newest first, and acts that change no row that keeps its own history.

Rows that staff set up keep it by themselves, in triggers (``migrations/sql``); ``record_act`` is for the rest: signing
in, what was exported, a secret that was looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from app.db import Connection


@dataclass(frozen=True, slots=True)
class Act:
    """One act; without staff and customer it was the command line, a machine, or a hand on the database."""

    id: int
    at: datetime
    staff_id: int | None
    staff_name: str | None
    customer_id: int | None
    door: str
    address: str
    act: str
    subject_kind: str
    subject_id: int | None
    named: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """Which acts are shown; None shows all. ``not_about_staff_but``: of acts on staff only those on this member."""

    staff_id: int | None = None
    subject_kind: str | None = None
    subject_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    not_about_staff_but: int | None = None


async def record_act(
    conn: Connection,
    act: str,
    subject_kind: str,
    subject_id: int | None = None,
    *,
    named: str = "",
    after: Mapping[str, Any] | None = None,
    staff_id: int | None = None,
) -> None:
    """Write down an act; who it was is known of the transaction, or else is ``staff_id``. Never give it a secret."""
    await conn.execute(
        "SELECT record_act(%s, %s, %s, %s, %s, NULL, %s)",
        (staff_id, act, subject_kind, subject_id, named, Jsonb(dict(after)) if after else None),
    )


async def record_login_act(conn: Connection, login_id: int, act: str, *, own: bool = True) -> None:
    """Write down an act with a login, under the member of staff or the customer whose it is; ``own``: it was them."""
    await conn.execute("SELECT record_login_act(%s, %s, %s)", (login_id, act, own))


async def list_acts(conn: Connection, shown: Shown, *, before: int | None = None, limit: int) -> list[Act]:
    """Return acts newest first, those that came before the act with the id ``before``."""
    conditions = ["true"]
    for condition, value in (
        ("(a.at, a.id) < (SELECT b.at, b.id FROM acts b WHERE b.id = %(before)s)", before),
        ("a.staff_id = %(staff_id)s", shown.staff_id),
        ("a.subject_kind = %(subject_kind)s", shown.subject_kind),
        ("a.subject_id = %(subject_id)s", shown.subject_id),
        ("a.at >= %(since)s", shown.since),
        ("a.at < %(until)s", shown.until),
        ("(a.subject_kind <> 'staff' OR a.subject_id = %(me)s)", shown.not_about_staff_but),
    ):
        conditions += [condition] if value is not None else []
    cursor = await conn.execute(
        f"SELECT a.*, s.name AS staff_name FROM acts a LEFT JOIN staff s ON s.id = a.staff_id"  # noqa: S608  constants
        f" WHERE {' AND '.join(conditions)} ORDER BY a.at DESC, a.id DESC LIMIT %(limit)s",
        {
            "before": before,
            "staff_id": shown.staff_id,
            "subject_kind": shown.subject_kind,
            "subject_id": shown.subject_id,
            "since": shown.since,
            "until": shown.until,
            "me": shown.not_about_staff_but,
            "limit": limit,
        },
    )
    return [Act(**row) for row in await cursor.fetchall()]


async def subject_kinds(conn: Connection) -> list[str]:
    """Return every kind of subject that the log has, in order; each is found with one step through its index."""
    cursor = await conn.execute(
        "WITH RECURSIVE kinds AS ("
        " SELECT (SELECT min(subject_kind) FROM acts) AS kind"
        " UNION ALL SELECT (SELECT min(subject_kind) FROM acts WHERE subject_kind > kinds.kind) FROM kinds"
        " WHERE kinds.kind IS NOT NULL) SELECT kind FROM kinds WHERE kind IS NOT NULL"
    )
    return [row["kind"] for row in await cursor.fetchall()]
