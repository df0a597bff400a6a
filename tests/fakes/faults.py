"""Scripted faults: the part that every fake supplier shares.

A fake is a ``FaultyApp`` that answers its supplier's paths and says what it really accepted. Faults come on top. They
are scripted in process (``fake.script(Fault("hang", "place"))``) or by another one over HTTP (``POST /fake/faults``
with a JSON list of the same, ``GET /fake/state`` for the counters).
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, cast

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.serving import serving

TRANSPORT_FAULTS = frozenset(
    {
        "hang",  # no reply for `seconds`, then the good one
        "status",  # an HTML page with HTTP `status`
        "cut",  # the reply ends in its middle
        "reset",  # the connection breaks before a reply
        "firewall",  # a Cloudflare page with 200; nothing reaches the supplier
        "garbage",  # bytes that are no text
        "notices",  # PHP notices before the good reply
    }
)
"""What can go wrong at any supplier, whatever it speaks."""

_NOTICES = b"<br />\n<b>Notice</b>:  Undefined index: x[0] in <b>/home/a/api.php</b> on line <b>8</b><br />\n"

_TRANSPORT = "tests.transport"
"""Under this key of the scope a fake finds the connection's transport, to break it."""


@dataclass
class Fault:
    """One thing that goes wrong for the next ``times`` requests (-1: all) whose action starts with ``action``.

    ``accepts`` says whether the supplier does its work (takes the order) before the fault; None leaves it to the kind.
    """

    kind: str
    action: str = ""
    times: int = 1
    accepts: bool | None = None
    status: int = 502
    text: str = "Ask the admin"
    seconds: float = 3600.0


Spoil = Callable[[Fault, Response], Response]
"""Makes the reply of one fault from the good one, which is ``{}`` if the supplier did nothing."""


class FaultyApp(ABC):
    """A fake supplier as an ASGI app; ``faults`` and ``requests`` may be read and changed at any time.

    A subclass names its own faults, gives its routes, and answers each request through ``answer``.
    """

    own_faults: ClassVar[Mapping[str, Spoil]] = {}
    """The faults in the supplier's own format, beside those of ``TRANSPORT_FAULTS``."""
    instead: ClassVar[Collection[str]] = ()
    """Those of ``own_faults`` that come instead of the supplier's work; the others come behind it."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        fake = [
            Route("/fake/faults", self._script, methods=["POST"]),
            Route("/fake/state", self._show),
        ]
        self._app = Starlette(routes=[*fake, *self.routes()])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @abstractmethod
    def routes(self) -> Iterable[BaseRoute]:
        """The supplier's own paths."""

    @abstractmethod
    def counters(self) -> dict[str, Any]:
        """What the supplier really accepted: at least ``accepted`` and ``bought_twice``."""

    def script(self, *faults: Fault) -> None:
        """Put ``faults`` behind those that wait; each request takes the first that fits it.

        ValueError for a kind that this fake does not know; then none of them is taken.
        """
        for fault in faults:
            if fault.kind not in TRANSPORT_FAULTS and fault.kind not in self.own_faults:
                raise ValueError(f"no fault {fault.kind!r}")
        self.faults.extend(faults)

    def state(self) -> dict[str, Any]:
        """What was accepted, what was asked, and the faults that wait."""
        return {
            **self.counters(),
            "requests": dict(self.requests),
            "faults": [asdict(fault) for fault in self.faults],
        }

    async def answer(self, request: Request, action: str, work: Callable[[], Response]) -> Response:
        """Answer one request: count it under ``action``, let the supplier ``work``, and put a waiting fault on top."""
        self.requests[action] += 1
        fault = self._next_fault(action)
        if fault is None:
            return work()
        accepts = fault.kind != "firewall" and fault.kind not in self.instead
        good = work() if (accepts if fault.accepts is None else fault.accepts) else as_json({})
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "reset":
            request.scope[_TRANSPORT].abort()
        if fault.kind in self.own_faults:
            return self.own_faults[fault.kind](fault, good)
        return _broken(fault, good)

    def _next_fault(self, action: str) -> Fault | None:
        fault = next((fault for fault in self.faults if action.startswith(fault.action)), None)
        if fault:
            fault.times -= 1
            if fault.times == 0:
                self.faults.remove(fault)
        return fault

    async def _script(self, request: Request) -> Response:
        try:
            self.script(*(Fault(**fault) for fault in orjson.loads(await request.body())))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self.state())

    async def _show(self, _: Request) -> Response:
        return JSONResponse(self.state())


def serving_fake(fake: FaultyApp) -> AbstractAsyncContextManager[str]:
    """Serve the fake over real HTTP; only so can it reset connections. Lends its base URL."""
    return serving(fake, http=_Breakable)


def as_json(body: object, status: int = 200) -> Response:
    """A JSON reply as suppliers send it."""
    return Response(orjson.dumps(body), status, media_type="application/json; charset=utf-8")


def json_of(reply: Response) -> Any:
    """The JSON value in a reply, for a fault that changes it."""
    return orjson.loads(reply.body)


def page(title: str, status: int = 200) -> Response:
    """An HTML page."""
    return HTMLResponse(f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>", status)


def blanked(body: Any, names: Collection[str]) -> Any:
    """``body`` with the value of every key in ``names`` emptied, at any depth: success without an id."""
    if isinstance(body, dict):
        return {key: "" if key in names else blanked(item, names) for key, item in body.items()}
    return [blanked(item, names) for item in body] if isinstance(body, list) else body


def _broken(fault: Fault, good: Response) -> Response:
    match fault.kind:
        case "status":
            return page("Bad Gateway", fault.status)
        case "cut":
            return _Cut(good.body, good.status_code, media_type=good.media_type)
        case "firewall":
            return page("Just a moment... Cloudflare")
        case "garbage":
            return Response(bytes(range(256)), media_type="text/html")
        case "notices":
            return HTMLResponse(_NOTICES + bytes(good.body), good.status_code)
        case _:  # after a reset nobody reads it
            return good


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
