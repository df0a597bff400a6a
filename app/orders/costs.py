"""What an order cost us and what it left, in its own currency at the rates of this moment."""

from dataclasses import dataclass

from app.db import Connection


@dataclass(frozen=True, slots=True)
class OrderCosts:
    """In micro-units of the order's currency: what the delivering attempt cost, what others cost beside it, and what
    is left of what the customer paid. ``cost`` is None while no supplier has the order or without a rate, ``margin``
    while the order is open or a cost is unknown."""

    cost: int | None
    extra_cost: int
    margin: int | None


async def costs_of(conn: Connection, order_id: int) -> OrderCosts:
    """Return the costs of an order; of one that nobody was sent, or that is not there, nothing is known."""
    cursor = await conn.execute(
        "SELECT o.state, c.cost, COALESCE(c.extra_cost, 0) AS extra_cost, c.order_id IS NOT NULL AS bought,"
        " COALESCE((SELECT amount FROM transfers WHERE order_id = o.id AND kind = 'settle'), 0)"
        " - COALESCE((SELECT amount FROM transfers WHERE order_id = o.id AND kind = 'reverse'), 0) AS earned"
        " FROM orders o LEFT JOIN order_costs c ON c.order_id = o.id WHERE o.id = %s",
        (order_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return OrderCosts(None, 0, None)
    closed = row["state"] in ("completed", "rejected")
    # Rejected before anybody was sent it, it cost nothing; completed, or bought in vain, it cost what is known of it.
    known = row["cost"] is not None or (row["state"] == "rejected" and (not row["bought"] or row["extra_cost"] > 0))
    margin = row["earned"] - (row["cost"] or 0) - row["extra_cost"] if closed and known else None
    return OrderCosts(row["cost"], row["extra_cost"], margin)
