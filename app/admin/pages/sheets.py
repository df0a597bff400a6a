"""Prices and routes as CSV: taken out, and sent in to see line by line what would change before anything does."""

from dataclasses import dataclass

from starlette.responses import Response

from app.acts.service import record_act
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.catalog.price_sheets import PricePlan, apply_prices, export_prices, plan_prices
from app.catalog.sheets import SheetKind, SheetRow, Verdict, close_sheet, digest_of, get_sheet, keep_sheet
from app.db import Connection
from app.errors import Conflict, Invalid
from app.staff.service import Right
from app.suppliers.route_sheets import RouteChanges, apply_sheet, export_routes, plan_sheet

pages = Noun()

HERE = "/admin/sheets"
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class _Look:
    """What a person sees of a sheet: how many lines become what, and some of each."""

    sheet_id: int
    kind: str
    digest: str
    wrong: list[SheetRow]
    changes: list[SheetRow]
    wrong_count: int
    change_count: int
    same_count: int


async def show(visit: Visit) -> Response:
    """Where sheets come out, and where they go in."""
    return await visit.page("sheets/index.html", look=None)


@pages.page("/sheets/prices.csv", fresh=True)
async def prices_out(visit: Visit) -> Response:
    """All list prices and prices of groups."""
    async with visit.transaction() as conn:
        await record_act(conn, "export", "prices")
        content = await export_prices(conn)
    return _file("prices.csv", content)


@pages.page("/sheets/routes.csv", fresh=True)
async def routes_out(visit: Visit) -> Response:
    """All routes."""
    async with visit.transaction() as conn:
        await record_act(conn, "export", "routes")
        content = await export_routes(conn)
    return _file("routes.csv", content)


@pages.form("/sheets", shown_by=show, right=Right.OPERATE, seen_with=Right.READ)
async def look(visit: Visit) -> Response:
    """Show line by line what a sheet would change, and keep it; nothing else is written."""
    try:
        kind = SheetKind(visit.form.text("kind"))
    except ValueError as error:
        raise Invalid("Choose what the file holds.", field="kind") from error
    content = visit.form.file("file")
    async with visit.transaction() as conn:
        plan = await _plan(conn, kind, content)
        sheet_id = await keep_sheet(conn, kind, content, staff_id=visit.staff.id)
    return await visit.page("sheets/index.html", look=_looked(sheet_id, kind, plan.rows))


@pages.form("/sheets/apply", shown_by=show, right=Right.OPERATE)
async def apply(visit: Visit) -> Response:
    """Do what was shown of the very same sheet, all of it or nothing, and once."""
    sheet_id = visit.form.whole("sheet") or 0
    async with visit.transaction() as conn:
        kind, content = await get_sheet(conn, sheet_id)
        plan = await _plan(conn, kind, content)
        if digest_of(plan.rows) != visit.form.get("seen"):
            raise Conflict("Something changed since you looked: send the file in again.")
        if any(row.verdict is Verdict.WRONG for row in plan.rows):
            raise Invalid("Some lines are wrong: mend them and send the file in again.", field="file")
        changed = await (apply_prices(conn, plan) if isinstance(plan, PricePlan) else apply_sheet(conn, plan))
        await close_sheet(conn, sheet_id)
    await visit.say(f"{changed} line{'' if changed == 1 else 's'} applied.")
    return visit.go(HERE)


async def _plan(conn: Connection, kind: SheetKind, content: str) -> PricePlan | RouteChanges:
    return await (plan_prices(conn, content) if kind is SheetKind.PRICES else plan_sheet(conn, content))


def _looked(sheet_id: int, kind: SheetKind, rows: list[SheetRow]) -> _Look:
    wrong = [row for row in rows if row.verdict is Verdict.WRONG]
    changes = [row for row in rows if row.verdict is Verdict.CHANGE]
    return _Look(
        sheet_id, kind.value, digest_of(rows), wrong[:MOST_SHOWN], changes[:MOST_SHOWN], len(wrong), len(changes),
        len(rows) - len(wrong) - len(changes),
    )  # fmt: skip


def _file(name: str, content: str) -> Response:
    return Response(
        # Spreadsheets take a file without this mark for one in their own old encoding.
        "\ufeff" + content,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
