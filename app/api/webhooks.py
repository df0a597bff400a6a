"""The door for suppliers' own calls: ``POST /api/webhooks/{supplier_id}``.

What a call says is not believed. A call that its connector verifies makes the order it names due to be asked after now,
and the answer to that question is what counts. Nothing here talks to a supplier, so the reply is quick.

====  ==============================================================================================
200   the order is asked after now
400   the signature is right, but the call names no order
401   the signature is wrong; staff get an alarm
404   no such supplier, or none that calls us, or no such order of ours there (yet)
409   this very call was taken before
413   the body is longer than any call needs
429   more calls than any supplier has reason to make
====  ==============================================================================================
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

import app.paths  # noqa: F401  bounds the numbers in paths
from app.alarms.service import AlarmKind, about_supplier, raise_alarm
from app.connectors.errors import RefusalReason, Refused, Unsupported
from app.db import Database
from app.errors import NotFound
from app.orders.attempts import ask_now, look_now
from app.sealing import Sealer
from app.suppliers.service import SupplierAccount, connect, get
from app.suppliers.webhooks import take_call

MAX_BODY = 256 * 1024
CALLS_PER_MINUTE = 1200
CALLS_PER_ORDER = 20
"""A minute's calls about one order: some signatures leave room for other bodies, each of which costs a question."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WebhookDoor:
    """What the door needs. ``limit`` says whether one more may pass in this minute, ``due`` wakes the workers."""

    db: Database
    sealer: Sealer
    limit: Callable[[str, int], Awaitable[bool]]
    due: Callable[[], None]


def webhook_routes(door: WebhookDoor) -> list[BaseRoute]:
    """Return the one route."""

    async def take(request: Request) -> Response:
        supplier_id = request.path_params["supplier_id"]
        if not await door.limit(f"webhooks {supplier_id}", CALLS_PER_MINUTE):
            return _said(429, "too many calls")
        body = await _body(request)
        if body is None:
            return _said(413, "too long")
        try:
            async with door.db.pool.connection() as conn:
                account = await get(conn, supplier_id)
            remote_id = await _verified(door.sealer, account, request, body)
        except (NotFound, Unsupported):
            return _said(404, "nobody calls here")
        except Refused as error:
            return await _refused(door.db, account, error)
        return await _asked(door, supplier_id, remote_id, body)

    return [Route("/api/webhooks/{supplier_id:int}", take, methods=["POST"])]


async def _body(request: Request) -> bytes | None:
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_BODY:
            return None
    return bytes(read)


async def _verified(sealer: Sealer, account: SupplierAccount, request: Request, body: bytes) -> str:
    connector = connect(account, sealer)
    try:
        return connector.webhook({name.lower(): value for name, value in request.headers.items()}, body)
    finally:
        await connector.http.aclose()


async def _refused(db: Database, account: SupplierAccount, error: Refused) -> Response:
    if error.reason is not RefusalReason.BAD_CREDENTIALS:
        return _said(400, "no order is named")
    text = f"{account.name}: a call in its name is not signed by it: {error.text}"
    async with db.pool.connection() as conn:
        await raise_alarm(conn, AlarmKind.FORGED_WEBHOOK, about_supplier(account.id), text)
    log.warning("a forged call", supplier_id=account.id)
    return _said(401, "the signature is wrong")


async def _asked(door: WebhookDoor, supplier_id: int, remote_id: str, body: bytes) -> Response:
    if not await door.limit(f"webhooks {supplier_id} {remote_id}", CALLS_PER_ORDER):
        return _said(429, "too many calls about this order")
    async with door.db.transaction() as conn:
        known = await ask_now(conn, supplier_id, remote_id)
        # One that we do not know may be one of which we do not know whether it arrived.
        looked_for = 0 if known else await look_now(conn, supplier_id)
        # A call about an order that we do not know yet may come again.
        taken = known and await take_call(conn, supplier_id, body)
    if looked_for:
        door.due()
    if not known:
        return _said(404, "no such order")
    if not taken:
        return _said(409, "taken before")
    door.due()
    log.info("a supplier called", supplier_id=supplier_id, remote_id=remote_id)
    return _said(200, "ok")


def _said(status: int, word: str) -> Response:
    return JSONResponse({"status": word}, status)
