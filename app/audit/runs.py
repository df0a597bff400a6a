"""Runs of the audit that are kept: made, told of by an alarm if something is broken, listed."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakSet

import orjson
from psycopg.rows import DictRow

from app.alarms.service import AlarmKind, end_alarms, raise_alarm
from app.audit.promises import AuditResult, Finding
from app.audit.service import audit
from app.clock import now
from app.db import Connection, Database
from app.errors import Conflict, NotFound

SUBJECT = "audit"
FIRST_FINDINGS = 5
"""How many findings the alarm quotes."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run that was kept; ``staff_id`` is who started it, None for the night's. See ``AuditResult``."""

    id: int
    started_at: datetime
    seconds: float
    accounts: int
    transfers: int
    orders: int
    attempts: int
    ok: bool
    breaks: dict[str, int]
    findings: list[Finding]
    staff_id: int | None


async def keep_run(db: Database, *, staff_id: int | None = None) -> RunRow:
    """Run the audit and keep what it found; a break raises the alarm, a clean run ends it.

    Two at once do no harm: each keeps its own result.
    """
    started = now()
    result = await audit(db)
    async with db.transaction() as conn:
        cursor = await conn.execute(
            "INSERT INTO audit_runs (started_at, seconds, accounts, transfers, orders, attempts, ok, breaks, findings,"
            " staff_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (
                started,
                result.seconds,
                result.accounts,
                result.transfers,
                result.orders,
                result.attempts,
                result.ok,
                orjson.dumps(dict(result.breaks)).decode(),
                orjson.dumps([asdict(finding) for finding in result.findings]).decode(),
                staff_id,
            ),
        )
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101  an insert returns its row
        run = await get_run(conn, row["id"])
        if result.ok:
            await end_alarms(conn, [AlarmKind.AUDIT_BREAK], SUBJECT)
        else:
            await raise_alarm(conn, AlarmKind.AUDIT_BREAK, SUBJECT, f"Audit run {run.id}: {_in_words(result)}")
    return run


_under_way: WeakSet[Database] = WeakSet()


async def run_now(db: Database, *, staff_id: int) -> RunRow:
    """Run the audit as ``keep_run`` does, because staff want it; Conflict while one that they wanted is under way here.

    A run holds connections that the orders of customers wait for, for as long as it takes: a button that is pressed
    again and again must not take all of them.
    """
    if db in _under_way:
        raise Conflict("The audit is running already; what it finds stands in the list when it is done.")
    _under_way.add(db)
    try:
        return await keep_run(db, staff_id=staff_id)
    finally:
        _under_way.discard(db)


def _in_words(result: AuditResult) -> str:
    counts = "; ".join(f"{promise} ({times} times)" for promise, times in result.breaks.items())
    first = "; ".join(f"{one.subject}: {one.detail}" for one in result.findings[:FIRST_FINDINGS])
    return f"broken: {counts}. {first}"


def last_due(hour: int, at: datetime) -> datetime:
    """Return the last moment up to ``at`` at which the clock in UTC showed the full ``hour``."""
    due = at.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    return due if due <= at else due - timedelta(days=1)


async def is_due(conn: Connection, hour: int) -> bool:
    """Whether no run of the night began since the last time that it was ``hour`` o'clock in UTC."""
    cursor = await conn.execute(
        "SELECT 1 FROM audit_runs WHERE staff_id IS NULL AND started_at >= %s LIMIT 1", (last_due(hour, now()),)
    )
    return await cursor.fetchone() is None


_RUNS = """
SELECT id, started_at, seconds, accounts, transfers, orders, attempts, ok, breaks, findings, staff_id FROM audit_runs
"""


async def list_runs(conn: Connection, *, before: int | None = None, limit: int) -> list[RunRow]:
    """Return the runs that were kept, newest first, those with an id below ``before``."""
    cursor = await conn.execute(
        f"{_RUNS} WHERE id < %s ORDER BY id DESC LIMIT %s", (2**63 - 1 if before is None else before, limit)
    )
    return [_run(row) for row in await cursor.fetchall()]


async def get_run(conn: Connection, run_id: int) -> RunRow:
    """Return one run; NotFound if there is none."""
    row = await (await conn.execute(f"{_RUNS} WHERE id = %s", (run_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such run of the audit.")
    return _run(row)


def _run(row: DictRow) -> RunRow:
    return RunRow(**{**row, "findings": [Finding(**finding) for finding in row["findings"]]})
