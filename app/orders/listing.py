"""Orders found by what staff ask for, newest first: every question is led by an index and looks at a bounded number.

A filter that no index answers goes through the orders that another index, at worst that of the numbers, offers: at most
``LOOK`` at a time. A page may then be short although more follow; its cursor says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.db import Connection
from app.errors import Invalid
from app.orders.states import OrderState
from app.sealing import Sealer
from app.suppliers.hiding import hiding

LOOK = 10_000
"""How many orders one question looks at, at most, where no index answers it alone."""

SLACK = timedelta(minutes=1)
"""Orders are numbered in the order of time, but for those that were placed side by side."""

TROUBLES = ("late", "unclear", "held", "cancel")
STATES = (*(state.value for state in OrderState), *TROUBLES)
"""What ``Wanted.state`` may be: a state, or what keeps an open order from its end."""

_OPEN = "o.state IN ('accepted', 'in_progress')"
_IN_STATE = {
    # Written out, because a partial index is only used for what is plainly inside it.
    "accepted": "o.state = 'accepted'",
    "in_progress": "o.state = 'in_progress'",
    "completed": "o.state = 'completed'",
    "rejected": "o.state = 'rejected'",
    "held": "o.held IS NOT NULL",
    "cancel": f"{_OPEN} AND o.cancel_requested_at IS NOT NULL",
    "unclear": "o.id IN (SELECT a.order_id FROM attempts a WHERE a.state = 'unclear')",
    "late": "o.id IN (SELECT l.id FROM orders l WHERE l.state IN ('accepted', 'in_progress')"
    " AND l.escalated_at IS NOT NULL"
    " UNION ALL SELECT l.id FROM orders l WHERE l.state IN ('accepted', 'in_progress')"
    " AND l.escalated_at IS NULL AND l.late_at <= now())",
}
_SEARCH = (
    "o.id IN (SELECT id FROM orders WHERE device = %(search)s AND device <> ''"
    " UNION ALL SELECT id FROM orders WHERE reference = %(search)s AND reference <> ''"
    " UNION ALL SELECT id FROM orders WHERE id = %(number)s"
    " UNION ALL SELECT order_id FROM suppliers s JOIN attempts a ON a.supplier_id = s.id"
    " WHERE a.remote_id = %(search)s)"
)
_ALL = "SELECT o.* FROM orders o"
_IDS = "SELECT o.id FROM"
_LOOKED_AT = "SELECT count(*) AS looked, min(o.id) AS last FROM"
# Looked up order by order: as EXISTS it would be joined with all attempts that the supplier ever had.
_SUPPLIER = "(SELECT true FROM attempts a WHERE a.order_id = o.id AND a.supplier_id = %(supplier)s LIMIT 1)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders: all that is given has to be true of them. ``state`` is one of ``STATES``.

    ``search`` is compared, whole, with the order's id, device and reference and with the suppliers' ids of its
    attempts. ``supplier_id`` is one that an attempt of it went to, or was meant for.
    """

    state: str | None = None
    customer_id: int | None = None
    service_id: int | None = None
    supplier_id: int | None = None
    search: str = ""
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of a page, newest first; ``before`` is the cursor of what follows, None at the end."""

    ids: list[int]
    before: int | None


async def find_orders(conn: Connection, wanted: Wanted, *, before: int | None = None, limit: int) -> Found:
    """Return the ids of orders below ``before``, newest first; Invalid for a state that is none."""
    if wanted.state is not None and wanted.state not in STATES:
        raise Invalid(f"The state is one of {', '.join(STATES)}.", field="state")
    lead, rest = _conditions(wanted)
    given: dict[str, Any] = {
        "customer": wanted.customer_id,
        "service": wanted.service_id,
        "supplier": wanted.supplier_id,
        "search": wanted.search.strip(),
        "number": _number(wanted.search.strip()),
        "source": wanted.source,
        "since": wanted.since,
        "until": wanted.until,
        "before": before or 2**63 - 1,
        "look": LOOK,
        "limit": limit + 1,
    }
    if wanted.since is not None:
        lead += " AND o.id >= %(first)s"
        given["first"] = await first_since(conn, wanted.since - SLACK)
    if wanted.until is not None:
        given["before"] = min(given["before"], await first_since(conn, wanted.until + SLACK))
    offered = f"({_ALL} WHERE {lead} AND o.id < %(before)s ORDER BY o.id DESC LIMIT %(look)s) o"
    filtered = f" WHERE {' AND '.join(rest)}" if rest else ""
    cursor = await conn.execute(f"{_IDS} {offered}{filtered} ORDER BY o.id DESC LIMIT %(limit)s", given)
    ids = [int(row["id"]) for row in await cursor.fetchall()]
    if len(ids) > limit:
        return Found(ids[:limit], ids[limit - 1])
    if rest:
        cursor = await conn.execute(f"{_LOOKED_AT} {offered}", given)
        row = await cursor.fetchone()
        if row is not None and row["looked"] == LOOK:
            return Found(ids, row["last"])
    return Found(ids, None)


def _conditions(wanted: Wanted) -> tuple[str, list[str]]:
    """Return the condition whose index leads, and those that what it offers is held against."""
    asked = [
        (wanted.search.strip() != "", _SEARCH),
        (wanted.state in TROUBLES, _IN_STATE.get(wanted.state or "", "")),
        (wanted.state in ("accepted", "in_progress"), _IN_STATE.get(wanted.state or "", "")),
        (wanted.customer_id is not None, "o.customer_id = %(customer)s"),
        (wanted.service_id is not None, "o.service_id = %(service)s"),
    ]
    led = [condition for given, condition in asked if given]
    loose = [
        (wanted.supplier_id is not None, _SUPPLIER),
        (wanted.state in ("completed", "rejected"), _IN_STATE.get(wanted.state or "", "")),
        (wanted.source is not None, "o.source = %(source)s"),
        (wanted.since is not None, "o.created_at >= %(since)s"),
        (wanted.until is not None, "o.created_at < %(until)s"),
    ]
    rest = led[1:] + [condition for given, condition in loose if given]
    return (led[0] if led else "true"), rest


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


# Halves the numbers until the first order that was placed at that time or later is left: some forty looks into the
# index of the numbers, whatever the time and however many orders there are.
_HALVES = """
WITH RECURSIVE halves (low, high) AS (
    SELECT COALESCE(min(id), 1), COALESCE(max(id), 0) + 1 FROM orders
    UNION ALL
    SELECT CASE WHEN m.created_at < %(at)s THEN m.id + 1 ELSE h.low END,
           CASE WHEN m.created_at < %(at)s THEN h.high ELSE h.middle END
    FROM (SELECT low, high, low + (high - low) / 2 AS middle FROM halves WHERE low < high) h
    CROSS JOIN LATERAL (SELECT o.id, o.created_at FROM orders o WHERE o.id >= h.middle ORDER BY o.id LIMIT 1) m
)
SELECT low FROM halves WHERE low >= high
"""


async def first_since(conn: Connection, at: datetime) -> int:
    """Return the number below which every order was placed before ``at``, give or take those placed side by side."""
    row = await (await conn.execute(_HALVES, {"at": at})).fetchone()
    return int(row["low"]) if row else 1


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order in a list; ``marks`` are those of ``TROUBLES`` that it has. Attempt and supplier are those of the newest
    attempt. ``price`` is for all pieces in micro-units of ``currency``; ``text`` what the customer reads at the end.
    ``attempt_number`` is 0 if nothing was tried yet; ``supplier_ids`` are all that were tried."""

    id: int
    state: str
    marks: list[str]
    customer_id: int
    customer: str
    service_id: int
    service: str
    device: str
    quantity: int
    price: int
    currency: str
    reference: str
    source: str
    text: str | None
    held: str | None
    created_at: datetime
    closed_at: datetime | None
    attempt_id: int | None
    attempt_number: int
    attempt_state: str | None
    supplier: str | None
    remote_id: str | None
    supplier_ids: list[int]


