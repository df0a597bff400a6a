"""The wish to have an order cancelled: at once while no supplier has it, else as the supplier says.

Before an order is sent (its service may leave time for that, ``confirm_seconds``) cancelling it is a matter of our own.
Afterwards the poller passes the wish on, once, where the supplier knows such a call; money goes back only if they say
that the order is cancelled.
"""

from typing import Literal, cast

from app.db import Connection
from app.errors import Conflict, NotFound
from app.orders.policy import CANCELLED

Closing = Literal["unknown", "closed", "cancelled", "requested"]


async def request_close(
    conn: Connection, order_id: int, *, actor: str, reason: str, wish: bool, customer_id: int | None = None
) -> Closing:
    """Reject and refund an open order that provably is with no supplier; else write the wish down, if ``wish``.

    unknown: no such order (of this customer, if one is named). closed: it was over before. requested: a supplier has
    it, or may have it. One that is handled at this very moment counts as such.
    """
    cursor = await conn.execute(
        "SELECT request_cancel(%s, %s, %s, %s, %s) AS outcome", (order_id, customer_id, actor, reason, wish)
    )
    row = await cursor.fetchone()
    return cast("Closing", row["outcome"] if row else "unknown")


async def cancel_order(
    conn: Connection, order_id: int, *, actor: str, customer_id: int | None = None
) -> Literal["cancelled", "requested"]:
    """Cancel an order, or pass the wish on; ``conn`` is inside a transaction or in autocommit.

    Raises NotFound (also for another customer's order) and Conflict for one that is over.
    """
    outcome = await request_close(conn, order_id, actor=actor, reason=CANCELLED, wish=True, customer_id=customer_id)
    if outcome == "unknown":
        raise NotFound("There is no such order.")
    if outcome == "closed":
        raise Conflict("The order is over already.")
    return outcome
