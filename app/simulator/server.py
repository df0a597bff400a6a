"""The simulator's HTTP side: the DHRU endpoint, and two pages on which tests see what was really bought."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.simulator.orders import Orders
from app.simulator.supplier import START_BALANCE, Supplier

ENDPOINTS = ("/api/index.php", "/api/", "/api")
_HEADERS = {"X-Powered-By": "DHRU-FUSION", "dhru-fusion-api-version": "6.1"}


def build_simulator(
    path: str | Path,
    *,
    username: str,
    api_key: str,
    accept_seconds: float = 0.0,
    work_seconds: float = 3.0,
    start_balance: int = START_BALANCE,
) -> Starlette:
    """Return the ASGI app of a supplier whose orders live in the SQLite file ``path`` (or ``":memory:"``).

    An order is kept at once and answered ``accept_seconds`` later, as slow suppliers do; it is delivered after
    ``work_seconds`` times the pace of its service. ``start_balance`` is in micro-units of USD. ``GET
    /simulator/orders?device=`` and ``GET /simulator/stats`` tell what was bought. ``app.state.supplier`` is the
    ``Supplier`` behind it.
    """
    orders = Orders(path)
    supplier = Supplier(
        orders, username=username, api_key=api_key, work_seconds=work_seconds, start_balance=start_balance
    )

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        body = supplier.answer(form)
        if accept_seconds and form.get("action", "").lower().startswith("place"):
            await asyncio.sleep(accept_seconds)
        return reply(body)

    async def bought(request: Request) -> Response:
        return reply([asdict(order) for order in orders.of_device(request.query_params.get("device", ""))])

    async def stats(request: Request) -> Response:
        return reply(orders.stats())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        orders.close()

    app = Starlette(
        routes=[
            *(Route(path, endpoint, methods=["GET", "POST"]) for path in ENDPOINTS),
            Route("/simulator/orders", bought),
            Route("/simulator/stats", stats),
        ],
        lifespan=lifespan,
    )
    app.state.supplier = supplier
    return app


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a urlencoded or multipart body, or of the query if there is no body."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        async with request.form() as form:
            return {name: value for name, value in form.items() if isinstance(value, str)}
    body = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(body or request.url.query, keep_blank_values=True))


def reply(body: object, status: int = 200) -> Response:
    """Return ``body`` as DHRU sends it."""
    content = orjson.dumps(body)
    return Response(content, status, _HEADERS, media_type="application/json; charset=utf-8")
