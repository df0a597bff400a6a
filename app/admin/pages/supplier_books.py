"""Supplier books: what suppliers should hold of our money day by day, and how long it lasts."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.supplier import supplier_of
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.staff.service import Right
from app.suppliers import books, books_days
from app.suppliers.runway import runway_of, runways

pages = Noun()

HERE = "/admin/supplier-books"
PAGE = 50
_STATES = ("open", "explained", "ok")


@pages.page("/supplier-books")
async def supplier_books(visit: Visit) -> Response:
    """How every account lasts, and the days in a state, the newest first."""
    state = visit.asked("state") if visit.asked("state") in _STATES else None
    supplier, before = visit.asked_id("supplier"), visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        accounts = await runways(conn)
        days = await books_days.list_days(conn, supplier_id=supplier, state=state, before=before, limit=PAGE + 1)
    named = {name: value for name, value in (("state", state), ("supplier", supplier)) if value}
    here = f"{HERE}?{urlencode(named)}" if named else HERE
    return await visit.page(
        "supplier_books/list.html",
        accounts=accounts,
        days=days[:PAGE],
        state=state,
        states=_STATES,
        supplier=supplier,
        first=here if before else None,
        more=f"{HERE}?{urlencode({**named, 'before': days[PAGE - 1].id})}" if len(days) > PAGE else None,
    )


async def show_day(visit: Visit) -> Response:
    """One day: what was expected, what they said, and what explains the rest."""
    async with visit.parts.db.pool.connection() as conn:
        row = await books_days.get_day(conn, visit.id_in_path("day_id"))
    return await visit.page("supplier_books/day.html", day=row)


@pages.page("/supplier-books/days/{day_id:int}")
async def day(visit: Visit) -> Response:
    """One day, for everybody to read."""
    return await show_day(visit)


@pages.form("/supplier-books/days/{day_id:int}/explain", shown_by=show_day, right=Right.MONEY)
async def explain(visit: Visit) -> Response:
    """Say where the difference comes from."""
    async with visit.transaction() as conn:
        explained = await books_days.explain_day(
            conn, visit.id_in_path("day_id"), note=visit.form.text("note"), staff_id=visit.staff.id
        )
    await visit.say(f"{explained.supplier} on {explained.day} is explained.")
    return visit.go(HERE)


async def show_deposit(visit: Visit) -> Response:
    """Ask for what was paid in there."""
    async with visit.parts.db.pool.connection() as conn:
        account = await runway_of(conn, supplier_of(visit))
    return await visit.page("supplier_books/deposit.html", account=account)


@pages.form("/supplier-books/{supplier_id:int}/deposit", shown_by=show_deposit, right=Right.MONEY, fresh=True)
async def deposit(visit: Visit) -> Response:
    """Write down money that was paid in at the supplier, once per reference, and close its day again."""
    supplier_id, at = supplier_of(visit), _moment(visit)
    async with visit.transaction() as conn:
        _, new = await books.add_deposit(
            conn, supplier_id, amount=visit.form.amount("amount"), reference=visit.form.text("reference"),
            note=visit.form.text("note"), staff_id=visit.staff.id, at=at,
        )  # fmt: skip
        if new and at is not None:
            await books_days.close_again(conn, supplier_id, at)
    await visit.say("Written down." if new else "This reference was written down before; nothing changed.")
    return visit.go(HERE)


def _moment(visit: Visit) -> datetime | None:
    text = visit.form.text("at")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid("A day and a time such as 2026-11-30 14:30, or nothing.", field="at") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
