"""``/audit``: the proof that no credit was lost, doubled or invented, now and in the nights before."""

from dataclasses import asdict
from datetime import datetime

from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, Cursor, Page, PageSize, PathId, Row
from app.audit import runs
from app.audit.runs import RunRow
from app.audit.service import audit

router = APIRouter(prefix="/audit", tags=["audit"], route_class=ExactRoute)


class FindingOut(BaseModel):
    """A promise that is broken, by what, and how."""

    promise: str
    subject: str
    detail: str


class AuditOut(BaseModel):
    """What was looked at and what was found; ``ok`` if nothing is broken."""

    ok: bool
    accounts: int
    transfers: int
    orders: int
    attempts: int
    seconds: float
    breaks: dict[str, int] = Field(description="How often each broken promise is.")
    findings: list[FindingOut] = Field(description="The first hundred of each.")


class RunOut(AuditOut, Row):
    """A run that was kept. ``staff_id`` is who started it, null for the night's."""

    started_at: datetime
    staff_id: int | None


@router.get("", summary="Prove the books")
async def prove(_: Reader, parts: Parts) -> AuditOut:
    """Check on one snapshot that no credit was lost, doubled or invented. Answers 200 also when something is broken."""
    result = await audit(parts.db)
    return AuditOut(
        ok=result.ok,
        accounts=result.accounts,
        transfers=result.transfers,
        orders=result.orders,
        attempts=result.attempts,
        seconds=result.seconds,
        breaks=dict(result.breaks),
        findings=[FindingOut(**asdict(finding)) for finding in result.findings],
    )


@router.get("/runs", summary="Runs that were kept, newest first")
async def list_runs(
    _: Reader, conn: Transaction, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> Page[RunOut]:
    """Every night's, and those that staff started."""
    return Page.of([_out(row) for row in await runs.list_runs(conn, before=cursor, limit=limit + 1)], limit)


@router.get("/runs/{run_id}", summary="One run")
async def get_run(run_id: PathId, _: Reader, conn: Transaction) -> RunOut:
    """What a run looked at and what it found."""
    return _out(await runs.get_run(conn, run_id))


@router.post("/runs", summary="Prove the books and keep the result", status_code=status.HTTP_201_CREATED)
async def start_run(staff: Operator, parts: Parts) -> RunOut:
    """The answer comes when it is done; a conflict while another is running. A break raises the alarm, a clean run ends
    it."""
    return _out(await runs.run_now(parts.db, staff_id=staff.id))


def _out(row: RunRow) -> RunOut:
    return RunOut.model_validate(asdict(row))