_LISTED = """
SELECT o.id, o.state, array_remove(ARRAY[
           CASE WHEN l.open AND o.late_at <= now() THEN 'late' END,
           CASE WHEN a.state = 'unclear' THEN 'unclear' END,
           CASE WHEN o.held IS NOT NULL THEN 'held' END,
           CASE WHEN l.open AND o.cancel_requested_at IS NOT NULL THEN 'cancel' END], NULL) AS marks,
       o.customer_id, c.username AS customer, o.service_id, v.name AS service, o.device, o.quantity, o.price,
       o.currency::text AS currency, o.reference, o.source,
       left(CASE o.state WHEN 'completed' THEN o.result WHEN 'rejected' THEN o.reason END, 200) AS text,
       o.held, o.created_at, o.closed_at, a.id AS attempt_id, COALESCE(a.number, 0) AS attempt_number,
       a.state AS attempt_state, s.name AS supplier, a.remote_id,
       ARRAY(SELECT DISTINCT t.supplier_id FROM attempts t WHERE t.order_id = o.id) AS supplier_ids
FROM orders o JOIN customers c ON c.id = o.customer_id JOIN services v ON v.id = o.service_id
LEFT JOIN LATERAL (SELECT * FROM attempts t WHERE t.order_id = o.id ORDER BY t.number DESC LIMIT 1) a ON true
LEFT JOIN suppliers s ON s.id = a.supplier_id
CROSS JOIN LATERAL (SELECT o.state IN ('accepted', 'in_progress') AS open) l
WHERE o.id = ANY (%s) ORDER BY o.id DESC
"""


async def listed_orders(conn: Connection, sealer: Sealer, ids: Sequence[int]) -> list[ListedOrder]:
    """Return orders as they are listed, newest first, the suppliers' secrets taken out of what they said; an id that is
    none is left out."""
    cursor = await conn.execute(_LISTED, (list(ids),))
    orders = [ListedOrder(**row) for row in await cursor.fetchall()]
    hide = await hiding(conn, sealer, {supplier_id for order in orders for supplier_id in order.supplier_ids})
    return [
        replace(order, text=order.text and hide(order.text), held=order.held and hide(order.held)) for order in orders
    ]
