"""The last calls to one supplier with their replies, for who looks what went wrong; secrets are removed."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.supplier import supplier_of
from app.admin.pages.visit import Visit
from app.admin.schemas import MAX_ID
from app.orders.hidden import private_values
from app.suppliers import records
from app.suppliers.exchanges import get_call, list_calls
from app.suppliers.hiding import hiding
from app.text import seen

pages = Noun()

PAGE = 50
CALLS = ("place", "check", "recheck", "find", "cancel", "hurry", "test", "sync")
MAX_SHOWN = 20_000


@pages.page("/suppliers/{supplier_id:int}/calls")
async def calls(visit: Visit) -> Response:
    """A page of them, the newest first."""
    supplier_id, before = supplier_of(visit), visit.asked_id("before")
    call = visit.asked("call") if visit.asked("call") in CALLS else ""
    failed = visit.asked("failed") == "yes"
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        hide = await hiding(conn, visit.parts.sealer, [supplier_id])
        found = await list_calls(conn, supplier_id, call=call, failed=failed, before=before or MAX_ID, limit=PAGE)
    asked = urlencode({"call": call, "failed": "yes" if failed else ""})
    return await visit.page(
        "supplier/calls.html",
        row=row,
        found=found.rows,
        hide=hide,
        call=call,
        failed=failed,
        sorts=[("", "any"), *((one, one) for one in CALLS)],
        first=f"{visit.path}?{asked}" if before else None,
        more=f"{visit.path}?{asked}&before={found.older}" if found.older else None,
    )


@pages.page("/suppliers/{supplier_id:int}/calls/{exchange_id:int}")
async def one(visit: Visit) -> Response:
    """What was sent and what came back, as text and cut where it gets long."""
    supplier_id = supplier_of(visit)
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        found = await get_call(conn, supplier_id, min(visit.id_in_path("exchange_id"), MAX_ID))
        private = [value for _, fields in found.orders for value in private_values(fields)]
        hide = await hiding(conn, visit.parts.sealer, [supplier_id], private)

    def shown(text: str) -> str:
        clean = seen(hide(text))
        return clean if len(clean) <= MAX_SHOWN else f"{clean[:MAX_SHOWN]}\n… {len(clean) - MAX_SHOWN} more characters"

    return await visit.page("supplier/call.html", row=row, found=found, shown=shown)
