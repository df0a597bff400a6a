"""``/orders/{id}/evidence``: all that happened to an order, as one document for a dispute."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader, Transaction
from app.admin.evidence_page import POLICY, page
from app.admin.schemas import PathId
from app.orders.evidence import Audience, read_evidence

router = APIRouter(prefix="/orders", tags=["orders"], route_class=ExactRoute)

For = Annotated[
    Audience,
    Query(description="`staff`: everything, also for a supplier. `customer`: without suppliers, costs and routes."),
]


class EntryOut(BaseModel):
    """One thing that happened. ``facts`` are what is known of it; amounts in them are decimal strings."""

    n: int
    at: str = Field(examples=["2026-11-20T18:04:05.123456Z"])
    kind: str = Field(examples=["request"])
    who: str
    what: str
    attempt: int | None
    facts: dict[str, Any]


class EvidenceOut(BaseModel):
    """All that is known of an order. ``sha256`` is that of the rest of the document but ``generated_at``; see
    ``how_to_read``."""

    format: str
    audience: Audience
    order: dict[str, Any]
    parties: dict[str, Any]
    attempts: list[dict[str, Any]] = Field(description="Each try as it stands now; empty for a customer.")
    timeline: list[EntryOut]
    how_to_read: list[str]
    sha256: str
    generated_at: str


@router.get("/{order_id}/evidence", summary="Everything that happened to an order")
async def get_evidence(
    order_id: PathId, _: Reader, parts: Parts, conn: Transaction, audience: For = "staff"
) -> EvidenceOut:
    """Events, attempts, requests and replies, money, acts of staff and alarms in the order of time, without secrets."""
    return EvidenceOut(**await read_evidence(conn, parts.sealer, order_id, audience))


@router.get(
    "/{order_id}/evidence.html",
    summary="The same as a page to print",
    response_class=Response,
    responses={200: {"description": "A page without scripts that needs nothing else.", "content": {"text/html": {}}}},
)
async def get_evidence_page(
    order_id: PathId, _: Reader, parts: Parts, conn: Transaction, audience: For = "staff"
) -> Response:
    """The document as a page that prints well (\"save as PDF\") and can be kept and opened anywhere."""
    document = await read_evidence(conn, parts.sealer, order_id, audience)
    headers = {
        "Content-Security-Policy": POLICY,
        "Content-Disposition": f'inline; filename="order-{order_id}-{audience}.html"',
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Response(page(document), media_type="text/html; charset=utf-8", headers=headers)
