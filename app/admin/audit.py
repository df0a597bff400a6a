"""``/audit``: the proof that no credit was lost, doubled or invented."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader
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
        findings=[
            FindingOut(promise=finding.promise, subject=finding.subject, detail=finding.detail)
            for finding in result.findings
        ],
    )
