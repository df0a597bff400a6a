"""Attempts as the worker handles them: claimed with a lease, written back in sets, swept when their worker is gone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import orjson
from psycopg.errors import UniqueViolation

from app.alarms.service import Alarming, AlarmKind, about_supplier, end_alarms, raise_all
from app.connectors.base import ServiceType
from app.db import Connection
from app.orders.states import AttemptState, OrderState


@dataclass(frozen=True, slots=True)
class ClaimedAttempt:
    """An attempt that this worker holds, to send it or to look for it. One to send is in state sending, unless
    ``blocked`` says why it may not be sent now; ``blocked_seconds`` when that ends by itself, None if it does not.

    ``cost`` is for all pieces, in micro-units of ``cost_currency``; ``price`` in those of ``currency``. ``field_map``,
    ``fixed`` and ``next_after_unclear_hours`` are the route's. ``shaky`` says that its circuit is not plainly closed.
    ``max_cost`` marks an attempt that staff ordered. ``may_be_bought``: an earlier attempt was given up unclear.
    """

    attempt_id: int
    order_id: int
    service_id: int
    number: int
    route_id: int
    remote_id: str
    remote_type: ServiceType
    remote_fields: list[dict[str, Any]]
    field_map: dict[str, str]
    fixed: dict[str, str]
    device: str
    quantity: int
    fields: dict[str, str]
    file_id: int | None
    price: int
    currency: str
    sent_at: datetime | None
    blocked: str | None
    blocked_seconds: float | None
    refused_routes: list[int]
    cost: int | None
    cost_currency: str
    remote_service_id: int
    shaky: bool
    remote_paused_until: datetime | None
    forced: bool
    max_cost: int | None
    cancel_requested: bool
    may_be_bought: bool
    next_after_unclear_hours: int | None


@dataclass(frozen=True, slots=True)
class ClaimedPoll:
    """A placed attempt that this worker holds in order to ask after it; ``age_seconds`` since it was placed.

    ``late``: later than was promised. ``cancel``: somebody wants it cancelled and the supplier was not asked yet.
    ``next_after_rejection``: a definite no may be followed by another route's try, within ``price`` (of all pieces).
    """

    attempt_id: int
    order_id: int
    service_id: int
    number: int
    route_id: int
    remote_id: str
    polls: int
    age_seconds: float
    late: bool
    cancel: bool
    next_after_rejection: bool
    quantity: int
    price: int
    currency: str


@dataclass(frozen=True, slots=True)
class Write:
    """What became of one attempt, and of its order with it. ``due`` and ``next_due`` are seconds from now.

    ``next_route`` prepares a further attempt over that route; ``hold`` says why the order waits for a person instead.
    See ``record_attempts`` in the migrations.
    """

    attempt: int
    old: AttemptState
    new: AttemptState
    remote_id: str | None = None
    cost: int | None = None
    refusal: str | None = None
    text: str | None = None
    note: str | None = None
    due: float = 0
    place_exchange: int | None = None
    report_exchange: int | None = None
    order_to: OrderState | None = None
    result: str | None = None
    result_file: int | None = None
    delivered: int | None = None
    reason: str | None = None
    hold: str | None = None
    next_route: int | None = None
    next_due: float = 0
    next_forced: bool = False
    next_max_cost: int | None = None


_COLUMNS = tuple(field.name for field in fields(Write))


@dataclass(frozen=True, slots=True)
class Postponed:
    """A claimed attempt that stays as it is until ``due`` seconds from now; ``note`` is for staff.

    ``cancel_asked``: the supplier was asked to cancel and answered; they are not asked again.
    """

    attempt: int
    due: float
    note: str | None = None
    cancel_asked: bool = False


async def claim(
    conn: Connection, supplier_id: int, *, lease_by: str, lease_seconds: float, limit: int
) -> list[ClaimedAttempt]:
    """Take up to ``limit`` due attempts of a supplier; when this returns they are written down as being sent."""
    cursor = await conn.execute(
        "SELECT * FROM claim_attempts(%s, %s, make_interval(secs => %s), %s)",
        (supplier_id, lease_by, lease_seconds, limit),
    )
    return [ClaimedAttempt(**row) for row in await cursor.fetchall()]


async def claim_unclear(
    conn: Connection, supplier_id: int, *, lease_by: str, lease_seconds: float, limit: int
) -> list[ClaimedAttempt]:
    """Take up to ``limit`` unclear attempts of a supplier that are due to be looked for."""
    cursor = await conn.execute(
        "SELECT * FROM claim_unclear(%s, %s, make_interval(secs => %s), %s)",
        (supplier_id, lease_by, lease_seconds, limit),
    )
    return [ClaimedAttempt(**row) for row in await cursor.fetchall()]


async def claim_polls(
    conn: Connection, supplier_id: int, *, lease_by: str, lease_seconds: float, limit: int
) -> list[ClaimedPoll]:
    """Take up to ``limit`` placed attempts of a supplier that are due to be asked after."""
    cursor = await conn.execute(
        "SELECT * FROM claim_polls(%s, %s, make_interval(secs => %s), %s)",
        (supplier_id, lease_by, lease_seconds, limit),
    )
    return [ClaimedPoll(**row) for row in await cursor.fetchall()]


async def record(conn: Connection, writes: Sequence[Write], *, lease_by: str | None, actor: str) -> set[int]:
    """Write what became of attempts and their orders, with the money; return the attempts that were written.

    An attempt that is no longer in its old state or no longer leased by ``lease_by`` stays as it is. A supplier's id
    that another attempt of theirs holds already proves nothing, so that attempt becomes unclear instead. A supplier's
    first unclear attempt raises an alarm, its last that is cleared up ends it. ``conn`` is inside a transaction.
    """
    if not writes:
        return set()
    try:
        async with conn.transaction():
            return await _record(conn, writes, lease_by, actor)
    except UniqueViolation as error:
        if error.diag.constraint_name != "uq_attempts_remote_id":
            raise
    written: set[int] = set()
    for write in writes:
        try:
            async with conn.transaction():
                written |= await _record(conn, [write], lease_by, actor)
        except UniqueViolation as error:
            if error.diag.constraint_name != "uq_attempts_remote_id":
                raise
            written |= await _record(conn, [_not_theirs(write)], lease_by, actor)
    return written


def _not_theirs(write: Write) -> Write:
    note = f"The supplier answered with id {write.remote_id}, which is that of another order."
    return Write(
        write.attempt,
        write.old,
        AttemptState.UNCLEAR,
        text=write.text,
        note=note,
        place_exchange=write.place_exchange,
        order_to=OrderState.IN_PROGRESS,
    )


async def _record(conn: Connection, writes: Sequence[Write], lease_by: str | None, actor: str) -> set[int]:
    cursor = await conn.execute(
        "SELECT record_attempts(%s, %s, %s::json) AS written",
        (lease_by, actor, orjson.dumps([_row(write) for write in writes]).decode()),
    )
    row = await cursor.fetchone()
    written = set(row["written"]) if row else set()
    moved = [write for write in writes if write.attempt in written and write.old is not write.new]
    await _raise_alarm(conn, [write.attempt for write in moved if write.new is AttemptState.UNCLEAR])
    await _end_alarm(conn, [write.attempt for write in moved if write.old is AttemptState.UNCLEAR])
    return written


async def _raise_alarm(conn: Connection, unclear: Sequence[int]) -> None:
    """Raise the alarm of the suppliers that may or may not have these attempts."""
    if not unclear:
        return
    cursor = await conn.execute(
        "SELECT s.id, s.name, a.order_id, COALESCE(a.note, a.text, '') AS text"
        " FROM attempts a JOIN suppliers s ON s.id = a.supplier_id WHERE a.id = ANY (%s) ORDER BY a.id",
        (list(unclear),),
    )
    alarms = [
        Alarming(
            AlarmKind.UNCLEAR_ORDER,
            about_supplier(row["id"]),
            f"{row['name']} may have order {row['order_id']}: {row['text']}",
        )
        for row in await cursor.fetchall()
    ]
    await raise_all(conn, alarms)


async def _end_alarm(conn: Connection, cleared: Sequence[int]) -> None:
    """End the alarm of the suppliers of these attempts that have no other unclear one."""
    if not cleared:
        return
    cursor = await conn.execute(
        "SELECT DISTINCT a.supplier_id FROM attempts a WHERE a.id = ANY (%s) AND NOT EXISTS"
        " (SELECT FROM attempts o WHERE o.supplier_id = a.supplier_id AND o.state = 'unclear')",
        (list(cleared),),
    )
    for row in await cursor.fetchall():
        await end_alarms(conn, [AlarmKind.UNCLEAR_ORDER], about_supplier(row["supplier_id"]))


def _row(write: Write) -> dict[str, Any]:
    # What is None may be left out: a missing key is NULL to Postgres. This runs for every order, hence no asdict().
    row = {name: value for name in _COLUMNS if (value := getattr(write, name)) is not None}
    row["from"], row["to"] = row.pop("old"), row.pop("new")
    return {key: clean(value) if isinstance(value, str) else value for key, value in row.items()}


def clean(text: str) -> str:
    """Return ``text`` without what Postgres cannot keep: NUL and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


