"""Start: what to do next, from an empty database to the first order; after that, the dashboard."""

from starlette.responses import Response

from app.admin.pages.dashboard import dashboard
from app.admin.pages.first_steps import first_steps
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit

pages = Noun()


@pages.page("/")
async def start(visit: Visit) -> Response:
    """The steps with the next one open, and how many alarms wait."""
    async with visit.parts.db.pool.connection() as conn:
        setup = await first_steps(conn, visit)
        cursor = await conn.execute("SELECT count(*) AS alarms FROM alarms WHERE state = 'open'")
        (there,) = await cursor.fetchall()
    if setup.following is None:
        return await dashboard(visit)
    return await visit.page("start/index.html", setup=setup, alarms=there["alarms"])
