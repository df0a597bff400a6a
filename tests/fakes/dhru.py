"""A DHRU supplier that misbehaves on demand, and counts what it really accepted.

It sells the simulator's catalogue and keeps its orders the same way; faults come on top. They are scripted in process
(``fake.script(Fault("hang", "place"))``) or by another one over HTTP (``POST /fake/faults`` with a JSON list of the
same, ``GET /fake/state`` for the counters).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.money import format_amount, parse_amount
from app.simulator.orders import Orders
from app.simulator.server import read_form
from app.simulator.supplier import Supplier
from tests.serving import serving

Kind = Literal[
    "hang",  # no reply for `seconds`
    "status",  # an HTML page with HTTP `status`
    "cut",  # the reply ends in its middle
    "reset",  # the connection breaks before a reply
    "firewall",  # a Cloudflare page with 200
    "garbage",  # bytes that are no JSON
    "notices",  # PHP notices before a good reply
    "no_id",  # success without a REFERENCEID
    "both",  # SUCCESS and ERROR at once
    "refuse",  # an ERROR with `text`
    "no_funds",  # CreditprocessError
    "throttled",  # too frequently
    "bulk_unsupported",  # Command Not Found
    "price",  # the service list with every price doubled
    "list_empty",  # the service list without services
    "list_halved",  # the service list without every other service
]

_BEFORE = frozenset({"refuse", "no_funds", "throttled", "bulk_unsupported", "firewall"})
"""These faults come instead of the supplier's work; all others behind it, so that an order has been accepted."""

_NOTICES = "<br />\n<b>Notice</b>:  Undefined index: x[0] in <b>/home/a/api.php</b> on line <b>8</b><br />\n"


_TRANSPORT = "tests.transport"
"""Under this key of the scope the fake finds the connection's transport, to break it."""


@dataclass
class Fault:
    """One thing that goes wrong for the next ``times`` requests (-1: all) whose action starts with ``action``.

    ``accepts`` says whether the order is taken before the fault; None leaves it to the kind.
    """

    kind: Kind
    action: str = ""
    times: int = 1
    accepts: bool | None = None
    status: int = 502
    text: str = "Ask the admin"
    seconds: float = 3600.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"no fault {self.kind!r}")


class FakeDhru:
    """The fake as an ASGI app; ``faults`` and ``requests`` may be read and changed at any time."""

    username = "reseller"
    api_key = "FAKE-KEY-OF-THE-TESTS"

    def __init__(self, *, work_seconds: float = 0.0) -> None:
        self.orders = Orders(":memory:")
        self.supplier = Supplier(self.orders, username=self.username, api_key=self.api_key, work_seconds=work_seconds)
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        self._app = Starlette(
            routes=[
                Route("/api/index.php", self._endpoint, methods=["GET", "POST"]),
                Route("/fake/faults", self._script, methods=["POST"]),
                Route("/fake/state", self._show),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def config(self, base_url: str) -> dict[str, object]:
        """The config of a DHRU connector for this fake."""
        return {"base_url": base_url, "username": self.username, "api_key": self.api_key}

    def script(self, *faults: Fault) -> None:
        """Put ``faults`` behind those that wait; each request takes the first that fits it."""
        self.faults.extend(faults)

    def state(self) -> dict[str, Any]:
        """What was accepted, what was asked, and the faults that wait."""
        return {
            **self.orders.stats(),
            "requests": dict(self.requests),
            "faults": [asdict(fault) for fault in self.faults],
        }

    async def _script(self, request: Request) -> Response:
        try:
            self.script(*(Fault(**fault) for fault in orjson.loads(await request.body())))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self.state())

    async def _show(self, _: Request) -> Response:
        return JSONResponse(self.state())

    async def _endpoint(self, request: Request) -> Response:
        form = await read_form(request)
        action = form.get("action", "")
        self.requests[action] += 1
        fault = self._next_fault(action)
        if fault is None:
            return _json(self.supplier.answer(form))
        accepts = fault.kind not in _BEFORE if fault.accepts is None else fault.accepts
        body = self.supplier.answer(form) if accepts else {}
        return await self._broken(fault, body, request)

    def _next_fault(self, action: str) -> Fault | None:
        fault = next((fault for fault in self.faults if action.startswith(fault.action)), None)
        if fault:
            fault.times -= 1
            if fault.times == 0:
                self.faults.remove(fault)
        return fault

    async def _broken(self, fault: Fault, body: dict[str, Any], request: Request) -> Response:
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "reset":
            request.scope[_TRANSPORT].abort()
        return _REPLIES[fault.kind](fault, body)


def serving_fake(fake: FakeDhru) -> AbstractAsyncContextManager[str]:
    """Serve the fake over real HTTP; only so can it reset connections. Lends its base URL."""
    return serving(fake, http=_Breakable)


class _Breakable(HttpToolsProtocol):
    """A connection whose transport the app can reach."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[_TRANSPORT] = self.transport


class _Cut(Response):
    """Promises a whole body and sends the first half."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body)[: len(self.body) // 2], "more_body": True})


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json; charset=utf-8")


def _without_ids(body: Any) -> Any:
    if isinstance(body, dict):
        return {key: "" if key == "REFERENCEID" else _without_ids(item) for key, item in body.items()}
    return [_without_ids(item) for item in body] if isinstance(body, list) else body


def _other_list(kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
    success = body["SUCCESS"][0]
    if kind == "list_empty":
        return {**body, "SUCCESS": [{**success, "LIST": []}]}
    groups = {}
    for name, group in success["LIST"].items():
        services = group["SERVICES"]
        if kind == "list_halved":
            services = dict(list(services.items())[::2])
        else:
            services = {key: {**one, "CREDIT": _doubled(one["CREDIT"])} for key, one in services.items()}
        groups[name] = {**group, "SERVICES": services}
    return {**body, "SUCCESS": [{**success, "LIST": groups}]}


def _doubled(credit: str) -> str:
    return format_amount(2 * parse_amount(credit))


def _error(message: str, description: str = "") -> Response:
    return _json({"ERROR": [{"MESSAGE": message, "FULL_DESCRIPTION": description}], "apiversion": "6.1"})


def _page(title: str, status: int = 200) -> Response:
    return HTMLResponse(f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>", status)


_REPLIES: Mapping[Kind, Callable[[Fault, dict[str, Any]], Response]] = {
    "hang": lambda _, body: _json(body),
    "status": lambda fault, _: _page("Bad Gateway", fault.status),
    "cut": lambda _, body: _Cut(orjson.dumps(body)),
    "reset": lambda _, __: Response(),
    "firewall": lambda _, __: _page("Just a moment... Cloudflare"),
    "garbage": lambda _, __: Response(bytes(range(256)), media_type="text/html"),
    "notices": lambda _, body: HTMLResponse(_NOTICES + orjson.dumps(body).decode()),
    "no_id": lambda _, body: _json(_without_ids(body)),
    "both": lambda fault, body: _json({**body, "ERROR": [{"MESSAGE": fault.text}]}),
    "refuse": lambda fault, _: _error(fault.text),
    "no_funds": lambda _, __: _error("CreditprocessError", "error:<li>Not enough credits</li>"),
    "throttled": lambda _, __: _error("You are calling this API too frequently!"),
    "bulk_unsupported": lambda _, __: _error("Command Not Found"),
    "price": lambda fault, body: _json(_other_list(fault.kind, body)),
    "list_empty": lambda fault, body: _json(_other_list(fault.kind, body)),
    "list_halved": lambda fault, body: _json(_other_list(fault.kind, body)),
}
