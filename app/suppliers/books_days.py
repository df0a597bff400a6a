"""The books of suppliers day by day: what a supplier should hold by our attempts against what it says it holds.

A day is closed when it is over, and again while anything of it may still change: an attempt in doubt, a difference that
is not explained, one that is. Closing it again gives the same unless the facts are others. A difference that staff
explained is never overwritten: what differs from it later is open again, and their note stays.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, LiteralString

from app.alarms.service import AlarmKind, about_supplier, end_alarms, raise_alarm
from app.clock import now
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.money import format_amount
from app.suppliers.books import books_until

REOPENED_DAYS = 14
"""So long a day is closed again while it is not settled."""
MAX_NOTE = 2000


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day as staff see it; see ``SupplierDay`` for what the amounts are. ``unexplained`` is what of the difference no
    note explains, None where no difference can be told."""

    id: int
    supplier_id: int
    supplier: str
    day: date
    currency: str
    from_at: datetime
    to_at: datetime
    opening: int | None
    opening_at: datetime | None
    closing: int | None
    closing_at: datetime | None
    deposits: int
    cost: int
    given_back: int
    in_doubt: int
    in_return: int
    left_out: int
    expected: int
    difference: int | None
    unexplained: int | None
    state: str
    note: str
    explained_at: datetime | None
    staff_id: int | None
    computed_at: datetime


