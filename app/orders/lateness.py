"""Open orders that need a person or are late, with the reason and since when: what staff work off, worst first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from app.clock import now
from app.db import Connection
from app.errors import Invalid
from app.orders.listing import SLACK, first_since

WAITING_MINUTES = 5
"""An order that is sent later than this after its time has nobody to send it to, or nobody who sends."""
OVERDUE_MINUTES = 10
"""Whoever should have been asked after this long ago is not asked: no worker runs, or the supplier has no turn."""
OLD_HOURS = 24
"""How old an order may become of whose time nothing was promised."""

MOST = 1000
"""Of each reason so many orders are looked at, those that have waited longest: who has more has them for one reason."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Why(StrEnum):
    """What keeps an open order from its end; several may at once."""

    UNCLEAR = "unclear"
    """A supplier may have it, nobody knows."""
    HELD = "held"
    """It waits for a person to decide what is done with it."""
    NO_ATTEMPT = "no_attempt"
    """Nothing is tried for it any more, and it does not say why: a defect."""
    WAITING = "waiting"
    """No supplier can be asked for it now: its routes are paused, too dear or closed."""
    CANCEL = "cancel"
    """Somebody wants it cancelled, and the supplier has not said that it is."""
    LATE = "late"
    """Later than was promised."""
    OLD = "old"
    """Nothing was promised, but a day is long."""
    OVERDUE = "overdue"
    """The supplier should have been asked after it long ago."""


@dataclass(frozen=True, slots=True)
class StuckOrder:
    """An order that needs somebody. ``why`` are all reasons, the oldest first; ``since`` is when that one began and
    ``seconds`` how long ago; ``detail`` is what is known of it. Attempt and supplier are those of the newest
    attempt."""

    id: int
    customer_id: int
    customer: str
    service_id: int
    service: str
    device: str
    state: str
    created_at: datetime
    promised_at: datetime | None
    attempt_id: int | None
    attempt_state: str | None
    supplier_id: int | None
    supplier: str | None
    why: list[str]
    since: datetime
    seconds: int
    detail: str


@dataclass(frozen=True, slots=True)
class StuckCount:
    """How many orders there are for one reason, and since when the first of them."""

    why: str
    orders: int
    since: datetime


# First those that may have a reason, each kind by its own index, so that what goes its way is not looked at, however
# much of it is open; then all reasons of each, with its newest attempt: if one is alive, it is that one.
_TROUBLES = """
WITH candidates AS MATERIALIZED (
    (SELECT a.order_id AS id FROM attempts a WHERE a.state = 'unclear' ORDER BY a.sent_at LIMIT %(most)s)
    UNION (SELECT o.id FROM orders o WHERE o.held IS NOT NULL ORDER BY o.id LIMIT %(most)s)
    UNION (SELECT o.id FROM orders o WHERE o.state IN ('accepted', 'in_progress') AND NOT EXISTS (
               SELECT FROM attempts a
               WHERE a.order_id = o.id AND a.state IN ('prepared', 'sending', 'placed', 'unclear'))
           ORDER BY o.id LIMIT %(most)s)
    UNION (SELECT o.id FROM orders o
           WHERE o.state IN ('accepted', 'in_progress') AND o.cancel_requested_at IS NOT NULL
           ORDER BY o.id LIMIT %(most)s)
    UNION (SELECT o.id FROM orders o
           WHERE o.state IN ('accepted', 'in_progress') AND o.escalated_at IS NOT NULL AND o.late_at <= now()
           ORDER BY o.late_at LIMIT %(most)s)
    UNION (SELECT o.id FROM orders o
           WHERE o.state IN ('accepted', 'in_progress') AND o.escalated_at IS NULL AND o.late_at IS NOT NULL
             AND o.late_at <= now()
           ORDER BY o.late_at LIMIT %(most)s)
    UNION (SELECT o.id FROM orders o
           WHERE o.state IN ('accepted', 'in_progress') AND o.id < %(young)s AND o.late_at IS NULL
           ORDER BY o.id LIMIT %(most)s)
    UNION (SELECT w.order_id FROM suppliers s CROSS JOIN LATERAL (
               SELECT a.order_id, a.due_at FROM attempts a
               WHERE a.supplier_id = s.id AND a.state = 'placed'
                 AND a.due_at < now() - make_interval(mins => %(overdue)s)
               ORDER BY a.due_at LIMIT %(most)s) w
           ORDER BY w.due_at LIMIT %(most)s)
    UNION (SELECT w.order_id FROM suppliers s CROSS JOIN LATERAL (
               SELECT a.order_id, a.created_at FROM attempts a
               WHERE a.supplier_id = s.id AND a.state = 'prepared'
                 AND a.created_at < now() - make_interval(mins => %(waiting)s)
               ORDER BY a.created_at LIMIT %(most)s) w
           ORDER BY w.created_at LIMIT %(most)s)
), troubles AS (
    SELECT o.id, o.customer_id, c.username AS customer, o.service_id, v.name AS service, o.device, o.state,
           o.created_at, o.late_at AS promised_at, a.id AS attempt_id, a.state AS attempt_state, a.supplier_id,
           s.name AS supplier, w.why, w.since, w.detail
    FROM candidates k
    CROSS JOIN LATERAL (SELECT * FROM orders t WHERE t.id = k.id LIMIT 1) o
    JOIN services v ON v.id = o.service_id
    JOIN customers c ON c.id = o.customer_id
    LEFT JOIN LATERAL (SELECT * FROM attempts t WHERE t.order_id = o.id ORDER BY t.number DESC LIMIT 1) a ON true
    LEFT JOIN suppliers s ON s.id = a.supplier_id
    CROSS JOIN LATERAL (SELECT (a.state IN ('prepared', 'sending', 'placed', 'unclear')) IS TRUE AS alive) l
    CROSS JOIN LATERAL (VALUES
        ('unclear', CASE WHEN a.state = 'unclear' THEN a.sent_at END, COALESCE(a.note, a.text)),
        ('held', CASE WHEN o.held IS NOT NULL THEN COALESCE(
             (SELECT max(e.at) FROM order_events e WHERE e.order_id = o.id AND e.kind = 'held'), o.updated_at) END,
         o.held),
        ('no_attempt', CASE WHEN NOT l.alive AND o.held IS NULL THEN COALESCE(a.closed_at, o.created_at) END, a.text),
        ('waiting', CASE WHEN a.state = 'prepared'
                          AND a.created_at + make_interval(secs => v.confirm_seconds)
                              < now() - make_interval(mins => %(waiting)s)
                         THEN a.created_at + make_interval(secs => v.confirm_seconds) END, a.note),
        ('cancel', o.cancel_requested_at, CASE WHEN a.cancel_asked_at IS NULL THEN 'the supplier was not asked yet'
                                               ELSE COALESCE(a.note, 'the supplier was asked') END),
        ('late', CASE WHEN o.late_at <= now() THEN o.late_at END, a.note),
        ('old', CASE WHEN o.late_at IS NULL AND o.created_at < now() - make_interval(hours => %(old)s)
                     THEN o.created_at END, a.note),
        ('overdue', CASE WHEN a.state = 'placed' AND a.due_at < now() - make_interval(mins => %(overdue)s)
                         THEN a.due_at END, a.note)
    ) w(why, since, detail)
    WHERE o.state IN ('accepted', 'in_progress') AND w.since IS NOT NULL
      AND (%(supplier)s::bigint IS NULL OR a.supplier_id = %(supplier)s)
      AND (%(service)s::bigint IS NULL OR o.service_id = %(service)s)
)
"""
_LIST = """
, ranked AS (
    SELECT t.*, array_agg(t.why) OVER (PARTITION BY t.id ORDER BY t.since, t.why
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS whys,
           row_number() OVER (
               PARTITION BY t.id ORDER BY (%(why)s::text IS NULL OR t.why = %(why)s) DESC, t.since, t.why) AS rank
    FROM troubles t
)
SELECT t.id, t.customer_id, t.customer, t.service_id, t.service, t.device, t.state, t.created_at, t.promised_at,
       t.attempt_id, t.attempt_state, t.supplier_id, t.supplier, t.whys AS why, t.since,
       floor(extract(epoch FROM now() - t.since))::bigint AS seconds, COALESCE(t.detail, '') AS detail
FROM ranked t
WHERE t.rank = 1 AND (%(why)s::text IS NULL OR t.why = %(why)s)
  AND (%(after)s::timestamptz IS NULL OR (t.since, t.id) > (%(after)s, %(after_id)s))
ORDER BY t.since, t.id LIMIT %(limit)s
"""
_COUNT = " SELECT why, count(*) AS orders, min(since) AS since FROM troubles GROUP BY why ORDER BY min(since), why"


