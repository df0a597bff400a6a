"""The actions on orders: placing and status, single and in bulk, each one statement."""

from collections.abc import Sequence

import structlog

from app.api.dhru import replies
from app.api.dhru.call import Call
from app.api.dhru.choices import refuse_unknown_choices
from app.api.dhru.inputs import Row, bulk_orders, bulk_rows, order_ids, single_row, wish_of
from app.api.dhru.replies import Refusal, Reply
from app.api.dhru.sandbox import ReadWish, place_in_sandbox, refusing_invalid, sandbox_status
from app.catalog.snapshot import Catalog
from app.errors import Unauthenticated
from app.orders.service import OrderStatus, Outcome, StaleCatalog, place, rolled_back, status
from app.orders.wishes import Wish

MAX_PLACE_ROWS = 500
MAX_STATUS_ROWS = 1_000

_TRIES = 5

log = structlog.get_logger()


async def place_one(call: Call) -> Reply:
    """Answer placeimeiorder and its aliases."""
    row = single_row(await call.content(), call.envelope.flat)
    return await place_row(call, row, wish_of)


async def place_row(call: Call, row: Row, read: ReadWish) -> Reply:
    """Place the one wish that ``read`` makes of a row, and answer."""
    [answer] = await _place_rows(call, [("", row)], read)
    told = replies.error(answer) if isinstance(answer, Refusal) else replies.order_received(answer, call.dialect)
    return {**row.echo(), **told}


async def place_bulk(call: Call) -> Reply:
    """Answer placeimeiorderbulk: DHRU's rows, and beside them GSM Theme's map of the same."""
    rows, answers = await _place_all(call)
    reply: Reply = {
        key: replies.error(answer) if isinstance(answer, Refusal) else replies.order_received(answer, call.dialect)
        for key, answer in zip(rows, answers, strict=True)
    }
    return {**reply, **_theme_map(call, rows, answers)}


async def place_bulk_theme(call: Call) -> Reply:
    """Answer placebulkorder, which only clients of GSM Theme's dialect send."""
    return _theme_map(call, *await _place_all(call))


async def status_one(call: Call) -> Reply:
    """Answer getimeiorder and its aliases; a comma list of ids gets one element for each."""
    row = single_row(await call.content(), call.envelope.flat)
    ids = order_ids(row)
    if len(ids) > MAX_STATUS_ROWS:
        raise Refusal("Too many rows", f"A status call may have {MAX_STATUS_ROWS} orders.")
    found = await _status(call, ids)
    orders = [found.get(number) if number is not None else None for number in ids]
    if len(orders) > 1:
        elements = [
            {
                "ID": "" if number is None else str(number),
                **replies.order_status(order, call.dialect, call.door.file_link),
            }
            for number, order in zip(ids, orders, strict=True)
        ]
        return {"SUCCESS": elements}
    [order] = orders
    if order is None:
        return {**row.echo(), **replies.error(replies.not_your_order())}
    told = replies.order_status(order, call.dialect, call.door.file_link)
    if call.dialect == "8.2":
        told["REFERENCEID"] = str(order.id)
    return {"ID": str(order.id), "IMEI": order.device, **replies.success(told)}


async def status_bulk(call: Call) -> Reply:
    """Answer getimeiorderbulk by the caller's keys.

    An id that is not the caller's looks like an order that waits: on an ERROR row some clients lose the whole batch.
    """
    asked = bulk_orders(await call.content(), call.envelope.flat, limit=MAX_STATUS_ROWS)
    found = await _status(call, [number for _, number in asked])
    dialect, link, describe = call.dialect, call.door.file_link, replies.order_status
    return {
        key: {"SUCCESS": [describe(found.get(number) if number is not None else None, dialect, link)]}
        for key, number in asked
    }


async def _place_all(call: Call) -> tuple[list[str], list[int | Refusal]]:
    rows = bulk_rows(await call.content(), call.envelope.flat, limit=MAX_PLACE_ROWS)
    return [key for key, _ in rows], await _place_rows(call, rows, wish_of)


