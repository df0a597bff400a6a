"""Staff send an order over another route, at a cost that they saw and agreed to.

The customer's price stays what it was; what this costs beyond it is ours, and stands in the view ``order_costs``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.money import format_amount
from app.orders.attempts import Write, clean, record
from app.orders.states import AttemptState, OrderState


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """A route that an order could take. ``cost`` is for all pieces, in micro-units of ``currency``, the supplier's;
    ``margin`` what would be left of the price, in those of the order, None if the cost is not known or has no rate.

    ``tried`` is how the last attempt over it ended, None if there was none; ``blocked`` says why it would wait.
    """

    route_id: int
    supplier_id: int
    supplier: str
    remote_service: str
    cost: int | None
    currency: str
    margin: int | None
    blocked: str | None
    tried: str | None


_CHOICES = """
SELECT o.id AS order_id, f.route_id, f.supplier_id, s.name AS supplier, m.name AS remote_service,
       f.cost * o.quantity AS cost, f.currency,
       o.price - convert_up(f.cost * o.quantity, f.currency, o.currency)
           - COALESCE((SELECT COALESCE(c.cost, 0) + c.extra_cost FROM order_costs c WHERE c.order_id = o.id), 0)
           AS margin,
       f.blocked,
       (SELECT a.state FROM attempts a WHERE a.order_id = o.id AND a.route_id = f.route_id
        ORDER BY a.number DESC LIMIT 1) AS tried
FROM orders o
JOIN route_facts f ON f.service_id = o.service_id
JOIN suppliers s ON s.id = f.supplier_id
JOIN remote_services m ON m.id = f.remote_service_id
WHERE o.id = ANY (%s)
ORDER BY f.blocked IS NOT NULL, f.priority, f.route_id
"""


async def route_choices(conn: Connection, order_id: int) -> list[RouteChoice]:
    """Return the routes that an order could take, those that may be used now first; NotFound if there is no such order.

    The margin counts what the order has cost so far.
    """
    if await (await conn.execute("SELECT 1 FROM orders WHERE id = %s", (order_id,))).fetchone() is None:
        raise NotFound("There is no such order.")
    return (await routes_of(conn, [order_id]))[order_id]


async def routes_of(conn: Connection, order_ids: Sequence[int]) -> dict[int, list[RouteChoice]]:
    """Return, for each of these orders, what ``route_choices`` does."""
    choices: dict[int, list[RouteChoice]] = {order_id: [] for order_id in order_ids}
    for row in await (await conn.execute(_CHOICES, (list(order_ids),))).fetchall():
        choices[row.pop("order_id")].append(RouteChoice(**row))
    return choices


async def send_again(
    conn: Connection,
    order_id: int,
    *,
    route_id: int,
    max_cost: int,
    force: bool,
    reason: str,
    staff_id: int,
    newest: int | None = None,
) -> int:
    """Send an order over a route, whatever became of it before; return the attempt's id.

    ``max_cost`` (micro-units of the supplier's currency, for all pieces) is what staff agreed to: dearer, it waits. An
    attempt that is with a supplier or unclear is abandoned: it may cost us, and its end no longer changes the order. A
    completed order stays so, and gets the new result if there is one. ``force``: the supplier shall take it although it
    looks like a duplicate. ``newest`` is the number of the newest attempt that staff knew of when they decided, None if
    they did not say. ``conn`` is inside a transaction.

    Raises NotFound; Invalid without a reason, or if the route costs more; Conflict for an order that is rejected, to be
    cancelled, or being sent at this moment, or that has a newer attempt than staff knew of.
    """
    reason = clean(reason.strip())
    if not reason:
        raise Invalid("A reason is needed; it stands in the order's story.", field="reason")
    cursor = await conn.execute(
        "SELECT id, state, lease_by FROM attempts WHERE order_id = %s"
        " AND state IN ('prepared', 'sending', 'placed', 'unclear') FOR UPDATE",
        (order_id,),
    )
    live = await cursor.fetchone()
    await _may_be_sent(conn, order_id, newest)
    chosen = next((one for one in await route_choices(conn, order_id) if one.route_id == route_id), None)
    if chosen is None:
        raise NotFound("The order's service has no such route.", field="route_id")
    if chosen.cost is None:
        raise Invalid("What this route costs is not known.", field="route_id")
    if chosen.cost > max_cost:
        raise Invalid(f"The route costs {format_amount(chosen.cost)} {chosen.currency} now.", field="max_cost")
    actor = f"staff {staff_id}"
    if live is not None:
        if live["state"] == AttemptState.SENDING:
            raise Conflict("The order is being sent at this moment; look again when that has ended.")
        write = Write(live["id"], AttemptState(live["state"]), AttemptState.NOT_SENT, text=reason)
        if write.old is not AttemptState.PREPARED:
            write = replace(write, new=AttemptState.ABANDONED)
        if not await record(conn, [write], lease_by=live["lease_by"], actor=actor):
            raise Conflict("The order was changed by somebody else; look again.")
    cursor = await conn.execute(
        "SELECT attempt_again(%s, %s, %s, %s, %s, %s) AS id", (order_id, route_id, max_cost, force, actor, reason)
    )
    row = await cursor.fetchone()
    if row is None or row["id"] is None:
        raise Conflict("The order was changed by somebody else; look again.")
    return int(row["id"])


async def _may_be_sent(conn: Connection, order_id: int, newest: int | None) -> None:
    """Raise NotFound or Conflict for an order that is not to be sent again."""
    cursor = await conn.execute(
        "SELECT o.state, o.cancel_requested_at,"
        " (SELECT COALESCE(max(a.number), 0) FROM attempts a WHERE a.order_id = o.id) AS newest"
        " FROM orders o WHERE o.id = %s",
        (order_id,),
    )
    order = await cursor.fetchone()
    if order is None:
        raise NotFound("There is no such order.")
    if newest is not None and order["newest"] != newest:
        raise Conflict("The order was sent again meanwhile; look at what became of that first.")
    if order["state"] == OrderState.REJECTED:
        raise Conflict("The order was rejected and its money given back; it has to be ordered anew.")
    if order["cancel_requested_at"] is not None and order["state"] != OrderState.COMPLETED:
        raise Conflict("The order is to be cancelled.")
