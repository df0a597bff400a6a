"""Replies and errors in iSave's form, with its HTTP codes.

Their document has a table of codes and shows no error's body; its helper for PHP makes ``{"success": false, "error"}``
of one, and so do we.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.background import BackgroundTask
from starlette.responses import Response

from app.money import format_amount

ERRORS: Mapping[int, str] = {
    400: "Bad Request: required fields missing or invalid.",
    401: "Unauthorized: API key missing or invalid.",
    402: "Insufficient Balance: top up your account.",
    403: "Forbidden: account blocked or restricted.",
    404: "Service Not Found: re-check with services.",
    504: "Gateway Timeout: retry once later.",
}
"""Their table of codes. Beside it we know 405, and 429 for more calls than the key may make in a minute."""


class No(Exception):  # noqa: N818  a reply, not an accident
    """The call is answered with an error; ``more`` stands beside it."""

    def __init__(self, status: int, text: str = "", *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(status)
        self.status = status
        self.text = text or ERRORS[status]
        self.headers = dict(headers or {})
        self.more = more


def reply(body: Mapping[str, Any], after: BackgroundTask | None) -> Response:
    """Return what a call is answered with; ``after`` is done when it was sent."""
    return Response(orjson.dumps(body), 200, media_type="application/json", background=after)


def error(no: No) -> Response:
    """Return what a call is answered with that is refused."""
    body = {"success": False, "error": no.text, **no.more}
    return Response(orjson.dumps(body), no.status, no.headers, media_type="application/json")


def amount(micro: int) -> orjson.Fragment:
    """Return micro-units as a JSON number with its exact digits."""
    return orjson.Fragment(format_amount(micro).encode())
