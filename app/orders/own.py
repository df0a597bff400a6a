"""Orders as the customer who placed them may see them: one, many by id, and lists by filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import Connection
from app.errors import Invalid, NotFound
from app.orders.states import OrderState
from app.text import plain


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """An order; amounts are for all pieces, in micro-units of ``currency``. ``delivered`` is None for all pieces.

    ``result`` is only there when completed, ``reason`` when rejected, both as plain text; ``file`` is the name of the
    file that came with the result. ``cancel_requested_at``: the customer wants it cancelled, and the supplier was or
    will be asked.
    """

    id: int
    state: str
    service_id: int
    service: str
    device: str
    quantity: int
    delivered: int | None
    price: int
    refunded: int
    currency: str
    fields: dict[str, Any]
    reference: str
    result: str | None
    reason: str | None
    file: str | None
    callback_url: str | None
    source: str
    cancel_requested_at: datetime | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnFilter:
    """Which orders are listed; None leaves none out. ``since`` and before ``until`` are when they were placed."""

    state: str | None = None
    service_id: int | None = None
    device: str | None = None
    reference: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self, customer_id: int, *, before: int | None, limit: int) -> dict[str, Any]:
        """Return what a statement asks for by name: this, whose orders, from where on and how many."""
        return {
            "customer": customer_id,
            "before": before or 2**63 - 1,
            "state": self.state,
            "service": self.service_id,
            "device": self.device,
            "reference": self.reference,
            "since": self.since,
            "until": self.until,
            "limit": limit,
        }


_OWN = """
SELECT o.id, o.state, o.service_id, s.name AS service, o.device, o.quantity, o.delivered, o.price,
       CASE WHEN o.state = 'rejected' THEN o.price
            WHEN o.state = 'completed' AND o.delivered IS NOT NULL THEN o.price - o.price * o.delivered / o.quantity
            ELSE 0 END AS refunded,
       o.currency::text AS currency, o.fields, o.reference, CASE WHEN o.state = 'completed' THEN o.result END AS result,
       CASE WHEN o.state = 'rejected' THEN o.reason END AS reason,
       CASE WHEN o.state = 'completed' AND o.result_file_id IS NOT NULL
            THEN (SELECT f.name FROM files f WHERE f.id = o.result_file_id) END AS file,
       o.callback_url, o.source, o.cancel_requested_at, o.created_at, o.updated_at, o.closed_at
FROM orders o JOIN services s ON s.id = o.service_id
WHERE o.customer_id = %(customer)s
"""

# Ids follow time but for the moment that a placing waits for its turn; what is about that old is compared exactly.
_SINCE = """
 AND o.created_at >= %(since)s AND o.id >= order_id_at(%(customer)s, %(since)s - interval '1 hour')
"""
_UNTIL = """
 AND o.created_at < %(until)s AND o.id < order_id_at(%(customer)s, %(until)s + interval '1 hour')
"""


async def own_orders(conn: Connection, customer_id: int, ids: Sequence[int]) -> dict[int, OwnOrder]:
    """Return those of ``ids`` that are the customer's, by id, in one statement."""
    known = [number for number in ids if 0 < number < 2**63]
    cursor = await conn.execute(f"{_OWN} AND o.id = ANY (%(ids)s)", {"customer": customer_id, "ids": known})
    return {row["id"]: _own(row) for row in await cursor.fetchall()}


async def own_order(conn: Connection, customer_id: int, order_id: int) -> OwnOrder:
    """Return an order of the customer's; NotFound if it is none of theirs."""
    order = (await own_orders(conn, customer_id, [order_id])).get(order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order


async def list_own(
    conn: Connection, customer_id: int, chosen: OwnFilter, *, before: int | None = None, limit: int
) -> list[OwnOrder]:
    """Return the customer's orders newest first, those with an id below ``before``; Invalid for no state."""
    if chosen.state is not None and chosen.state not in list(OrderState):
        raise Invalid(f"The state is one of {', '.join(OrderState)}.", field="state")
    conditions = ["AND o.id < %(before)s"]
    conditions += ["AND o.state = %(state)s"] if chosen.state is not None else []
    conditions += ["AND o.service_id = %(service)s"] if chosen.service_id is not None else []
    # What says that such a row is in the index that finds it.
    conditions += ["AND o.device = %(device)s AND o.device <> ''"] if chosen.device is not None else []
    conditions += ["AND o.reference = %(reference)s AND o.reference <> ''"] if chosen.reference is not None else []
    conditions += [_SINCE] if chosen.since is not None else []
    conditions += [_UNTIL] if chosen.until is not None else []
    cursor = await conn.execute(
        f"{_OWN} {' '.join(conditions)} ORDER BY o.id DESC LIMIT %(limit)s",
        chosen.parameters(customer_id, before=before, limit=limit),
    )
    return [_own(row) for row in await cursor.fetchall()]


def _own(row: dict[str, Any]) -> OwnOrder:
    # Suppliers write for the pages of panels, some with HTML and some without; who reads a row cannot know which.
    read = {name: None if row[name] is None else plain(row[name]) for name in ("result", "reason")}
    return OwnOrder(**{**row, **read})