async def postpone(conn: Connection, rows: Sequence[Postponed], *, lease_by: str) -> None:
    """Give claimed attempts back unchanged, to come due again later."""
    if rows:
        payload = orjson.dumps(
            [
                {
                    "attempt": row.attempt,
                    "due": row.due,
                    "note": clean(row.note) if row.note else None,
                    "cancel_asked": row.cancel_asked,
                }
                for row in rows
            ]
        ).decode()
        await conn.execute("SELECT postpone_attempts(%s, %s::json)", (lease_by, payload))


async def ask_now(conn: Connection, supplier_id: int, remote_id: str) -> bool:
    """Let the order that a supplier has under ``remote_id`` be asked after now; False if it is none of ours."""
    row = await (await conn.execute("SELECT ask_now(%s, %s) AS known", (supplier_id, remote_id))).fetchone()
    return bool(row and row["known"])


async def look_now(conn: Connection, supplier_id: int) -> int:
    """Let the unclear attempts at a supplier be looked for now; return how many there are."""
    row = await (await conn.execute("SELECT look_now(%s) AS found", (supplier_id,))).fetchone()
    return int(row["found"]) if row else 0


async def note_duplicate(conn: Connection, attempt_id: int, text: str) -> int:
    """Let other unclear attempts for the same device at the same remote service know that the supplier called this
    attempt a duplicate: evidence that one of them arrived. They are looked for now; return how many there are."""
    cursor = await conn.execute(
        "SELECT note_duplicate(a.supplier_id, a.remote_service_id, o.device, %s) AS found"
        " FROM attempts a JOIN orders o ON o.id = a.order_id WHERE a.id = %s",
        (clean(text), attempt_id),
    )
    row = await cursor.fetchone()
    return int(row["found"]) if row else 0


async def renew(conn: Connection, attempt_ids: Sequence[int], *, lease_by: str, lease_seconds: float) -> None:
    """Hold these attempts for another ``lease_seconds``; one that was taken from this worker stays taken."""
    if attempt_ids:
        await conn.execute(
            "SELECT renew_leases(%s, make_interval(secs => %s), %s)", (lease_by, lease_seconds, list(attempt_ids))
        )


async def sweep(conn: Connection) -> list[int]:
    """Turn sends whose lease ran out into unclear attempts, with an alarm; return their ids.

    ``conn`` is inside a transaction.
    """
    row = await (await conn.execute("SELECT sweep_attempts() AS ids")).fetchone()
    orphans = list(row["ids"]) if row else []
    await _raise_alarm(conn, orphans)
    return orphans
