"""What one supplier sells, as last read: searched, and told apart by what is mapped, gone or left alone."""

from typing import cast
from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.supplier import supplier_of
from app.admin.pages.visit import Visit
from app.suppliers import records
from app.suppliers.hiding import hiding
from app.suppliers.remote_services import Mapped, State, list_remote_services

pages = Noun()

PAGE = 100
STATES = {"": "any", "listed": "in their list", "removed": "gone from it", "paused": "left alone now"}
MAPPED = {"": "any", "yes": "mapped", "no": "not mapped"}


@pages.page("/suppliers/{supplier_id:int}/services")
async def services(visit: Visit) -> Response:
    """A page of them in the order in which they came."""
    supplier_id = supplier_of(visit)
    search, after = visit.asked("search"), visit.asked_id("after") or 0
    state = visit.asked("state") if visit.asked("state") in STATES else ""
    mapped = visit.asked("mapped") if visit.asked("mapped") in MAPPED else ""
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        found = await list_remote_services(
            conn,
            supplier_id,
            search=search,
            state=cast("State", state),
            mapped=cast("Mapped", mapped),
            after=after,
            limit=PAGE + 1,
        )
        hide = await hiding(conn, visit.parts.sealer, [supplier_id])
    asked = urlencode({"search": search, "state": state, "mapped": mapped})
    return await visit.page(
        "supplier/services.html",
        row=row,
        found=found[:PAGE],
        search=search,
        state=state,
        mapped=mapped,
        states=STATES.items(),
        mapping=MAPPED.items(),
        hide=hide,
        first=f"{visit.path}?{asked}" if after else None,
        more=f"{visit.path}?{asked}&after={found[PAGE - 1].id}" if len(found) > PAGE else None,
    )
