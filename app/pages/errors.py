"""Errors as pages: what happened in one sentence, and the way back."""

from collections.abc import Mapping
from typing import Any

import structlog
from psycopg import OperationalError as DriverError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.access.guesses import TooManyTries
from app.errors import Conflict, Forbidden, Invalid, NotFound, TrunklineError, Unauthenticated, Unavailable
from app.pages.visit import Visit

log = structlog.get_logger()

_STATUS: Mapping[type[TrunklineError], int] = {
    NotFound: 404,
    Conflict: 409,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    TooManyTries: 429,
    Unavailable: 503,
}

_TITLES = {
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not found",
    409: "Not possible now",
    413: "Too large",
    415: "Not a form",
    422: "Not accepted",
    429: "Too many tries",
    500: "Something went wrong",
    503: "Not available now",
}


def answer_error(request: Request, visit: Visit[Any], error: Exception) -> Response:
    """Return an error as a page, logged if nobody expected it; as plain text if not even a page can be made."""
    status, text = _explained(error)
    if status == 500:
        log.error("a page failed", path=request.scope["path"], exc_info=error)
    try:
        return visit.show("error.html", status=status, title=_TITLES.get(status, "Error"), text=text)
    except Exception as broken:
        log.error("the page for errors failed", exc_info=broken)
        return PlainTextResponse(text, status)


def _explained(error: Exception) -> tuple[int, str]:
    if isinstance(error, TrunklineError):
        status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
        return status, error.message
    if isinstance(error, HTTPException):
        text = "There is no such page." if error.status_code in {404, 405} else str(error.detail)
        return error.status_code, text
    if isinstance(error, PoolTimeout | DriverError):
        return 503, "The database does not answer now; try again in a moment."
    return 500, "Something went wrong on our side; it was logged."
