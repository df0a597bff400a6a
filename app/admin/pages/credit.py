"""A customer's credit: top-ups, corrections, and how far below zero they may go and for how long."""

from starlette.responses import Response

from app.admin.pages.customers import HERE, customer_of
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.approvals import asking
from app.approvals.asking import Moved
from app.approvals.service import ApprovalRow
from app.customers.records import CustomerRow
from app.ledger import statement
from app.ledger.debts import MAX_DAYS, set_credit_days
from app.ledger.service import clean_reason
from app.money import format_amount
from app.staff.service import Right

pages = Noun()

LAST_LINES = 5


async def show_topup(visit: Visit) -> Response:
    """Ask for amount and reference, beside what was credited last: the same payment may stand there already."""
    return await _show(visit, "credit/topup.html", "topup")


@pages.form("/customers/{customer_id:int}/topup", shown_by=show_topup, right=Right.MONEY, fresh=True)
async def topup(visit: Visit) -> Response:
    """Credit the customer once per reference, or ask for it."""
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        moved = await asking.topup(
            conn, visit.parts.four_eyes, row.id, amount=visit.form.amount("amount"),
            reference=visit.form.text("reference"), staff_id=visit.staff.id,
        )  # fmt: skip
    return await _after(visit, row, moved)


async def show_adjust(visit: Visit) -> Response:
    """Ask for amount, reference and reason, beside the last corrections."""
    return await _show(visit, "credit/adjust.html", "adjust")


@pages.form("/customers/{customer_id:int}/adjust", shown_by=show_adjust, right=Right.MONEY, fresh=True)
async def adjust(visit: Visit) -> Response:
    """Give or take once per reference, or ask for it."""
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        moved = await asking.adjust(
            conn, visit.parts.four_eyes, row.id, amount=visit.form.amount("amount"),
            reference=visit.form.text("reference"), reason=visit.form.text("reason"), staff_id=visit.staff.id,
        )  # fmt: skip
    return await _after(visit, row, moved)


async def show_terms(visit: Visit) -> Response:
    """Ask how far below zero the balance may go, and for how long."""
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
    return await visit.page("credit/terms.html", customer=row, most=MAX_DAYS)


@pages.form("/customers/{customer_id:int}/terms", shown_by=show_terms, right=Right.MONEY, fresh=True)
async def set_terms(visit: Visit) -> Response:
    """Set both; a higher limit may have to wait for another member of staff."""
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        reason = visit.form.text("reason")
        await set_credit_days(conn, row.id, visit.form.whole("credit_days"))
        limit = visit.form.amount("credit_limit")
        if limit > row.credit_limit:
            reason = clean_reason(reason, "A higher credit limit")
        asked = await asking.set_credit_limit(
            conn, visit.parts.four_eyes, row.id, limit, reason=reason, staff_id=visit.staff.id
        )
    await visit.say("The limit waits for another member of staff to approve it." if asked else "The terms are set.")
    return visit.go(f"{HERE}/{row.id}")


async def _show(visit: Visit, template: str, kind: str) -> Response:
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        span = await statement.span_of(conn, row.id)
        earlier = await statement.page(conn, span, statement.Filter(kind), limit=LAST_LINES)
    return await visit.page(template, customer=row, earlier=earlier)


async def _after(visit: Visit, row: CustomerRow, moved: Moved | ApprovalRow) -> Response:
    if isinstance(moved, ApprovalRow):
        said = f"{format_amount(moved.amount)} {moved.currency} wait for another member of staff to approve them."
    elif moved.new:
        said = f"Done: {visit.form.text('amount')} {row.currency} as transfer {moved.transfer_id}."
    else:
        said = f"This reference was used before, by transfer {moved.transfer_id}. Nothing moved again."
    await visit.say(said)
    return visit.go(f"{HERE}/{row.id}")
