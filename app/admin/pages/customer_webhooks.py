"""A customer's webhooks as staff see them: where they are told, whether that works, and what became of each message.

Nothing is changed here: where messages go is the customer's to say, in the portal or over the API.
"""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.customers import HERE, customer_of
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.ledger.service import low_balance_of
from app.webhooks import log
from app.webhooks.endpoints import get_endpoint, list_endpoints

pages = Noun()

PAGE = 50


@pages.page("/customers/{customer_id:int}/webhooks")
async def webhooks(visit: Visit) -> Response:
    """All endpoints, and below which balance they are told; there are never many."""
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        rows, threshold = await list_endpoints(conn, row.id), await low_balance_of(conn, row.id)
    return await visit.page("customers/webhooks.html", customer=row, rows=rows, threshold=threshold)


@pages.page("/customers/{customer_id:int}/webhooks/{endpoint_id:int}")
async def webhook(visit: Visit) -> Response:
    """One endpoint with its deliveries, the newest first."""
    before = visit.asked_id("before")
    state = visit.asked("state") if visit.asked("state") in log.STATES else None
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        endpoint = await get_endpoint(conn, row.id, visit.id_in_path("endpoint_id"))
        found = await log.list_deliveries(conn, row.id, endpoint.id, state=state, before=before, limit=PAGE + 1)
    here = f"{HERE}/{row.id}/webhooks/{endpoint.id}"
    chosen = {"state": state} if state else {}
    return await visit.page(
        "customers/webhook.html",
        customer=row,
        row=endpoint,
        deliveries=found[:PAGE],
        here=here,
        state=state or "",
        states=log.STATES,
        first=f"{here}?{urlencode(chosen)}" if before is not None else None,
        more=f"{here}?{urlencode({**chosen, 'before': found[PAGE - 1].id})}" if len(found) > PAGE else None,
    )