async def list_stuck(
    conn: Connection,
    *,
    why: str | None = None,
    supplier_id: int | None = None,
    service_id: int | None = None,
    cursor: str | None = None,
    limit: int,
) -> list[StuckOrder]:
    """Return the open orders that need somebody, the one that has for the longest first, those behind ``cursor``.

    With ``why`` those that have this reason, by its age. Raises Invalid for a reason or cursor that is none.
    """
    if why is not None and why not in list(Why):
        raise Invalid(f"The reason is one of {', '.join(Why)}.", field="why")
    after, after_id = read_cursor(cursor) if cursor else (None, None)
    found = await conn.execute(
        _TROUBLES + _LIST,
        {
            **await _about(conn, supplier_id, service_id),
            "why": why,
            "after": after,
            "after_id": after_id,
            "limit": limit,
        },
    )
    return [StuckOrder(**row) for row in await found.fetchall()]


async def count_stuck(
    conn: Connection, *, supplier_id: int | None = None, service_id: int | None = None
) -> list[StuckCount]:
    """Return how many orders need somebody for each reason, counted to ``MOST`` or somewhat above; one that has two
    reasons counts for both."""
    given = await _about(conn, supplier_id, service_id)
    return [StuckCount(**row) for row in await _ask(conn, _TROUBLES + _COUNT, given)]


async def _ask(conn: Connection, question: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    return await (await conn.execute(question, given)).fetchall()


def cursor_of(orders: Sequence[StuckOrder]) -> str:
    """Return the cursor of what comes behind these orders."""
    last = orders[-1]
    return f"{(last.since - _EPOCH) // timedelta(microseconds=1)}-{last.id}"


def read_cursor(cursor: str) -> tuple[datetime, int]:
    """Return the time and the order's id that a cursor stands for; Invalid if it is none of ours."""
    micro, dash, number = cursor.partition("-")
    if not (dash and _is_number(micro) and _is_number(number)):
        raise Invalid("The cursor is the `next_cursor` of the page before.", field="cursor")
    try:
        return _EPOCH + timedelta(microseconds=int(micro)), int(number)
    except OverflowError as error:
        raise Invalid("The cursor is the `next_cursor` of the page before.", field="cursor") from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


async def _about(conn: Connection, supplier_id: int | None, service_id: int | None) -> dict[str, Any]:
    return {
        "most": MOST,
        "young": await first_since(conn, now() - timedelta(hours=OLD_HOURS) + SLACK),
        "supplier": supplier_id,
        "service": service_id,
        "waiting": WAITING_MINUTES,
        "overdue": OVERDUE_MINUTES,
        "old": OLD_HOURS,
    }
