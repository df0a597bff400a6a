"""A face's pages, mounted: what is not there is a page too."""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from app.pages.errors import answer_error
from app.pages.noun import HEADERS, Noun
from app.pages.parts import Parts
from app.pages.visit import Visit


def face_routes(parts: Parts, visit_type: type[Visit[Any]], nouns: Sequence[Noun[Any]]) -> Sequence[BaseRoute]:
    """Return the routes of a face, working on ``parts``."""
    root = visit_type.face.root

    async def to_start(_request: Request) -> Response:
        return RedirectResponse(f"{root}/", status_code=303)

    async def no_page(request: Request, error: Exception) -> Response:
        # The only ValueError that comes here: a number in the path with more digits than Python reads.
        error = HTTPException(404) if isinstance(error, ValueError) else error
        try:
            visit = await visit_type.of(parts, request)
        except Exception as away:  # noqa: BLE001  without the database there is still an answer
            response = answer_error(request, visit_type(parts, request), away)
        else:
            response = answer_error(request, visit, error)
        response.headers.update(HEADERS)
        return response

    inside = Starlette(
        routes=[route for noun in nouns for route in noun.routes],
        exception_handlers={404: no_page, 405: no_page, ValueError: no_page},
    )
    inside.state.parts = parts
    inside.router.redirect_slashes = False
    return [Route(root, to_start, include_in_schema=False), Mount(root, inside)]
