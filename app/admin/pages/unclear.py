"""Unclear orders: the queue, and one screen on which each is resolved with a few keys, one after the other."""

from typing import Any

from starlette.responses import Response

from app.admin.facts import facts_out
from app.admin.pages.noun import Noun
from app.admin.pages.orders import cursor, supplier_names
from app.admin.pages.visit import Visit
from app.db import Connection
from app.errors import Conflict, Invalid
from app.orders.facts import AttemptFacts, read_facts
from app.orders.hidden import hidden, private_values
from app.orders.hurrying import ask_soon
from app.orders.reading import list_attempts, next_unclear
from app.orders.resolution import resolve_attempt
from app.staff.service import Right
from app.suppliers.hiding import hiding

pages = Noun()

HERE = "/admin/unclear"
PAGE = 50


@pages.page("/unclear")
async def unclear(visit: Visit) -> Response:
    """Those that nobody knows of, the oldest first, at all suppliers or at one."""
    asked = visit.request.query_params
    supplier, after = cursor(asked.get("supplier", "")), cursor(asked.get("after", ""))
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_attempts(
            conn, state="unclear", supplier_id=supplier, after=after or 0, limit=PAGE + 1, exchanges=False
        )
        hide = await hiding(conn, visit.parts.sealer, [row.supplier_id for row in rows])
        suppliers = await supplier_names(conn)
    here = f"{HERE}?supplier={supplier}" if supplier else HERE
    more = f"{here}{'&' if supplier else '?'}after={rows[PAGE - 1].id}" if len(rows) > PAGE else None
    return await visit.page(
        "unclear/list.html",
        rows=[(row, hide(row.note or row.text or "")) for row in rows[:PAGE]],
        suppliers=[("", "all"), *suppliers],
        supplier=supplier or "",
        first=here if after else None,
        more=more,
    )


async def show(visit: Visit) -> Response:
    """What was sent, what came back, what else is known, and what each answer leads to."""
    async with visit.parts.db.pool.connection() as conn:
        facts = await read_facts(conn, _id(visit))
        shown = await _shown(conn, visit, facts)
    return await visit.page(
        "unclear/one.html",
        facts=shown,
        outcomes={outcome["answer"]: outcome for outcome in shown["outcomes"]},
        order_id=facts.attempt.order_id,
        is_web=facts.panel.startswith(("https://", "http://")),
    )


# Whoever may look may look here too; the form is for those who may act.
pages.page("/unclear/{attempt_id:int}")(show)


@pages.form("/unclear/{attempt_id:int}", shown_by=show, right=Right.OPERATE)
async def resolve(visit: Visit) -> Response:
    """Take what a person found out, and lead on to the next."""
    answer = visit.form.get("answer")
    if answer not in ("found", "not_found"):
        raise Invalid("Say whether it is there.", field="answer")
    found = answer == "found"
    remote_id = visit.form.text("remote_id")
    if not found and remote_id:
        raise Invalid("An order that is not there has no id; empty this field.", field="remote_id")
    if len(remote_id) > 200:
        raise Invalid("An id has at most 200 characters.", field="remote_id")
    attempt_id = _id(visit)
    async with visit.transaction() as conn:
        await resolve_attempt(conn, attempt_id, found=found, remote_id=remote_id or None, staff_id=visit.staff.id)
        after = (await read_facts(conn, attempt_id)).order_state
        following = await next_unclear(conn, attempt_id)
    became = "It is rejected, and the customer has the money back." if after == "rejected" else "It goes on."
    await visit.say(f"Resolved: {'it is there' if found else 'it is not there'}. {became}")
    return visit.go(f"{HERE}/{following}" if following else HERE)


@pages.form("/unclear/{attempt_id:int}/look", shown_by=show, right=Right.OPERATE)
async def look(visit: Visit) -> Response:
    """Have a worker look for it at the supplier now."""
    async with visit.transaction() as conn:
        facts = await read_facts(conn, _id(visit))
        if not await ask_soon(conn, [facts.attempt.order_id], staff_id=visit.staff.id):
            raise Conflict("It is not unclear any more, or a worker is looking at this moment.")
    await visit.say("A worker looks for it within seconds, if this supplier can tell; load the page again then.")
    return visit.go(f"{HERE}/{_id(visit)}")


async def _shown(conn: Connection, visit: Visit, facts: AttemptFacts) -> dict[str, Any]:
    hide = await hiding(conn, visit.parts.sealer, [facts.attempt.supplier_id], private_values(facts.fields))
    shown: dict[str, Any] = hidden(facts_out(facts).model_dump(), hide)
    return shown


def _id(visit: Visit) -> int:
    return visit.id_in_path("attempt_id")
