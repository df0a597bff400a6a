"""Many orders at once: a preview says of each what will happen and what it costs, then each with how it ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.orders import ACTS, MOST_AT_ONCE, STATE_WORDS, asked_for, wanted
from app.admin.pages.visit import Visit
from app.db import Connection
from app.errors import Invalid, TrunklineError
from app.money import format_amount, parse_amount
from app.orders.again import routes_of, send_again
from app.orders.cancelling import cancel_order
from app.orders.facts import outcomes_of
from app.orders.hurrying import ask_soon
from app.orders.listing import ListedOrder, find_orders, listed_orders
from app.orders.reading import read_attempt, read_attempts
from app.orders.resolution import resolve_attempt
from app.staff.service import Right
from app.suppliers.hiding import hiding

pages = Noun()


@dataclass(frozen=True, slots=True)
class Line:
    """One order of a preview: ``text`` is what will happen, ``applies`` whether anything will. ``ways`` are the routes
    it may take, as value and text; ``attempt_id`` is the unclear attempt to resolve. What is not ``ticked`` at first is
    left as it is unless somebody wants it."""

    order: ListedOrder
    text: str
    applies: bool
    ways: tuple[tuple[str, str], ...] = ()
    attempt_id: int | None = None
    ticked: bool = True


async def show(visit: Visit) -> Response:
    """What this page is for, for who comes without orders."""
    return await visit.page("orders/several_none.html")


@pages.form("/orders/several", shown_by=show, right=Right.OPERATE)
async def preview(visit: Visit) -> Response:
    """Say of each order what the act will do; nothing is changed yet."""
    act = _act(visit)
    async with visit.parts.db.pool.connection() as conn:
        orders = await listed_orders(conn, visit.parts.sealer, await _chosen(conn, visit))
        lines = await _PREVIEWS[act](conn, orders)
        hide = await hiding(conn, visit.parts.sealer, {number for one in orders for number in one.supplier_ids})
    back: dict[str, int] = {}
    for line in lines:
        if act == "cancel" and line.applies and _is_free(line.order):
            back[line.order.currency] = back.get(line.order.currency, 0) + line.order.price
    return await visit.page(
        "orders/several.html",
        act=act,
        title=ACTS[act],
        lines=[replace(line, text=hide(line.text)) for line in lines],
        count=sum(line.applies for line in lines),
        back=[f"{format_amount(amount)} {currency}" for currency, amount in sorted(back.items())],
        words=STATE_WORDS,
        most=MOST_AT_ONCE,
    )


@pages.form("/orders/several/do", shown_by=show, right=Right.OPERATE)
async def do(visit: Visit) -> Response:
    """Do it, each order for itself, and say of each how it ended."""
    act = _act(visit)
    ids = _ticked(visit)
    results = await _DEEDS[act](visit, ids)
    async with visit.parts.db.pool.connection() as conn:
        orders = await listed_orders(conn, visit.parts.sealer, ids)
    return await visit.page(
        "orders/several_done.html",
        title=ACTS[act],
        rows=[(order, results.get(order.id, "nothing was done")) for order in orders],
        words=STATE_WORDS,
    )


def _act(visit: Visit) -> str:
    act = visit.form.get("act")
    if act not in ACTS:
        raise Invalid("Choose what to do with them.", field="act")
    return act


def _ticked(visit: Visit) -> list[int]:
    texts = visit.form.all("order")
    ids = sorted({int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19}, reverse=True)
    if not ids:
        raise Invalid("Tick the orders first.", field="order")
    if len(ids) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE} orders at once.", field="order")
    return ids


async def _chosen(conn: Connection, visit: Visit) -> list[int]:
    """Return the ticked ones, or the newest that the filters of the list let through."""
    if visit.form.get("matching") != "yes":
        return _ticked(visit)
    asked = asked_for(dict(parse_qsl(visit.form.get("filters"))))
    return (await find_orders(conn, await wanted(conn, asked), limit=MOST_AT_ONCE)).ids


def _is_free(order: ListedOrder) -> bool:
    """Whether no supplier has the order or may have it."""
    return order.attempt_state not in ("sending", "placed", "unclear")


def _is_open(order: ListedOrder) -> bool:
    return order.state in ("accepted", "in_progress")


async def _preview_look(_conn: Connection, orders: list[ListedOrder]) -> list[Line]:
    texts = {
        "placed": "is asked after at {} within seconds",
        "unclear": "is looked for at {} within seconds, where they can tell",
    }
    return [
        Line(order, texts[order.attempt_state].format(order.supplier), True)
        if order.attempt_state in texts
        else Line(order, "no supplier has it now: nothing to ask", False)
        for order in orders
    ]


async def _preview_cancel(_conn: Connection, orders: list[ListedOrder]) -> list[Line]:
    def said(order: ListedOrder) -> Line:
        if not _is_open(order):
            return Line(order, "is over already", False)
        if _is_free(order):
            return Line(order, f"is cancelled; {format_amount(order.price)} {order.currency} go back at once", True)
        return Line(order, f"{order.supplier} is asked; the money goes back only on their word", True)

    return [said(order) for order in orders]


async def _preview_again(conn: Connection, orders: list[ListedOrder]) -> list[Line]:
    choices = await routes_of(conn, [order.id for order in orders])
    lines = []
    for order in orders:
        known = [one for one in choices[order.id] if one.cost is not None]
        ways = tuple(
            (
                f"{one.route_id}:{format_amount(one.cost or 0)}",
                f"{one.supplier}, {format_amount(one.cost or 0)} {one.currency}"
                + (f", leaves {format_amount(one.margin)} {order.currency}" if one.margin is not None else "")
                + (f", {one.tried.replace('_', ' ')} before" if one.tried else "")
                + (", waits" if one.blocked else ""),
            )
            for one in known
        )
        if order.state == "rejected":
            lines.append(Line(order, "is rejected; it has to be ordered anew", False))
        elif order.attempt_state == "sending":
            lines.append(Line(order, "is being sent at this moment", False))
        elif not ways:
            lines.append(Line(order, "has no route of known cost", False))
        elif order.state == "completed":
            lines.append(Line(order, "is completed: it is bought once more, at our cost", True, ways, ticked=False))
        else:
            doubt = order.attempt_state in ("placed", "unclear")
            text = f"{order.supplier} has it or may have it: it may be paid twice" if doubt else "is sent"
            lines.append(Line(order, text, True, ways))
    return lines


async def _preview_resolve(conn: Connection, orders: list[ListedOrder]) -> list[Line]:
    unclear = [order.attempt_id for order in orders if order.attempt_id and order.attempt_state == "unclear"]
    led = await outcomes_of(conn, await read_attempts(conn, unclear))
    lines = []
    for order in orders:
        if order.attempt_id not in led:
            lines.append(Line(order, "is not unclear", False))
            continue
        [absent] = [outcome for outcome in led[order.attempt_id] if outcome.answer == "not_found"]
        to = f" {absent.supplier}, {format_amount(absent.cost)} {order.currency}." if absent.cost is not None else ""
        lines.append(Line(order, f"If it is not there: {absent.text}{to}", True, attempt_id=order.attempt_id))
    return lines


_PREVIEWS: dict[str, Callable[[Connection, list[ListedOrder]], Awaitable[list[Line]]]] = {
    "look": _preview_look,
    "cancel": _preview_cancel,
    "again": _preview_again,
    "resolve": _preview_resolve,
}


async def _look(visit: Visit, ids: list[int]) -> dict[int, str]:
    async with visit.transaction() as conn:
        asked = await ask_soon(conn, ids, staff_id=visit.staff.id)
    return {one.order_id: "a worker asks within seconds" for one in asked}


async def _each(visit: Visit, ids: list[int], deed: Callable[[Connection, int], Awaitable[str]]) -> dict[int, str]:
    """Do it with each order in a transaction of its own; one that cannot be done keeps no other from it."""
    results = {}
    for order_id in ids:
        try:
            async with visit.transaction() as conn:
                results[order_id] = await deed(conn, order_id)
        except TrunklineError as refused:
            results[order_id] = refused.message
    return results


async def _cancel(visit: Visit, ids: list[int]) -> dict[int, str]:
    async def cancel(conn: Connection, order_id: int) -> str:
        outcome = await cancel_order(conn, order_id, actor=f"staff {visit.staff.id}")
        return "cancelled, the money is back" if outcome == "cancelled" else "the supplier is asked"

    return await _each(visit, ids, cancel)


async def _again(visit: Visit, ids: list[int]) -> dict[int, str]:
    async def again(conn: Connection, order_id: int) -> str:
        route, _, cost = visit.form.get(f"way-{order_id}").partition(":")
        if not route:
            return "left as it is"
        if not (route.isascii() and route.isdigit() and len(route) < 19):
            raise Invalid("The order's service has no such route.")
        try:
            most = parse_amount(cost)
        except ValueError as error:
            raise Invalid("What it may cost was not said.") from error
        await send_again(
            conn,
            order_id,
            route_id=int(route),
            max_cost=most,
            force=False,
            reason=visit.form.text("reason")[:1000],
            staff_id=visit.staff.id,
            newest=visit.form.whole(f"newest-{order_id}"),
        )
        return f"on its way, for {format_amount(most)} at most"

    return await _each(visit, ids, again)


async def _resolve(visit: Visit, ids: list[int]) -> dict[int, str]:
    absent = visit.form.get("rest") == "not_found"

    async def resolve(conn: Connection, order_id: int) -> str:
        attempt_id = visit.form.whole(f"attempt-{order_id}")
        remote_id = visit.form.text(f"remote-{order_id}")
        if attempt_id is None or not (remote_id or absent):
            return "left as it is"
        if (await read_attempt(conn, attempt_id)).order_id != order_id or len(remote_id) > 200:
            raise Invalid("That is not an attempt of this order, or no id.")
        await resolve_attempt(
            conn, attempt_id, found=bool(remote_id), remote_id=remote_id or None, staff_id=visit.staff.id
        )
        return f"it is there as {remote_id}" if remote_id else "it is not there"

    return await _each(visit, ids, resolve)


_DEEDS: dict[str, Callable[[Visit, list[int]], Awaitable[dict[int, str]]]] = {
    "look": _look,
    "cancel": _cancel,
    "again": _again,
    "resolve": _resolve,
}