_DAYS: LiteralString = """
SELECT d.id, d.supplier_id, s.name AS supplier, d.day, d.currency, d.from_at, d.to_at, d.opening, d.opening_at,
       d.closing, d.closing_at, d.deposits, d.cost, d.given_back, d.in_doubt, d.in_return, d.left_out, d.expected,
       d.difference, d.difference - COALESCE(d.explained, 0) AS unexplained, d.state, d.note, d.explained_at,
       d.staff_id, d.computed_at
FROM supplier_days d JOIN suppliers s ON s.id = d.supplier_id
"""
# Days that are over: yesterday, those that were missed since the last one, and those that may still change.
_DUE: LiteralString = """
SELECT s.id AS supplier_id, due.day::date AS day
FROM suppliers s
CROSS JOIN LATERAL (SELECT max(day) AS day FROM supplier_days d WHERE d.supplier_id = s.id) last
CROSS JOIN LATERAL generate_series(
    GREATEST(COALESCE(last.day + 1, %(today)s::date - 1), %(today)s::date - %(days)s), %(today)s::date - 1,
    interval '1 day') due(day)
UNION
SELECT supplier_id, day FROM supplier_days
WHERE day >= %(today)s::date - %(days)s
  AND (day = %(today)s::date - 1 OR state <> 'ok' OR in_doubt <> 0 OR in_return <> 0)
ORDER BY supplier_id, day
"""
# The last reading of those that no attempt was under way at, else the last one.
_LAST_READING: LiteralString = """
SELECT r.amount, r.asked_at, r.at
FROM (SELECT * FROM balance_readings
      WHERE supplier_id = %(supplier)s AND currency = %(currency)s AND at > %(since)s AND at <= %(until)s
      ORDER BY at DESC LIMIT 24) r
ORDER BY EXISTS (
    SELECT FROM attempt_charges c
    WHERE c.supplier_id = %(supplier)s AND c.sent_at > r.asked_at - interval '10 minutes' AND c.sent_at < r.at
      AND c.charged_by > r.asked_at AND c.state IN ('sending', 'placed', 'done', 'failed', 'unclear', 'abandoned')
), r.at DESC LIMIT 1
"""
_FIRST_READING: LiteralString = """
SELECT amount, asked_at, at FROM balance_readings
WHERE supplier_id = %(supplier)s AND currency = %(currency)s AND at > %(since)s AND at <= %(until)s ORDER BY at LIMIT 1
"""
_READING_AT: LiteralString = """
SELECT amount, asked_at, at FROM balance_readings
WHERE supplier_id = %(supplier)s AND currency = %(currency)s AND at = %(at)s ORDER BY id DESC LIMIT 1
"""
# An attempt is charged in the time in which it was sent, and given back in the time in which we heard that it failed.
# What may have fallen on the other side of a reading is in doubt, or in return.
_MOVED: LiteralString = """
SELECT COALESCE(sum(cost) FILTER (WHERE same AND bought AND inside), 0)::bigint AS cost,
       COALESCE(sum(cost) FILTER (WHERE same AND back), 0)::bigint AS given_back,
       COALESCE(sum(cost) FILTER (WHERE same AND (
           (NOT bought AND inside)
           OR (bought AND sent_at <= %(from)s AND charged_by > %(from_asked)s)
           OR (back AND sent_at <= %(from)s))), 0)::bigint AS in_doubt,
       COALESCE(sum(cost) FILTER (WHERE same AND bought AND (
           (inside AND charged_by > %(to_asked)s)
           OR (state = 'failed' AND sent_at <= %(to)s AND closed_at > %(to)s)
           OR (in_part AND inside))), 0)::bigint AS in_return,
       count(*) FILTER (WHERE NOT same AND (inside OR back)) AS left_out
FROM (
    SELECT c.*, c.state IN ('placed', 'done', 'failed') AS bought,
           c.sent_at > %(from)s AND c.sent_at <= %(to)s AS inside,
           c.state = 'failed' AND c.closed_at > %(from)s AND c.closed_at <= %(to)s AS back,
           c.cost IS NOT NULL AND c.currency = %(currency)s AS same
    FROM attempt_charges c
    WHERE c.supplier_id = %(supplier)s AND c.state IN ('sending', 'placed', 'done', 'failed', 'unclear', 'abandoned')
      AND ((c.sent_at > %(from)s - interval '10 minutes' AND c.sent_at <= %(to)s)
           OR (c.state = 'failed' AND c.closed_at > %(from)s AND c.sent_at <= %(to)s))
) c
"""
_PAID_IN: LiteralString = """
SELECT COALESCE(sum(amount) FILTER (WHERE currency = %(currency)s), 0)::bigint AS deposits,
       count(*) FILTER (WHERE currency <> %(currency)s) AS left_out
FROM supplier_deposits WHERE supplier_id = %(supplier)s AND at > %(from)s AND at <= %(to)s
"""
_WRITE: LiteralString = """
INSERT INTO supplier_days AS d (
    supplier_id, day, currency, from_at, to_at, opening, opening_at, closing, closing_at, deposits, cost, given_back,
    in_doubt, in_return, left_out, expected, difference, state, note, computed_at)
VALUES (
    %(supplier)s, %(day)s, %(currency)s, %(from)s, %(to)s, %(opening)s, %(opening_at)s, %(closing)s, %(closing_at)s,
    %(deposits)s, %(cost)s, %(given_back)s, %(in_doubt)s, %(in_return)s, %(left_out)s, %(expected)s, %(difference)s,
    %(state)s, %(note)s, now())
ON CONFLICT (supplier_id, day) DO UPDATE SET
    currency = excluded.currency, from_at = excluded.from_at, to_at = excluded.to_at, opening = excluded.opening,
    opening_at = excluded.opening_at, closing = excluded.closing, closing_at = excluded.closing_at,
    deposits = excluded.deposits, cost = excluded.cost, given_back = excluded.given_back, in_doubt = excluded.in_doubt,
    in_return = excluded.in_return, left_out = excluded.left_out, expected = excluded.expected,
    difference = excluded.difference, state = excluded.state, computed_at = excluded.computed_at
RETURNING d.id
"""


async def due_days(conn: Connection) -> list[tuple[int, date]]:
    """Return the supplier and the day of each day that is to be closed now, or again, the oldest first."""
    cursor = await conn.execute(_DUE, {"today": now().astimezone(UTC).date(), "days": REOPENED_DAYS})
    return [(row["supplier_id"], row["day"]) for row in await cursor.fetchall()]