def _theme_map(call: Call, keys: Sequence[str], answers: Sequence[int | Refusal]) -> Reply:
    rows = zip(keys, answers, strict=True)
    return {"SUCCESS": {key: replies.theme_row(answer, call.dialect) for key, answer in rows}}


async def _place_rows(call: Call, rows: Sequence[tuple[str, Row | Refusal]], read: ReadWish) -> list[int | Refusal]:
    """Place what is valid and return an order id or a refusal for each row, in their order.

    A stranger learns nothing: rows are answered only after the database has confirmed the key, in the placing itself
    or, if nothing was left to place, by a look-up of its own.
    """
    if call.identity.sandbox:
        # Its statement does not check the key.
        await call.confirm()
        read = refusing_invalid(read)
    catalog = await call.door.catalog.at_least(call.identity.catalog_version)
    for _ in range(_TRIES):
        checked = [_check(row, catalog, key, read) for key, row in rows]
        checked = await refuse_unknown_choices(call.door.db, catalog, checked)
        wishes = [wish for wish in checked if isinstance(wish, Wish)]
        if not wishes:
            # The catalogue may have changed since; only the newest one may say no.
            identity = await call.confirm()
            if identity.catalog_version > catalog.version:
                catalog = await call.door.catalog.at_least(identity.catalog_version)
                continue
            return [row for row in checked if isinstance(row, Refusal)]
        try:
            outcomes = iter(await _place(call, wishes, catalog.version))
        except StaleCatalog:
            catalog = await call.door.catalog.newer_than(catalog.version)
            continue
        except Unauthenticated:
            await call.confirm()
            continue
        return [row if isinstance(row, Refusal) else _answer(next(outcomes)) for row in checked]
    raise replies.maintenance()


def _check(row: Row | Refusal, catalog: Catalog, reference: str, read: ReadWish) -> Wish | Refusal:
    if isinstance(row, Refusal):
        return row
    try:
        return read(row, catalog, reference or row.text("orderid"))
    except Refusal as refusal:
        return refusal


async def _place(call: Call, wishes: Sequence[Wish], version: int) -> list[Outcome]:
    """Place in one statement. Raises Refusal if a fault leaves open whether it was committed."""
    if call.identity.sandbox:
        return await place_in_sandbox(call, wishes)
    sent = False
    try:
        async with call.door.db.pool.connection() as conn:
            sent = True
            outcomes = await place(
                conn,
                wishes,
                key_id=call.identity.key_id,
                ip=call.ip,
                catalog_version=version,
                source="dhru",
                window_seconds=call.door.duplicate_window_seconds,
            )
    except (StaleCatalog, Unauthenticated):
        raise
    except Exception as error:
        if not sent or rolled_back(error):
            raise
        log.error("placing ended without an answer", error=type(error).__name__, customer_id=call.identity.customer_id)
        raise replies.uncertain() from error
    call.confirmed = True
    if any(outcome.kind == "placed" for outcome in outcomes):
        call.door.placed()
    return outcomes


def _answer(outcome: Outcome) -> int | Refusal:
    match outcome.kind:
        case "placed" | "repeated" if outcome.order_id is not None:
            return outcome.order_id
        case "duplicate":
            return replies.duplicate()
        case "no_credit":
            return replies.no_credit()
        case "not_sold":
            return replies.not_sold()
        case _:
            return replies.unavailable()


async def _status(call: Call, ids: Sequence[int | None]) -> dict[int, OrderStatus]:
    """Return the caller's orders among ``ids`` in one statement. Raises Refusal for a key that is no longer valid."""
    numbers = [number for number in ids if number is not None]
    if call.identity.sandbox:
        await call.confirm()
        return await sandbox_status(call, numbers)
    for _ in range(2):
        try:
            async with call.door.db.pool.connection() as conn:
                found = await status(conn, numbers, key_id=call.identity.key_id, ip=call.ip)
        except Unauthenticated:
            await call.confirm()
            continue
        call.confirmed = True
        return found
    raise replies.unauthenticated()
