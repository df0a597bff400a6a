"""The words of one supplier: what their refusals and statuses mean, where its kind's own tables are wrong or silent."""

from typing import cast

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.supplier import HERE, page_of, supplier_of
from app.admin.pages.visit import Visit
from app.connectors import registry
from app.connectors.base import ReportStatus
from app.connectors.errors import RefusalReason
from app.errors import Invalid
from app.staff.service import Right
from app.suppliers import records
from app.suppliers.hiding import hiding
from app.suppliers.wording import MAX_LENGTH
from app.suppliers.wording_changes import Group, forget_meaning, set_meaning, unread_refusals

pages = Noun()

REASONS = {
    RefusalReason.BAD_INPUT: "the order is wrong: it is rejected with their words",
    RefusalReason.DUPLICATE: "they have it already: looked for before anything else",
    RefusalReason.NO_FUNDS: "our balance there is used up: the supplier rests, the next route is tried",
    RefusalReason.SERVICE_OFF: "this service is off there: it rests, the next route is tried",
    RefusalReason.BAD_CREDENTIALS: "they do not accept our key: the supplier rests, the next route is tried",
    RefusalReason.BLOCKED: "they do not let us in: the supplier rests, the next route is tried",
    RefusalReason.THROTTLED: "we are too fast for them: the supplier rests, then it is sent again",
    RefusalReason.OTHER: "anything else",
}
STATUSES = {
    ReportStatus.PENDING: "they are still at it",
    ReportStatus.DONE: "delivered; there has to be a result",
    ReportStatus.FAILED: "they could not: the order is rejected and paid back, or tried elsewhere",
}


async def show(visit: Visit) -> Response:
    """What staff said, what the kind knows, and what was said lately that nobody knows the meaning of."""
    supplier_id = supplier_of(visit)
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        unread = await unread_refusals(conn, supplier_id)
        hide = await hiding(conn, visit.parts.sealer, [supplier_id])
    return await visit.page(
        "supplier/words.html",
        row=row,
        kind=registry.kinds()[row.kind],
        unread=[(hide(text)[:MAX_LENGTH], times) for text, times in unread],
        phrase=visit.asked("phrase"),
        reasons=REASONS,
        statuses=STATUSES,
    )


@pages.form("/suppliers/{supplier_id:int}/words", shown_by=show, right=Right.OPERATE, seen_with=Right.READ)
async def add(visit: Visit) -> Response:
    """Say what one phrase means; the next call goes by it."""
    group = _group(visit)
    try:
        async with visit.transaction() as conn:
            await set_meaning(
                conn,
                visit.parts.sealer,
                supplier_of(visit),
                group,
                phrase=visit.form.text(f"{group}.phrase"),
                meaning=visit.form.get(f"{group}.meaning"),
            )
    except Invalid as error:
        raise Invalid(error.message, field=f"{group}.phrase") from error
    await visit.say("That is what it means from now on.")
    return visit.go(f"{page_of(visit)}/words")


@pages.action("/suppliers/{supplier_id:int}/words/forget", back=HERE, right=Right.OPERATE)
async def forget(visit: Visit) -> Response:
    """Let the kind's own table read a phrase again."""
    async with visit.transaction() as conn:
        await forget_meaning(conn, visit.parts.sealer, supplier_of(visit), _group(visit), visit.form.get("phrase"))
    await visit.say("The kind's own table reads it again.")
    return visit.go(f"{page_of(visit)}/words")


def _group(visit: Visit) -> Group:
    group = visit.form.get("group")
    if group not in ("refusals", "statuses"):
        raise Invalid("There are phrases of refusals and of statuses.", field="group")
    return cast("Group", group)
