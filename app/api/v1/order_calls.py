"""``/orders``: read one, many or a list; cancel; fetch the file that came with a result."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.files import file_response
from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import ApiDeps, OrdersCreator, OrdersReader, Parts
from app.api.v1.order_schemas import OrderIds, OrderOut, OrdersFoundOut, State, Text, order_out
from app.api.v1.orders import service_of
from app.api.v1.responses import CONFLICT, NOT_FOUND, SERVICE_NOT_FOUND, WITH_BODY
from app.api.v1.wait import WaitSeconds, applied
from app.customers.service import Identity
from app.db import MAX_ID
from app.errors import NotFound
from app.orders.book import one_order
from app.orders.own import OwnFilter
from app.web.schemas import DEFAULT_PAGE, Cursor, Moment, Page, PageSize, PathId, Row

router = APIRouter(prefix="/orders", tags=["orders"], route_class=ExactRoute)


class OrderInList(OrderOut, Row):
    """An order of the list; see one order."""


@router.get("", summary="Your orders", responses=SERVICE_NOT_FOUND)
async def list_orders(
    caller: OrdersReader,
    parts: Parts,
    *,
    state: State | None = None,
    service: Annotated[int | str | None, Query(description="The service's id or code.")] = None,
    device: Annotated[Text, Query(description="The IMEI or serial number, whole.")] = None,
    reference: Annotated[Text, Query(description="Your own reference, whole.")] = None,
    since: Annotated[Moment, Query(alias="from", description="The first moment; a date is its midnight, UTC.")] = None,
    until: Annotated[Moment, Query(alias="to", description="The moment after the last; a date: that midnight.")] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[OrderInList]:
    """The newest first; those of every door."""
    chosen = OwnFilter(
        state=state,
        service_id=None if service is None else await _service_id(parts, caller, str(service)),
        device=device,
        reference=reference,
        since=since,
        until=until,
    )
    async with parts.db.pool.connection() as conn:
        rows = await parts.orders_of(caller).listed(conn, caller.customer_id, chosen, before=cursor, limit=limit + 1)
    return Page.of([OrderInList(**dict(order_out(row, parts.file_link))) for row in rows], limit)


async def _service_id(parts: ApiDeps, caller: Identity, named: str) -> int:
    """Return the id of a service that is named by id or code; one that is no longer sold has orders all the same."""
    if named.isascii() and named.isdigit() and len(named) < 20 and int(named) <= MAX_ID:
        return int(named)
    # Not while a connection is held: whoever holds the last one would wait for one more to read the catalogue.
    return service_of(await parts.catalog.at_least(caller.catalog_version), named).id


@router.post("/status", summary="Many orders by their ids", responses=WITH_BODY)
async def read_orders(body: OrderIds, caller: OrdersReader, parts: Parts) -> OrdersFoundOut:
    """In the order asked for, each once."""
    async with parts.db.pool.connection() as conn:
        found = await parts.orders_of(caller).many(conn, caller.customer_id, body.ids)
    asked = list(dict.fromkeys(body.ids))
    return OrdersFoundOut(
        items=[order_out(found[number], parts.file_link) for number in asked if number in found],
        unknown=[number for number in asked if number not in found],
    )


@router.get("/{order_id}", summary="One order", responses=NOT_FOUND)
async def get_order(
    order_id: PathId, caller: OrdersReader, parts: Parts, wait: WaitSeconds, response: Response
) -> OrderOut:
    """With `Prefer: wait=N` the answer comes when the order is over, or as it is after that time."""
    orders = parts.orders_of(caller)
    async with parts.db.pool.connection() as conn:
        order = await one_order(orders, conn, caller.customer_id, order_id)
    if wait and order.closed_at is None and await orders.wait(caller.customer_id, [order_id], wait):
        response.headers.update(applied(wait))
        async with parts.db.pool.connection() as conn:
            order = await one_order(orders, conn, caller.customer_id, order_id)
    return order_out(order, parts.file_link)


@router.post(
    "/{order_id}/cancel",
    summary="Cancel an order",
    responses={
        200: {"description": "No supplier had it: it is rejected, and the money is back."},
        202: {"model": OrderOut, "description": "A supplier has it and is asked; their word decides."},
        **NOT_FOUND,
        **CONFLICT,
    },
)
async def cancel(order_id: PathId, caller: OrdersCreator, parts: Parts, response: Response) -> OrderOut:
    """Asking twice is harmless. Money comes back only if no supplier had the order, or they say it is cancelled."""
    orders = parts.orders_of(caller)
    async with parts.db.transaction() as conn:
        became = await orders.cancel(conn, caller.customer_id, order_id)
        order = await one_order(orders, conn, caller.customer_id, order_id)
    if became == "requested":
        # The poller passes the wish on.
        parts.placed()
        response.status_code = 202
    return order_out(order, parts.file_link)


@router.get(
    "/{order_id}/file",
    summary="The file that came with a result",
    response_class=Response,
    responses={200: {"description": "The file.", "content": {"application/octet-stream": {}}}, **NOT_FOUND},
)
async def get_file(order_id: PathId, caller: OrdersReader, parts: Parts) -> Response:
    """As it came, to be saved under its name."""
    orders = parts.orders_of(caller)
    async with parts.db.pool.connection() as conn:
        await one_order(orders, conn, caller.customer_id, order_id)
        file = await orders.file(conn, order_id)
    if file is None:
        raise NotFound("This order has no file.")
    return file_response(file)
