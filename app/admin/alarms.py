"""``/alarms``: what a person should look at."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, Cursor, Page, PageSize, PathId, Row
from app.alarms import service
from app.alarms.kinds import AlarmKind, Severity
from app.alarms.service import AlarmRow

router = APIRouter(prefix="/alarms", tags=["alarms"], route_class=ExactRoute)


class AlarmOut(Row):
    """One trouble with one subject. ``count`` says how often it was seen, ``text`` what was said of it last, ``advice``
    what to do about its kind."""

    kind: AlarmKind
    severity: Severity
    subject: str
    text: str
    advice: str
    count: int
    state: str
    first_seen: datetime
    last_seen: datetime
    acknowledged_by: int | None
    closed_at: datetime | None


@router.get("", summary="Alarms in a state, all that are not closed unless one is named")
async def list_alarms(
    _: Reader,
    conn: Transaction,
    state: Literal["open", "acknowledged", "closed"] | None = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[AlarmOut]:
    """Alarms in the order in which they were first seen."""
    rows = await service.list_alarms(conn, state=state, after=cursor or 0, limit=limit + 1)
    return Page.of([_out(row) for row in rows], limit)


@router.post("/{alarm_id}/acknowledge", summary="Say that somebody is at it")
async def acknowledge(alarm_id: PathId, staff: Operator, conn: Transaction) -> AlarmOut:
    """The alarm goes on counting, but asks for nobody any more."""
    return _out(await service.acknowledge_alarm(conn, alarm_id, staff_id=staff.id))


@router.post("/{alarm_id}/close", summary="Say that it is over")
async def close(alarm_id: PathId, _: Operator, conn: Transaction) -> AlarmOut:
    """The same trouble seen again opens a new alarm."""
    return _out(await service.close_alarm(conn, alarm_id))


def _out(row: AlarmRow) -> AlarmOut:
    meaning = AlarmKind(row.kind).meaning
    return AlarmOut(
        id=row.id,
        kind=AlarmKind(row.kind),
        severity=meaning.severity,
        subject=row.subject,
        text=row.text,
        advice=meaning.advice,
        count=row.count,
        state=row.state,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        acknowledged_by=row.acknowledged_by,
        closed_at=row.closed_at,
    )
