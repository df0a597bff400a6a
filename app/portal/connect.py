"""What a panel or a script needs to buy here: the address, the username, and checks to paste."""

from starlette.responses import Response

from app.customers.keys import list_keys
from app.portal.noun import Noun
from app.portal.visit import Visit

pages = Noun()


@pages.page("/connect")
async def connect(visit: Visit) -> Response:
    """All but the key, which nobody can show again."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_keys(conn, visit.customer.id)
    return await visit.page(
        "connect/index.html",
        url=visit.parts.base_url,
        keys=[row for row in rows if row.works and not row.sandbox],
    )
