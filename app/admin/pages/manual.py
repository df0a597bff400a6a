"""Orders that a person fulfils: the queue, and one task after the other with its result or why there is none."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.orders import cursor, supplier_names
from app.admin.pages.visit import Visit
from app.errors import Invalid, NotFound
from app.orders.by_hand import MAX_RESULT, find_waiting, finish, give_up, list_waiting
from app.orders.hidden import open_fields
from app.staff.service import Right

pages = Noun()

HERE = "/admin/by-hand"
PAGE = 50


@pages.page("/by-hand")
async def by_hand(visit: Visit) -> Response:
    """What waits for a person, the oldest first, of all suppliers or of one."""
    asked = visit.request.query_params
    supplier, after = cursor(asked.get("supplier", "")), cursor(asked.get("after", ""))
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_waiting(conn, supplier_id=supplier, after=after or 0, limit=PAGE + 1)
        suppliers = await supplier_names(conn)
    here = f"{HERE}?supplier={supplier}" if supplier else HERE
    more = f"{here}{'&' if supplier else '?'}after={rows[PAGE - 1].id}" if len(rows) > PAGE else None
    return await visit.page(
        "manual/list.html",
        rows=rows[:PAGE],
        suppliers=[("", "all"), *suppliers],
        supplier=supplier or "",
        first=here if after else None,
        more=more,
    )


async def show(visit: Visit) -> Response:
    """One task with all that is needed for it; what customers entrust to us is for those who may act on it."""
    async with visit.parts.db.pool.connection() as conn:
        task = await find_waiting(conn, _id(visit))
    if task is None:
        raise NotFound("Nobody waits for this any more, or it is not for a person to do.")
    fields = {name: str(value) for name, value in task.fields.items()}
    may_act = visit.may(Right.OPERATE)
    return await visit.page("manual/one.html", task=task, fields=fields if may_act else open_fields(task.fields))


# Whoever may look may look here too; the form is for those who may act.
pages.page("/by-hand/{attempt_id:int}")(show)


@pages.form("/by-hand/{attempt_id:int}", shown_by=show, right=Right.OPERATE)
async def enter(visit: Visit) -> Response:
    """Take the result or the reason, and lead on to the next task of the same supplier."""
    attempt_id, actor = _id(visit), f"staff {visit.staff.id}"
    gave_up = visit.form.get("act") == "give_up"
    async with visit.transaction() as conn:
        task = await find_waiting(conn, attempt_id)
        if gave_up:
            reason = visit.form.text("reject")
            if len(reason) > 1000:
                raise Invalid("A reason has at most 1000 characters.", field="reject")
            await give_up(conn, attempt_id, reason=reason, actor=actor)
        else:
            result = visit.form.text("result")
            if len(result) > MAX_RESULT:
                raise Invalid(f"A result has at most {MAX_RESULT} characters.", field="result")
            await finish(conn, attempt_id, result=result, actor=actor)
        following = await list_waiting(conn, supplier_id=task.supplier_id if task else None, limit=1)
    await visit.say(
        "Closed: the customer has the reason and the money back."
        if visit.form.get("act") == "give_up"
        else "Delivered."
    )
    return visit.go(f"{HERE}/{following[0].id}" if following else HERE)


def _id(visit: Visit) -> int:
    return visit.id_in_path("attempt_id")
