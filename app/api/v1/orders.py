"""``POST /orders``: one order or many, placed as over every other door, once for an ``Idempotency-Key``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from fastapi.responses import JSONResponse, Response

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import ApiDeps, ClientIp, OrdersCreator, Parts
from app.api.v1.order_files import Stored, read_file, stored
from app.api.v1.order_schemas import (
    OrderBody,
    OrderIn,
    OrderOut,
    OrderRowOut,
    OrderRowsOut,
    OrdersIn,
    order_out,
    problem_out,
)
from app.api.v1.responses import WITH_BODY
from app.api.v1.wait import WaitSeconds, applied
from app.catalog.snapshot import Catalog, Service
from app.connectors.base import File, ServiceType
from app.customers.once import Once, once
from app.customers.service import Identity
from app.errors import Invalid, TrunklineError
from app.orders.own import OwnOrder
from app.orders.placing import Answer, Placed, Stands, not_sold
from app.orders.wishes import Wish, make_wish
from app.web.problems import described
from app.web.schemas import said
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import ensure_callbacks

router = APIRouter(prefix="/orders", tags=["orders"], route_class=ExactRoute)

_FIELDS: Mapping[str, str] = {
    "IMEI": "device",
    "QNT": "quantity",
    "FILEDATA": "file.content",
    "FILENAME": "file.name",
}
"""What inputs are called here that every service may have; the others are under ``fields``."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A text of your own, 1 to 200 visible ASCII characters. The same call sent again with it within 24"
        " hours gets the same answer, and nothing is ordered or charged twice.",
        examples=["3f0f7a52-8a1c-4d8e-9a55-0d7b0e1c9c11"],
    ),
]

_ONE_OR_ROWS = {"model": OrderOut | OrderRowsOut}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        **_ONE_OR_ROWS,
        "description": "Nothing is left open: the orders are over, were there before, or were refused.",
    },
    201: {
        **_ONE_OR_ROWS,
        "description": "Placed and charged. Many: at least one was; each row says what became of it.",
    },
    202: {**_ONE_OR_ROWS, "description": "Placed and charged, and not over yet although the answer has waited."},
    **WITH_BODY,
    **described(
        {
            402: "The balance and credit limit do not cover it: `no_credit`.",
            404: "There is no such service for this account: `service_not_found`.",
            409: "Another order for the service and device stands in the way: `duplicate_order`, with `order_id`.",
            422: "The input breaks a rule (`invalid`); `field` names where. `idempotency_key_reused`: the key was used"
            " for another request.",
            503: "No supplier can fulfil it now (`service_unavailable`), or the database does not answer"
            " (`unavailable`): nothing was charged. `uncertain`: it may have been placed; send exactly the same again.",
        }
    ),
}


@router.post("", summary="Place one order or many", status_code=201, response_model=None, responses=_RESPONSES)
async def place_orders(
    caller: OrdersCreator,
    parts: Parts,
    ip: ClientIp,
    body: Annotated[OrderBody, Body()],
    *,
    wait: WaitSeconds,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Charged and committed when the answer comes.

    One order is an object, many are `{"orders": […]}`: each row gets its order or its error, and what is refused is
    not charged. The same order sent again within the duplicate window is the first one, over whatever door it came.
    """
    wanted = body.orders if isinstance(body, OrdersIn) else [body]
    if any(order.callback_url is not None for order in wanted):
        async with parts.db.pool.connection() as conn:
            await ensure_callbacks(conn, parts.sealer, caller.customer_id)
    call = None if idempotency_key is None else once(idempotency_key, "orders", said(body))
    answer = await _place(parts, caller, ip, wanted, call)
    if isinstance(body, OrderIn) and isinstance(answer.rows[0], TrunklineError):
        raise answer.rows[0]
    ids = [row.order_id for row in answer.rows if isinstance(row, Stands)]
    orders = parts.orders_of(caller)
    waited = wait > 0 and await orders.wait(caller.customer_id, ids, wait)
    async with parts.db.pool.connection() as conn:
        found = await orders.many(conn, caller.customer_id, ids)
    headers = {**(applied(wait) if waited else {}), **({"Idempotent-Replayed": "true"} if answer.again else {})}
    status = _status(answer.rows, found, waited=waited)
    shown: OrderOut | OrderRowsOut
    if isinstance(body, OrderIn):
        shown = order_out(found[ids[0]], parts.file_link)
        headers["Location"] = f"/api/v1/orders/{ids[0]}"
    else:
        rows = enumerate(answer.rows)
        shown = OrderRowsOut(items=[_row(row, place, found, parts.file_link) for place, row in rows])
    return JSONResponse(shown.model_dump(mode="json"), status, headers)


async def _place(
    parts: ApiDeps, caller: Identity, ip: str | None, wanted: Sequence[OrderIn], call: Once | None
) -> Answer:
    files = [_file(order, parts.max_file_bytes) for order in wanted]
    catalog = await parts.catalog.at_least(caller.catalog_version)
    # Only what a file service will take is worth keeping.
    takers = [
        file if isinstance(file, File) and _takes_file(catalog, order) else None
        for file, order in zip(files, wanted, strict=True)
    ]
    async with stored(parts, takers) as kept:
        rows = [
            _refusing(file) if isinstance(file, TrunklineError) else _wish(order, one, parts.webhook_rules)
            for order, file, one in zip(wanted, files, kept, strict=True)
        ]
        return await parts.orders_of(caller).placer.place(caller, ip, rows, call=call)


def _file(order: OrderIn, max_bytes: int) -> File | Invalid | None:
    try:
        return None if order.file is None else read_file(order.file, max_bytes)
    except Invalid as error:
        return error


def _takes_file(catalog: Catalog, order: OrderIn) -> bool:
    try:
        return service_of(catalog, order.service).type is ServiceType.FILE
    except TrunklineError:
        return False


def service_of(catalog: Catalog, wanted: int | str) -> Service:
    """Return the service with this id or code; NotSold if there is none."""
    service = catalog.find(str(wanted))
    if service is None:
        raise not_sold()
    return service


def _refusing(error: TrunklineError) -> Callable[[Catalog], Wish]:
    def refuse(_: Catalog) -> Wish:
        raise error

    return refuse


def _wish(order: OrderIn, file: Stored, rules: Rules) -> Callable[[Catalog], Wish]:
    def read(catalog: Catalog) -> Wish:
        if order.callback_url is not None:
            try:
                rules.check(order.callback_url)
            except Invalid as error:
                raise Invalid(error.message, field="callback_url") from error
        try:
            wish = make_wish(
                service_of(catalog, order.service),
                device=order.device,
                quantity=order.quantity,
                fields=order.fields,
                reference=order.reference,
                file=file[0] if file else None,
            )
        except Invalid as error:
            name = error.field or ""
            raise Invalid(error.message, field=_FIELDS.get(name, f"fields.{name}")) from error
        return replace(wish, file_id=file[1] if file else None, callback_url=order.callback_url)

    return read


def _status(rows: Sequence[Placed], found: Mapping[int, OwnOrder], *, waited: bool) -> int:
    stand = [row for row in rows if isinstance(row, Stands)]
    if waited:
        return 200 if all(found[row.order_id].closed_at is not None for row in stand) else 202
    return 201 if any(row.new for row in stand) else 200


def _row(row: Placed, place: int, found: Mapping[int, OwnOrder], file_link: Callable[[int, str], str]) -> OrderRowOut:
    if isinstance(row, TrunklineError):
        return OrderRowOut(error=problem_out(row, place))
    return OrderRowOut(order=order_out(found[row.order_id], file_link), repeated=not row.new)
