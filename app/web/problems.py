"""Errors as RFC 9457 problems: a status, a stable ``code``, a sentence, and the field at fault.

What was sent is never quoted back: it may hold a secret.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from psycopg import Error as DriverError
from psycopg import OperationalError as DriverOperationalError
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as SessionTimeout
from starlette.exceptions import HTTPException

from app.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NoCredit,
    NotFound,
    Throttled,
    TrunklineError,
    Unauthenticated,
    Unavailable,
)
from app.orders.placing import DuplicateOrder
from app.suppliers.contact import SupplierFailed

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_MAX_ERRORS = 20

_STATUS: Mapping[type[TrunklineError], int] = {
    NoCredit: 402,
    NotFound: 404,
    Conflict: 409,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    Throttled: 429,
    SupplierFailed: 502,
    Unavailable: 503,
}


class Problem(BaseModel):
    """What went wrong (RFC 9457). ``code`` never changes with the wording."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["invalid"])
    detail: str = Field(examples=["An amount is above zero."])
    field: str | None = Field(None, examples=["amount"], description="The field at fault, where one is known.")
    order_id: int | None = Field(None, description="The order that stands in the way, where one does.")
    errors: list[dict[str, str]] | None = Field(None, description="Every field at fault, as `{field, detail}`.")


CONTENT = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
"""What the answer to an error holds, for an API's description."""


def described(errors: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return errors by status, with when each comes, as an API's description has them."""
    return {status: {"description": when, "content": CONTENT} for status, when in errors.items()}


def install_error_handlers(app: FastAPI, prefix: str = "") -> None:
    """Answer errors of paths under ``prefix`` as problems; every other path keeps the handler it had."""

    def under_prefix(kind: type[Exception], answer: Callable[[Exception], Response], otherwise: Any) -> None:
        previous = app.exception_handlers.get(kind, otherwise)

        async def handle(request: Request, error: Exception) -> Response:
            path = request.url.path
            if path == prefix or path.startswith(prefix + "/"):
                return answer(error)
            if previous is None:
                raise error
            found = previous(request, error)
            return await cast("Awaitable[Response]", found) if isinstance(found, Awaitable) else found

        app.add_exception_handler(kind, handle)

    under_prefix(TrunklineError, _known, None)
    under_prefix(RequestValidationError, _invalid, request_validation_exception_handler)
    under_prefix(HTTPException, _http, http_exception_handler)
    # Named here and not left to the handler of Exception, because that one answers outside all middleware.
    for away in (PoolTimeout, SessionTimeout, OperationalError, DriverOperationalError):
        under_prefix(away, _away, None)
    for failed in (SQLAlchemyError, DriverError):
        under_prefix(failed, _unexpected, None)
    under_prefix(Exception, _unexpected, _plain)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    field: str | None = None,
    order_id: int | None = None,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        field=field,
        order_id=order_id,
        errors=errors,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _known(error: Exception) -> Response:
    known = cast("TrunklineError", error)
    status = status_of(known)
    order_id = known.order_id if isinstance(known, DuplicateOrder) else None
    headers = _headers(known, status)
    return problem(status, known.code, known.message, field=known.field, order_id=order_id, headers=headers)


def status_of(error: TrunklineError) -> int:
    """Return the HTTP status of an error."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def _headers(error: TrunklineError, status: int) -> Mapping[str, str]:
    if isinstance(error, Throttled):
        return {"Retry-After": str(error.seconds)}
    return {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(status, {})


def _invalid(error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem(400, "invalid_json", "The body is not JSON.")
    errors = [
        {
            "field": ".".join(str(part) for part in one["loc"][1:] if not _is_tag(part))[:200] or str(one["loc"][0]),
            "detail": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in found[:_MAX_ERRORS]
    ]
    first = errors[0]
    return problem(422, "invalid", f"{first['field']}: {first['detail']}", field=first["field"], errors=errors)


def _is_tag(part: object) -> bool:
    """Say whether a part of a place in a body only names which of several forms was taken for meant."""
    return isinstance(part, str) and part.startswith("<")


def _http(error: Exception) -> Response:
    known = cast("HTTPException", error)
    code = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 422: "invalid"}.get(
        known.status_code, "error"
    )
    return problem(known.status_code, code, str(known.detail), headers=known.headers)


def _away(error: Exception) -> Response:
    log.error("the database is away", error=type(error).__name__)
    return problem(503, "unavailable", "The database does not answer now; try again.", headers={"Retry-After": "5"})


def _unexpected(error: Exception) -> Response:
    log.error("a call failed", exc_info=error)
    return problem(500, "error", "Something went wrong on our side; it was logged.")


async def _plain(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Internal Server Error", status_code=500)
