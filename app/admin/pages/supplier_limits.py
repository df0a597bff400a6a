"""The limits of one supplier: how hard we call it, what of its list is taken over, when we are warned."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.supplier import page_of, supplier_of
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.staff.service import Right
from app.suppliers import records, service
from app.suppliers.changes_limits import change_limits, limits_of
from app.suppliers.runway import change_watch, runway_of

pages = Noun()

_TAKEN_OVER = ("apply_new", "apply_names", "apply_fields", "apply_removed")


async def show(visit: Visit) -> Response:
    """All of them in one form."""
    supplier_id = supplier_of(visit)
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        limits = (await limits_of(conn, [supplier_id]))[supplier_id]
        account = await runway_of(conn, supplier_id)
    return await visit.page("supplier/limits.html", row=row, limits=limits, account=account)


@pages.form("/suppliers/{supplier_id:int}/limits", shown_by=show, right=Right.OPERATE)
async def change(visit: Visit) -> Response:
    """Change them all in one transaction; workers go by them from their next call on."""
    supplier_id, form = supplier_of(visit), visit.form
    limits: dict[str, bool | int | None] = {
        "price_up_percent": form.whole("limits.price_up_percent"),
        "price_down_percent": form.whole("limits.price_down_percent"),
        "missing_limit": _needed(visit, "limits.missing_limit"),
        **{name: form.yes(f"limits.{name}") for name in _TAKEN_OVER},
    }
    watch: dict[str, int | None] = {
        "low_balance": form.amount_or_none("watch.low_balance"),
        "runway_days": _needed(visit, "watch.runway_days"),
        "books_tolerance": form.amount("watch.books_tolerance"),
    }
    async with visit.transaction() as conn:
        await service.change(
            conn,
            visit.parts.sealer,
            supplier_id,
            concurrency=_needed(visit, "concurrency"),
            requests_per_minute=_needed(visit, "requests_per_minute"),
            place_batch=_needed(visit, "place_batch"),
            balance_is_proof=form.yes("balance_is_proof"),
        )
        await change_limits(conn, supplier_id, limits)
        await change_watch(conn, supplier_id, watch)
    await visit.say("The limits are changed.")
    return visit.go(page_of(visit))


def _needed(visit: Visit, name: str) -> int:
    number = visit.form.whole(name)
    if number is None:
        raise Invalid("A whole number is needed.", field=name)
    return number
