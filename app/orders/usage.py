"""What customers use us for, as staff see it: when they last ordered, and what of theirs is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db import Connection

MOST_ORDERS = 10_000
"""Usage is told of so many orders at most, the newest."""


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """A customer's open orders: how many, and the price of all of them in micro-units, which escrow holds."""

    count: int
    price: int


async def last_orders(conn: Connection, customer_ids: Sequence[int]) -> dict[int, datetime]:
    """Return when each of these customers ordered last; those who never did are left out."""
    cursor = await conn.execute(
        "SELECT c.id, last.created_at FROM unnest(%s::bigint[]) AS c(id) CROSS JOIN LATERAL"
        " (SELECT o.created_at FROM orders o WHERE o.customer_id = c.id ORDER BY o.id DESC LIMIT 1) last",
        (list(customer_ids),),
    )
    return {row["id"]: row["created_at"] for row in await cursor.fetchall()}


async def open_orders(conn: Connection, customer_id: int) -> OpenOrders:
    """Return what of a customer's orders is open."""
    cursor = await conn.execute(
        "SELECT count(*) AS count, COALESCE(sum(price), 0)::bigint AS price FROM orders"
        " WHERE customer_id = %s AND state IN ('accepted', 'in_progress')",
        (customer_id,),
    )
    [row] = await cursor.fetchall()
    return OpenOrders(**row)


@dataclass(frozen=True, slots=True)
class Use:
    """A customer's orders of one day, or of one service (``name`` is either): how many, and what became of them.

    ``spent`` is what the completed ones cost the customer, in micro-units: what was refunded or reversed is not in it.
    """

    name: str
    orders: int
    completed: int
    rejected: int
    open: int
    spent: int


# Ids rise with the time, so the last order before the days tells where to stop reading. What a part delivery cost is in
# the ledger alone.
_USAGE = """
WITH recent AS (
    SELECT o.service_id, (o.created_at AT TIME ZONE 'UTC')::date AS day, o.state,
           CASE WHEN o.state <> 'completed' THEN 0 WHEN o.delivered IS NULL THEN o.price
                ELSE (SELECT t.amount FROM transfers t WHERE t.order_id = o.id AND t.kind = 'settle') END AS spent
    FROM orders o
    WHERE o.customer_id = %(customer)s AND o.created_at >= %(since)s AND o.created_at < %(until)s
      AND o.id > COALESCE((SELECT b.id FROM orders b WHERE b.customer_id = %(customer)s AND b.created_at < %(since)s
                           ORDER BY b.id DESC LIMIT 1), 0)
    ORDER BY o.id DESC LIMIT %(most)s
), used AS (
    SELECT service_id, day, count(*) AS orders, count(*) FILTER (WHERE state = 'completed') AS completed,
           count(*) FILTER (WHERE state = 'rejected') AS rejected,
           count(*) FILTER (WHERE state IN ('accepted', 'in_progress')) AS open,
           COALESCE(sum(spent), 0)::bigint AS spent
    FROM recent GROUP BY GROUPING SETS ((service_id), (day))
)
SELECT u.day::text AS day, s.name AS service, u.orders, u.completed, u.rejected, u.open, u.spent
FROM used u LEFT JOIN services s ON s.id = u.service_id
ORDER BY u.day DESC NULLS LAST, u.spent DESC, u.orders DESC, u.service_id
"""


async def usage_of(
    conn: Connection, customer_id: int, *, since: datetime, until: datetime
) -> tuple[list[Use], list[Use]]:
    """Return what a customer ordered from ``since`` on and before ``until``: by day, the newest first, and by service.

    Of more than ``MOST_ORDERS`` orders only the newest are counted.
    """
    cursor = await conn.execute(_USAGE, {"customer": customer_id, "since": since, "until": until, "most": MOST_ORDERS})
    days: list[Use] = []
    services: list[Use] = []
    for row in await cursor.fetchall():
        day, service = row.pop("day"), row.pop("service")
        (days if day is not None else services).append(Use(day or service, **row))
    return days, services
