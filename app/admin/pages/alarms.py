"""Alarms: what a person should look at, refreshed by itself; acknowledged and closed with a button."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.alarms import service
from app.alarms.kinds import AlarmKind
from app.staff.service import Right

pages = Noun()

HERE = "/admin/alarms"
PAGE = 50
_STATES = ("open", "acknowledged", "closed")


@pages.page("/alarms")
async def alarms(visit: Visit) -> Response:
    """Those in one state, or all that are not closed; the part that htmx asks for is the list alone."""
    return await _listed(visit)


@pages.action("/alarms/{alarm_id:int}/acknowledge", back=HERE, right=Right.OPERATE)
async def acknowledge(visit: Visit) -> Response:
    """Say that somebody is at it."""
    async with visit.transaction() as conn:
        await service.acknowledge_alarm(conn, visit.id_in_path("alarm_id"), staff_id=visit.staff.id)
    return await _after(visit, "Acknowledged: it goes on counting, but asks for nobody any more.")


@pages.action("/alarms/{alarm_id:int}/close", back=HERE, right=Right.OPERATE)
async def close(visit: Visit) -> Response:
    """Say that it is over."""
    async with visit.transaction() as conn:
        await service.close_alarm(conn, visit.id_in_path("alarm_id"))
    return await _after(visit, "Closed: the same trouble seen again opens a new alarm.")


async def _after(visit: Visit, text: str) -> Response:
    if visit.is_htmx:
        return await _listed(visit)
    await visit.say(text)
    return visit.go(HERE)


async def _listed(visit: Visit) -> Response:
    asked = visit.request.query_params
    state = asked.get("state") if asked.get("state") in _STATES else None
    after = asked.get("after", "")
    start = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else 0
    async with visit.parts.db.pool.connection() as conn:
        rows = await service.list_alarms(conn, state=state, after=start, limit=PAGE + 1)
    here = f"{HERE}?state={state}" if state else HERE
    more = f"{here}{'&' if state else '?'}after={rows[PAGE - 1].id}" if len(rows) > PAGE else None
    return await visit.page(
        "alarms/rows.html" if visit.is_htmx else "alarms/index.html",
        rows=[(row, AlarmKind(row.kind).meaning) for row in rows[:PAGE]],
        state=state,
        states=_STATES,
        more=more,
        first=here if start else None,
        refresh=f"{here}{'&' if state else '?'}after={start}",
    )
