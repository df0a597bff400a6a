"""The portal under ``/portal``: where customers sign in, see what they have and what it cost, and order by hand.

One file per noun on the ground of ``app.pages``, as the admin's; a page only ever shows what is the customer's own.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.pages.mount import face_routes
from app.portal import (
    account,
    connect,
    door,
    home,
    keys,
    ordering,
    orders,
    services,
    statement,
    status,
    top_ups,
    webhooks,
)
from app.portal.parts import PortalDeps
from app.portal.visit import Visit

__all__ = ["NOUNS", "PortalDeps", "portal_routes"]

NOUNS = (
    home,
    door,
    account,
    services,
    ordering,
    orders,
    statement,
    top_ups,
    keys,
    connect,
    webhooks,
    status,
)


def portal_routes(parts: PortalDeps) -> Sequence[BaseRoute]:
    """Return the routes of the portal, working on ``parts``."""
    return [
        # Who pastes the address of a panel's supplier into a browser finds a door.
        Route("/", _to_portal),
        Route("/status", _to_status),
        *face_routes(parts, Visit, [noun.pages for noun in NOUNS]),
    ]


async def _to_portal(_request: Request) -> Response:
    return RedirectResponse("/portal/", status_code=307)


async def _to_status(_request: Request) -> Response:
    return RedirectResponse("/portal/status", status_code=307)