async def close_day(conn: Connection, supplier_id: int, day: date) -> DayRow:
    """Close the books of a supplier for a day that is over, or once more, and return the day.

    ``conn`` is inside a transaction; the alarm about differences is raised or ended with it. Raises NotFound for no
    such supplier, Invalid for a day that is not over.
    """
    start = datetime.combine(day, time.min, UTC)
    if start + timedelta(days=1) > now():
        raise Invalid("A day is closed when it is over.", field="day")
    # One at a time for each supplier, whoever closes.
    cursor = await conn.execute(
        "SELECT name, currency::text AS currency, books_tolerance FROM suppliers WHERE id = %s FOR NO KEY UPDATE",
        (supplier_id,),
    )
    supplier = await cursor.fetchone()
    if supplier is None:
        raise NotFound("There is no such supplier.")
    cursor = await conn.execute("SELECT * FROM supplier_days WHERE supplier_id = %s AND day = %s", (supplier_id, day))
    earlier = await cursor.fetchone()
    values = await _window(conn, supplier_id, start, earlier, earlier["currency"] if earlier else supplier["currency"])
    paid_in = await (await conn.execute(_PAID_IN, values)).fetchone() or {}
    moved = await (await conn.execute(_MOVED, values)).fetchone() or {}
    values |= {**moved, "deposits": paid_in["deposits"], "left_out": paid_in["left_out"] + moved["left_out"]}
    values["expected"] = values["begin"] + values["deposits"] - values["cost"] + values["given_back"]
    known = values["opening"] is not None and values["closing"] is not None and not values["left_out"]
    values["difference"] = values["closing"] - values["expected"] if known else None
    values["state"] = _state(values, supplier["books_tolerance"], earlier["explained"] if earlier else None)
    values["note"] = earlier["note"] if earlier else ""
    row = await (await conn.execute(_WRITE, values)).fetchone()
    assert row is not None  # noqa: S101  INSERT ... DO UPDATE ... RETURNING returns its row
    closed = await get_day(conn, row["id"])
    if earlier is None or (earlier["state"], earlier["difference"]) != (closed.state, closed.difference):
        await _tell(conn, closed)
    return closed


async def _window(
    conn: Connection, supplier_id: int, start: datetime, earlier: dict[str, Any] | None, currency: str
) -> dict[str, Any]:
    """Return from when to when the books of a day run, and the balances there; they are chosen once."""
    end = start + timedelta(days=1)
    values: dict[str, Any] = {"supplier": supplier_id, "day": start.date(), "currency": currency}
    cursor = await conn.execute(
        "SELECT closing_at, expected FROM supplier_days WHERE supplier_id = %s AND day = %s AND currency = %s",
        (supplier_id, start.date() - timedelta(days=1), currency),
    )
    before = await cursor.fetchone()

    async def reading(query: LiteralString, **more: datetime) -> dict[str, Any] | None:
        return await (await conn.execute(query, {**values, **more})).fetchone()

    opening = closing = None
    if earlier is not None and earlier["closing_at"] is not None and earlier["opening_at"] is not None:
        opening = await reading(_READING_AT, at=earlier["opening_at"])
        closing = await reading(_READING_AT, at=earlier["closing_at"])
    if opening is None or closing is None:
        if before is not None and before["closing_at"] is not None:
            opening = await reading(_READING_AT, at=before["closing_at"])
        opening = opening or await reading(_LAST_READING, since=start - timedelta(days=REOPENED_DAYS), until=start)
        opening = opening or await reading(_FIRST_READING, since=start, until=end)
        closing = await reading(_LAST_READING, since=max(start, opening["at"]), until=end) if opening else None
        if closing is None and opening is not None and opening["at"] > start:
            closing = opening
    begin = opening["amount"] if opening else before["expected"] if before else None
    return values | {
        "from": opening["at"] if opening else start,
        "from_asked": opening["asked_at"] if opening else start,
        "to": closing["at"] if closing else end,
        "to_asked": closing["asked_at"] if closing else end,
        "opening": opening["amount"] if opening else None,
        "opening_at": opening["at"] if opening else None,
        "closing": closing["amount"] if closing else None,
        "closing_at": closing["at"] if closing else None,
        "begin": await books_until(conn, supplier_id, start, currency) if begin is None else begin,
    }


