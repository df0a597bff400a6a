"""Send an order over another route, or the same again: every way it could go, and what that costs, said before."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.order import order_id_of
from app.admin.pages.orders import HERE, STATE_WORDS
from app.admin.pages.visit import Visit
from app.errors import Invalid, NotFound
from app.money import format_amount
from app.orders.again import RouteChoice, route_choices, send_again
from app.orders.listing import listed_orders
from app.staff.service import Right

pages = Noun()


async def show(visit: Visit) -> Response:
    """The routes, those that may be used now first, and what becomes of the attempt before."""
    order_id = order_id_of(visit)
    async with visit.parts.db.pool.connection() as conn:
        choices = await route_choices(conn, order_id)
        [order] = await listed_orders(conn, visit.parts.sealer, [order_id])
    usable = [one.route_id for one in choices if one.cost is not None]
    return await visit.page(
        "orders/again.html",
        order=order,
        choices=choices,
        chosen=usable[0] if usable else "",
        newest=order.attempt_number,
        words=STATE_WORDS,
    )


@pages.form("/orders/{order_id:int}/again", shown_by=show, right=Right.OPERATE)
async def again(visit: Visit) -> Response:
    """Send it over the chosen route at the cost that was shown, or at most at the one that was typed."""
    order_id = order_id_of(visit)
    route_id = visit.form.whole("route")
    if route_id is None:
        raise Invalid("Choose a route.", field="route")
    async with visit.transaction() as conn:
        await send_again(
            conn,
            order_id,
            route_id=route_id,
            max_cost=_most(visit, route_id),
            force=visit.form.get("force") == "yes",
            reason=visit.form.text("reason")[:1000],
            staff_id=visit.staff.id,
            newest=visit.form.whole("newest"),
        )
        chosen = _chosen(await route_choices(conn, order_id), route_id)
    await visit.say(f"It is on its way to {chosen.supplier}, for {format_amount(chosen.cost or 0)} {chosen.currency}.")
    return visit.go(f"{HERE}/{order_id}")


def _most(visit: Visit, route_id: int) -> int:
    """Return what the route may cost: as typed, else as it was shown when the choice was made."""
    return visit.form.amount("max_cost" if visit.form.text("max_cost") else f"cost-{route_id}")


def _chosen(choices: list[RouteChoice], route_id: int) -> RouteChoice:
    chosen = next((one for one in choices if one.route_id == route_id), None)
    if chosen is None:
        raise NotFound("The order's service has no such route.")
    return chosen
