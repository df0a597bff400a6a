"""One order: its evidence in the order of time, what the customer sees of it, and everything staff can do with it."""

from typing import Any

from starlette.responses import Response

from app.admin.evidence_page import POLICY, page
from app.admin.pages.noun import Noun
from app.admin.pages.orders import HERE, STATE_WORDS
from app.admin.pages.visit import Visit
from app.approvals import asking
from app.connectors.base import Report
from app.errors import Conflict, Invalid, NotFound
from app.orders.asking import ask_supplier, recheck
from app.orders.by_hand import find_waiting
from app.orders.cancelling import cancel_order
from app.orders.costs import costs_of
from app.orders.evidence import Audience, read_evidence
from app.orders.hidden import private_values
from app.orders.hurrying import ask_soon
from app.orders.listing import listed_orders
from app.orders.reading import AttemptRow, read_attempt, read_orders
from app.orders.resolution import reject_order
from app.staff.service import Right
from app.suppliers.contact import SupplierFailed
from app.suppliers.hiding import Hide, hiding

pages = Noun()

_SAYS = {
    "pending": "it is still being worked on",
    "done": "it is done",
    "failed": "it is cancelled, or could not be done",
}


async def show(visit: Visit) -> Response:
    """The order, what can be done with it and what happened to it."""
    order_id = order_id_of(visit)
    async with visit.parts.db.pool.connection() as conn, conn.transaction():
        document = await read_evidence(conn, visit.parts.sealer, order_id, "staff")
        [order] = await listed_orders(conn, visit.parts.sealer, [order_id])
        costs = await costs_of(conn, order_id)
        by_hand = None
        if order.attempt_id is not None and order.attempt_state == "placed":
            by_hand = await find_waiting(conn, order.attempt_id)
    attempts = {attempt["id"]: attempt for attempt in document["attempts"]}
    return await visit.page(
        "orders/one.html",
        order=order,
        document=document,
        costs=costs,
        words=STATE_WORDS,
        is_open=order.state in ("accepted", "in_progress"),
        is_free=order.attempt_state not in ("sending", "placed", "unclear"),
        newest=attempts.get(order.attempt_id, {}),
        by_hand=by_hand,
    )


pages.page("/orders/{order_id:int}")(show)


@pages.page("/orders/{order_id:int}/customer")
async def customers_view(visit: Visit) -> Response:
    """What the customer may see of it: made from the order and its transfers alone."""
    document = await _evidence(visit, "customer")
    return await visit.page("orders/customer.html", order_id=order_id_of(visit), document=document)


@pages.page("/orders/{order_id:int}/evidence")
async def evidence(visit: Visit) -> Response:
    """The document as a page to print or to keep, for ourselves and a supplier, or for the customer."""
    audience: Audience = "customer" if visit.request.query_params.get("audience") == "customer" else "staff"
    document = await _evidence(visit, audience)
    name = f"order-{order_id_of(visit)}-{audience}.html"
    headers = {"Content-Security-Policy": POLICY, "Content-Disposition": f'inline; filename="{name}"'}
    return Response(page(document), media_type="text/html; charset=utf-8", headers=headers)


@pages.form("/orders/{order_id:int}/recheck", shown_by=show, right=Right.OPERATE)
async def ask_once_more(visit: Visit) -> Response:
    """Ask the supplier of an attempt what they say of it now, also after the end."""
    attempt, hide = await _attempt(visit)
    try:
        found = await recheck(visit.parts.db, visit.parts.sealer, attempt.id, staff_id=visit.staff.id)
    except SupplierFailed as failed:
        raise Conflict(hide(failed.message)) from failed
    text = _said(found.report, hide)
    if found.differs:
        text += " That is not what the order was closed with; nothing was changed by it."
    return await _back(visit, text)


