"""How bodies of the staff API are read: numbers keep their digits, and text that cannot be kept is turned down."""

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, NoReturn

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from app.admin.schemas import storable

MAX_BODY = 2 * 1024 * 1024
"""The largest body in bytes; a service with all the fields it can have takes a fraction of it."""

_MAX_NUMBER = 100


class ExactRequest(Request):
    """A request whose JSON numbers with a point become Decimal: a float would already have lost what was meant."""

    async def body(self) -> bytes:
        """Return the body as sent; HTTPException 413 as soon as it is longer than any call needs."""
        # FastAPI's own limit answers in plain text.
        if not hasattr(self, "_body"):
            read = bytearray()
            async for chunk in self.stream():
                read += chunk
                if len(read) > MAX_BODY:
                    raise HTTPException(413, f"A body has at most {MAX_BODY} bytes.")
            self._body = bytes(read)
        return self._body

    async def json(self) -> Any:
        """Return the body; HTTPException 400 for what is not JSON, 422 for text that no database keeps."""
        try:
            value = json.loads(await self.body(), parse_float=_number, parse_int=_whole, parse_constant=_refuse)
        except json.JSONDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "The body is not JSON that can be read.") from error
        _check(value)
        return value


class ExactRoute(APIRoute):
    """A route that reads its body exactly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, which is given an ``ExactRequest``."""
        handle = super().get_route_handler()

        async def exact(request: Request) -> Response:
            return await handle(ExactRequest(request.scope, request.receive))

        return exact


def _number(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER:
        raise ValueError("a number of this length means nothing")
    return Decimal(text)


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
