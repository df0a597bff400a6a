"""The audit: the proof that no credit was lost, doubled or invented, as it was run and run again now."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.audit import runs
from app.audit.service import WORDS
from app.staff.service import Right

pages = Noun()

HERE = "/admin/audit"
PAGE = 30


@pages.page("/audit")
async def audit(visit: Visit) -> Response:
    """The last run with all that it looked at, and those before it."""
    before = visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        rows = await runs.list_runs(conn, before=before, limit=PAGE + 1)
    return await visit.page(
        "audit/list.html",
        rows=rows[:PAGE],
        promises=WORDS,
        first=HERE if before else None,
        more=f"{HERE}?before={rows[PAGE - 1].id}" if len(rows) > PAGE else None,
    )


@pages.page("/audit/{run_id:int}")
async def run(visit: Visit) -> Response:
    """One run: every promise, and what broke it."""
    async with visit.parts.db.pool.connection() as conn:
        row = await runs.get_run(conn, visit.id_in_path("run_id"))
    return await visit.page("audit/one.html", row=row, promises=WORDS)


@pages.action("/audit/run", back=HERE, right=Right.OPERATE)
async def start(visit: Visit) -> Response:
    """Run it now beside the service, and show what it found."""
    row = await runs.run_now(visit.parts.db, staff_id=visit.staff.id)
    return visit.go(f"{HERE}/{row.id}")
