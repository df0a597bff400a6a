"""The overview: what is left to spend, what is on its way, and what to do first."""

from starlette.responses import Response

from app.customers.keys import list_keys
from app.orders.own import OwnFilter, list_own
from app.portal.noun import Noun
from app.portal.visit import Visit
from app.topups.requests import TopupState, list_requests

pages = Noun()

NEWEST = 10


@pages.page("/")
async def home(visit: Visit) -> Response:
    """The balance, the newest orders, and top-ups that wait."""
    identity = await visit.identity()
    async with visit.parts.db.pool.connection() as conn:
        orders = await list_own(conn, identity.customer_id, OwnFilter(), limit=NEWEST)
        keys = await list_keys(conn, identity.customer_id)
        waiting = await list_requests(conn, state=TopupState.WAITING, customer_id=identity.customer_id, limit=NEWEST)
    return await visit.page(
        "home/index.html",
        identity=identity,
        orders=orders,
        waiting=waiting,
        has_key=any(key.works for key in keys),
    )