def _state(values: dict[str, Any], tolerance: int, explained: int | None) -> str:
    difference = values["difference"]
    if difference is None:
        return "ok"
    if explained is not None and abs(difference - explained) <= tolerance:
        return "explained"
    within = -values["in_doubt"] - tolerance <= difference <= values["in_return"] + tolerance
    return "ok" if within else "open"


async def _tell(conn: Connection, day: DayRow) -> None:
    """Raise the alarm about this supplier's differences, or end it with the last of them."""
    if day.state == "open":
        missing = day.unexplained or 0
        text = (
            f"{day.supplier} on {day.day}: the balance is {format_amount(abs(missing))} {day.currency}"
            f" {'above' if missing > 0 else 'below'} what our orders explain."
        )
        await raise_alarm(conn, AlarmKind.BOOKS_UNEXPLAINED, about_supplier(day.supplier_id), text)
        return
    cursor = await conn.execute(
        "SELECT 1 FROM supplier_days WHERE supplier_id = %s AND state = 'open' LIMIT 1", (day.supplier_id,)
    )
    if await cursor.fetchone() is None:
        await end_alarms(conn, [AlarmKind.BOOKS_UNEXPLAINED], about_supplier(day.supplier_id))


async def close_again(conn: Connection, supplier_id: int, moment: datetime) -> None:
    """Close again the days of which ``moment`` is part, because something was written down that happened then."""
    cursor = await conn.execute(
        "SELECT day FROM supplier_days WHERE supplier_id = %s AND from_at < %s AND to_at >= %s ORDER BY day",
        (supplier_id, moment, moment),
    )
    for row in await cursor.fetchall():
        await close_day(conn, supplier_id, row["day"])


async def list_days(
    conn: Connection, *, supplier_id: int | None = None, state: str | None = None, before: int | None, limit: int
) -> list[DayRow]:
    """Return days with an id below ``before``, the newest first: of one supplier or of all, in a state or in any."""
    cursor = await conn.execute(
        f"{_DAYS} WHERE (%(supplier)s::bigint IS NULL OR d.supplier_id = %(supplier)s)"
        " AND (%(state)s::text IS NULL OR d.state = %(state)s) AND (%(before)s::bigint IS NULL OR d.id < %(before)s)"
        " ORDER BY d.id DESC LIMIT %(limit)s",
        {"supplier": supplier_id, "state": state, "before": before, "limit": limit},
    )
    return [DayRow(**row) for row in await cursor.fetchall()]


async def get_day(conn: Connection, day_id: int) -> DayRow:
    """Return a day; NotFound if there is none."""
    row = await (await conn.execute(f"{_DAYS} WHERE d.id = %s", (day_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such day.")
    return DayRow(**row)


async def explain_day(conn: Connection, day_id: int, *, note: str, staff_id: int) -> DayRow:
    """Explain the difference of an open day, and return the day; ``conn`` is inside a transaction.

    What was explained before stays in the note. Raises NotFound, Invalid without a note, Conflict if it is not open.
    """
    note = note.strip()
    if not note or len(note) > MAX_NOTE:
        raise Invalid(f"An explanation has 1 to {MAX_NOTE} characters.", field="note")
    cursor = await conn.execute(
        "UPDATE supplier_days SET state = 'explained', explained = difference, explained_at = now(), staff_id = %s,"
        " note = concat_ws(E'\\n', NULLIF(note, ''), %s::text) WHERE id = %s AND state = 'open'",
        (staff_id, note, day_id),
    )
    day = await get_day(conn, day_id)
    if not cursor.rowcount:
        raise Conflict("Only a day whose difference is open can be explained.")
    await _tell(conn, day)
    return day
