"""The errors that calls of the staff API answer with."""

from fastapi import FastAPI

from app.web import problems

PREFIX = "/api/admin"

RESPONSES = problems.described(
    {
        400: "The body is not JSON.",
        401: "No valid staff token came with the request.",
        403: "The role may not do this.",
        404: "There is no such thing.",
        413: "The body is larger than any call needs.",
        409: "The thing is not in a state that allows this, or the name is taken.",
        422: "The input breaks a rule; `field` names where.",
        503: "The database does not answer now; the same call may succeed later.",
    }
)
"""The errors that any call may answer with, for the API's description."""

SUPPLIER_RESPONSE = problems.described({502: "The supplier did not give a usable answer."})


def install_error_handlers(app: FastAPI) -> None:
    """Answer errors under ``/api/admin`` as problems; every other path keeps the handler it had."""
    problems.install_error_handlers(app, PREFIX)
