"""``/kinds``: which supplier protocols we speak, and what each wants to know."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader
from app.admin.schemas import Listing
from app.connectors import registry
from app.connectors.base import ReportStatus
from app.connectors.errors import RefusalReason

router = APIRouter(prefix="/kinds", tags=["suppliers"], route_class=ExactRoute)


class KindOut(BaseModel):
    """A supplier protocol; ``config_schema`` is the JSON Schema of what ``POST /suppliers`` wants as ``config``."""

    kind: str
    title: str
    config_schema: dict[str, Any]
    secrets: list[str]
    refusals: dict[str, RefusalReason] = Field(
        description="Phrases in their error texts; the first that occurs decides."
    )
    statuses: dict[str, ReportStatus] = Field(description="Their words for what became of an order.")


@router.get("", summary="The supplier protocols and their settings")
async def list_kinds(_: Reader) -> Listing[KindOut]:
    """Every kind of supplier that can be added."""
    return Listing(
        items=[
            KindOut(
                kind=kind,
                title=connector.title,
                config_schema=registry.schema(kind),
                secrets=sorted(registry.secret_names(kind)),
                refusals=dict(connector.refusals),
                statuses=dict(connector.statuses),
            )
            for kind, connector in registry.kinds().items()
        ]
    )
