"""What waits for a person: open orders that do not get to their end by themselves, with the reason and since when."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.orders import cursor, supplier_names
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.orders.lateness import MOST, Why, count_stuck, cursor_of, list_stuck
from app.suppliers.hiding import hiding

pages = Noun()

HERE = "/admin/waiting"
PAGE = 50
WHY_WORDS = {
    Why.UNCLEAR: "unclear",
    Why.HELD: "held",
    Why.NO_ATTEMPT: "nothing is tried",
    Why.WAITING: "no route",
    Why.CANCEL: "to be cancelled",
    Why.LATE: "late",
    Why.OLD: "old",
    Why.OVERDUE: "not asked after",
}
ADVICE = {
    Why.UNCLEAR: "Look into the supplier's panel, then resolve it.",
    Why.HELD: "Decide what it asks: send it again, or reject it.",
    Why.NO_ATTEMPT: "This should not happen: send it again or reject it, and report it.",
    Why.WAITING: "Look at its routes: paused, too dear, without credit at the supplier; or no worker runs.",
    Why.CANCEL: "Ask the supplier, if they do not answer.",
    Why.LATE: "Ask the supplier to hurry.",
    Why.OLD: "Ask the supplier to hurry; its service promises no time.",
    Why.OVERDUE: "See that workers run.",
}


@pages.page("/waiting")
async def waiting(visit: Visit) -> Response:
    """Those that have waited longest first, and how many there are for each reason."""
    asked = visit.request.query_params
    kept = {name: text for name in ("why", "supplier") if (text := asked.get(name, ""))}
    supplier_id, after = cursor(kept.get("supplier", "")), asked.get("after") or None
    async with visit.parts.db.pool.connection() as conn:
        try:
            found = await list_stuck(conn, why=kept.get("why"), supplier_id=supplier_id, cursor=after, limit=PAGE + 1)
        except Invalid as problem:
            visit.problem, found = problem, []
        counts = await count_stuck(conn, supplier_id=supplier_id)
        hide = await hiding(conn, visit.parts.sealer, [row.supplier_id for row in found if row.supplier_id])
        suppliers = await supplier_names(conn)
    more = f"{HERE}?{urlencode({**kept, 'after': cursor_of(found[:PAGE])})}" if len(found) > PAGE else None
    return await visit.page(
        "waiting/list.html",
        status=422 if visit.problem else 200,
        rows=[(row, [Why(why) for why in row.why], hide(row.detail)) for row in found[:PAGE]],
        counts=[(Why(count.why), count) for count in counts],
        most=MOST,
        words=WHY_WORDS,
        advice=ADVICE,
        why=kept.get("why", ""),
        supplier=supplier_id or "",
        suppliers=[("", "all"), *suppliers],
        first=f"{HERE}?{urlencode(kept)}" if after else None,
        more=more,
    )
