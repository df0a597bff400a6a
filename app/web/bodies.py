"""How JSON bodies are read: numbers keep their digits, and text that cannot be kept is turned down."""

import asyncio
import json
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope

from app.text import storable

LARGE = 128 * 1024
"""What is longer is parsed beside the event loop, so that other requests go on."""

_MAX_NUMBER = 100


class ExactRequest(Request):
    """A request whose JSON numbers with a point become Decimal: a float would already have lost what was meant.

    Its body has at most ``limit`` bytes.
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        super().__init__(scope, receive)
        self._limit = limit

    async def body(self) -> bytes:
        """Return the body as sent; HTTPException 413 as soon as it is longer than the limit."""
        # FastAPI's own limit answers in plain text.
        if not hasattr(self, "_body"):
            read = bytearray()
            async for chunk in self.stream():
                read += chunk
                if len(read) > self._limit:
                    raise HTTPException(413, f"A body has at most {self._limit} bytes.")
            self._body = bytes(read)
        return self._body

    async def json(self) -> Any:
        """Return the body; HTTPException 400 for what is not JSON, 422 for a number or text that no database keeps."""
        body = await self.body()
        try:
            return await asyncio.to_thread(_read, body) if len(body) > LARGE else _read(body)
        except json.JSONDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "The body is not JSON that can be read.") from error


class ExactRoute(APIRoute):
    """A route that reads its body exactly."""

    @abstractmethod
    def max_body(self, request: Request) -> int:
        """Return how many bytes a body may have."""

    def scope_of(self, request: Request) -> Scope:
        """Return the request as it is to be read; here a body counts as JSON if its Content-Type says so."""
        return request.scope

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, which is given an ``ExactRequest``."""
        handle = super().get_route_handler()

        async def exact(request: Request) -> Response:
            return await handle(ExactRequest(self.scope_of(request), request.receive, self.max_body(request)))

        return exact


def _read(body: bytes) -> Any:
    value = json.loads(body, parse_float=_number, parse_int=_whole, parse_constant=_refuse)
    if isinstance(value, Decimal):
        # It would pass for an object whose attributes all have their defaults.
        raise HTTPException(422, "The body is not an object.")
    _check(value)
    return value


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("an exponent that no number has") from error
    # 1e999999999 is short, and whoever makes a whole number of it computes for hours.
    if len(text) > _MAX_NUMBER or abs(number.adjusted()) > _MAX_NUMBER:
        raise ValueError("a number of this length means nothing")
    return number


def _whole(text: str) -> int:
    if len(text) > _MAX_NUMBER:
        raise ValueError("a number of this length means nothing")
    return int(text)


def _refuse(_name: str) -> NoReturn:
    # NaN and Infinity are not JSON, though Python's reader takes them.
    raise ValueError("not a number")


def _check(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            try:
                storable(item)
            except ValueError as error:
                raise HTTPException(422, f"The body has {error}.") from error
