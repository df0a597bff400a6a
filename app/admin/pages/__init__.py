"""The admin in a browser, under ``/admin``: one file per noun, all on one ground.

``noun`` declares pages and guards them, ``visit`` is one request, ``render`` and the templates are how it looks,
``door`` is the way in. A new noun is a file with a ``Noun``, its name in ``NOUNS``, a line in ``navigation`` and a
folder of templates.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from app.admin.pages import account, alarms, door, staff, start
from app.admin.pages.errors import answer_error
from app.admin.pages.noun import HEADERS
from app.admin.pages.parts import PagesDeps
from app.admin.pages.static import static_files
from app.admin.pages.visit import Visit

__all__ = ["PagesDeps", "page_routes"]

NOUNS = (start, door, account, staff, alarms)


def page_routes(parts: PagesDeps) -> Sequence[BaseRoute]:
    """Return the routes of the admin in a browser, working on ``parts``."""
    inside = Starlette(
        routes=[Mount("/static", static_files()), *(route for noun in NOUNS for route in noun.pages.routes)],
        exception_handlers={404: _no_page, 405: _no_page},
    )
    inside.state.parts = parts
    inside.router.redirect_slashes = False
    return [Route("/admin", _to_start, include_in_schema=False), Mount("/admin", inside)]


async def _to_start(_request: Request) -> Response:
    return RedirectResponse("/admin/", status_code=303)


async def _no_page(request: Request, error: Exception) -> Response:
    try:
        visit = await Visit.of(request.app.state.parts, request)
    except Exception as away:  # noqa: BLE001  without the database there is still an answer
        response = answer_error(request, None, away)
    else:
        response = answer_error(request, visit, error)
    response.headers.update(HEADERS)
    return response
