"""``/kinds``: which supplier protocols we speak, and what each wants to know."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader
from app.admin.schemas import Listing
from app.connectors import registry

router = APIRouter(prefix="/kinds", tags=["suppliers"], route_class=ExactRoute)


class KindOut(BaseModel):
    """A supplier protocol; ``config_schema`` is the JSON Schema of what ``POST /suppliers`` wants as ``config``."""

    kind: str
    title: str
    config_schema: dict[str, Any]
    secrets: list[str]


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
            )
            for kind, connector in registry.kinds().items()
        ]
    )