@pages.form("/orders/{order_id:int}/hurry", shown_by=show, right=Right.OPERATE)
async def hurry(visit: Visit) -> Response:
    """Ask the supplier to end the waiting."""
    attempt, hide = await _attempt(visit)
    try:
        report = await ask_supplier(visit.parts.db, visit.parts.sealer, attempt.id, "hurry", staff_id=visit.staff.id)
    except SupplierFailed as failed:
        raise Conflict(hide(failed.message)) from failed
    return await _back(visit, _said(report, hide))


@pages.form("/orders/{order_id:int}/look", shown_by=show, right=Right.OPERATE)
async def look(visit: Visit) -> Response:
    """Have an attempt that is with a supplier asked after, or an unclear one looked for, before its time."""
    async with visit.transaction() as conn:
        found = await ask_soon(conn, [order_id_of(visit)], staff_id=visit.staff.id)
    if not found:
        raise Conflict("No supplier has it now, or a worker is asking at this moment.")
    return await _back(visit, "A worker asks within seconds; what it finds out stands below.")


@pages.form("/orders/{order_id:int}/cancel", shown_by=show, right=Right.OPERATE)
async def cancel(visit: Visit) -> Response:
    """Cancel it while no supplier has it, else pass the wish on."""
    async with visit.transaction() as conn:
        outcome = await cancel_order(conn, order_id_of(visit), actor=f"staff {visit.staff.id}")
    done = "Cancelled: the customer has the money back."
    asked = "A supplier has it, or may have it: they are asked, and only their word gives the money back."
    return await _back(visit, done if outcome == "cancelled" else asked)


@pages.form("/orders/{order_id:int}/reject", shown_by=show, right=Right.OPERATE)
async def reject(visit: Visit) -> Response:
    """Close it unserved, with a reason that the customer reads."""
    async with visit.transaction() as conn:
        await reject_order(conn, order_id_of(visit), reason=_reason(visit), staff_id=visit.staff.id)
    return await _back(visit, "Rejected: the customer has the reason and the money back.")


@pages.form("/orders/{order_id:int}/reverse", shown_by=show, right=Right.MONEY, fresh=True)
async def reverse(visit: Visit) -> Response:
    """Take a completed order back at our own cost, or ask for it where two people are needed."""
    async with visit.transaction() as conn:
        waits = await asking.reverse(
            conn, visit.parts.four_eyes, order_id_of(visit), reason=_reason(visit), staff_id=visit.staff.id
        )
    if waits is not None:
        return await _back(visit, "Asked for: somebody else has to approve it before the money goes back.")
    return await _back(visit, "Reversed: the order is rejected, and the customer has the money back.")


async def _evidence(visit: Visit, audience: Audience) -> dict[str, Any]:
    async with visit.parts.db.pool.connection() as conn, conn.transaction():
        return await read_evidence(conn, visit.parts.sealer, order_id_of(visit), audience)


async def _attempt(visit: Visit) -> tuple[AttemptRow, Hide]:
    """Return the attempt that the form names, which has to be one of this order's, and what hides its secrets."""
    number = visit.form.whole("attempt")
    async with visit.parts.db.pool.connection() as conn:
        attempt = await read_attempt(conn, number or 0)
        if attempt.order_id != order_id_of(visit):
            raise NotFound("There is no such attempt.")
        [order] = await read_orders(conn, [attempt.order_id])
        hide = await hiding(conn, visit.parts.sealer, [attempt.supplier_id], private_values(order.fields))
    return attempt, hide


def _said(report: Report, hide: Hide) -> str:
    return f"The supplier says: {_SAYS[report.status.value]}. {hide(report.text)[:300]}".strip()


def _reason(visit: Visit) -> str:
    reason = visit.form.text("reason")
    if len(reason) > 1000:
        raise Invalid("A reason has at most 1000 characters.", field="reason")
    return reason


async def _back(visit: Visit, text: str) -> Response:
    await visit.say(text)
    return visit.go(f"{HERE}/{order_id_of(visit)}")


def order_id_of(visit: Visit) -> int:
    """Return the order that the path names."""
    return visit.id_in_path("order_id")
