"""``/audit``: the ledger's proof."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader
from app.ledger.audit import audit

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
    findings: list[FindingOut]


@router.get("", summary="Prove the ledger")
async def prove(_: Reader, parts: Parts) -> AuditOut:
    """Check on one snapshot that no credit was lost, doubled or invented. Answers 200 also when something is broken."""
    # The proof sets up a transaction of its own kind, so it gets a connection that is in none.
    async with parts.db.pool.connection() as conn:
        result = await audit(conn)
    return AuditOut(
        ok=result.ok,
        accounts=result.accounts,
        transfers=result.transfers,
        orders=result.orders,
        findings=[
            FindingOut(promise=finding.promise, subject=finding.subject, detail=finding.detail)
            for finding in result.findings
        ],
    )
