"""How our services stand, for everybody; nobody has to sign in."""

from starlette.responses import Response

from app.portal.noun import Noun
from app.portal.visit import Visit

pages = Noun()


@pages.open_page("/status")
async def status(visit: Visit) -> Response:
    """Each group of services: what is available, and how long deliveries took these days."""
    return await visit.page("status/index.html", standings=await visit.parts.board.standings())
