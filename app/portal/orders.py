"""The customer's orders: found again, read, and asked to be cancelled."""

from datetime import UTC, datetime

from starlette.responses import Response

from app.errors import Invalid
from app.orders.cancelling import cancel_order
from app.orders.own import OwnFilter, list_own, own_order
from app.orders.states import OrderState
from app.portal.noun import Noun
from app.portal.visit import Visit

pages = Noun()

HERE = "/portal/orders"
PAGE = 50


@pages.page("/orders")
async def orders(visit: Visit) -> Response:
    """The newest first, of every door."""
    state = visit.asked("state")
    chosen = OwnFilter(
        state=state if state in list(OrderState) else None,
        service_id=visit.asked_id("service"),
        device=visit.asked("device") or None,
        reference=visit.asked("reference") or None,
        since=day_of(visit, "from"),
        until=day_of(visit, "to"),
    )
    before = visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_own(conn, visit.customer.id, chosen, before=before, limit=PAGE + 1)
    return await visit.page(
        "orders/rows.html" if visit.is_htmx else "orders/list.html",
        orders=rows[:PAGE],
        asked={name: visit.asked(name) for name in ("state", "service", "device", "reference", "from", "to")},
        more=rows[PAGE - 1].id if len(rows) > PAGE else None,
        is_first=before is None,
    )


@pages.page("/orders/{order_id:int}")
async def order(visit: Visit) -> Response:
    """One order; while it is open the page refreshes by itself."""
    async with visit.parts.db.pool.connection() as conn:
        row = await own_order(conn, visit.customer.id, visit.id_in_path("order_id"))
    link = visit.parts.file_link(row.id, row.file) if row.file else None
    return await visit.page("orders/facts.html" if visit.is_htmx else "orders/one.html", order=row, file_link=link)


@pages.action("/orders/{order_id:int}/cancel", back=HERE)
async def cancel(visit: Visit) -> Response:
    """Wish it cancelled; only proof gives the money back."""
    order_id = visit.id_in_path("order_id")
    async with visit.transaction() as conn:
        became = await cancel_order(
            conn, order_id, actor=f"customer {visit.customer.id}", customer_id=visit.customer.id
        )
    if became == "requested":
        visit.parts.placed()
        await visit.say("The supplier has it and is asked; their word decides.")
    else:
        await visit.say("It is cancelled, and the money is back.")
    return visit.go(f"{HERE}/{order_id}")


def day_of(visit: Visit, name: str) -> datetime | None:
    """Return the midnight, in UTC, of a day of the query; None if none was asked for, Invalid for what is no day."""
    text = visit.asked(name)
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("A day is written 2026-01-31.", field=name) from error
