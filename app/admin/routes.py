"""``/routes``: which remote service fulfils a service of ours, and in which order they are tried."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Reader, Transaction
from app.admin.schemas import (
    DEFAULT_PAGE,
    MAX_ID,
    Body,
    Cursor,
    Decimals,
    Page,
    PageSize,
    PathId,
    Row,
    RowId,
    storable,
)
from app.money import format_amount
from app.suppliers import routes
from app.suppliers.routes import RouteRow

router = APIRouter(prefix="/routes", tags=["routes"], route_class=ExactRoute)

_PRIORITY = "The lowest number is tried first."
_FIELD_MAP = "The supplier's field for a field of ours, where the names differ."
_FIXED = "Fields of the supplier's that every order over this route has, with their values."

_UNCLEAR = (
    "An order that is unclear here for so many hours goes on over the next route, although it may then be bought twice;"
    " 0 for never."
)

_Word = Annotated[str, Field(max_length=500), AfterValidator(storable)]
FieldNames = Annotated[dict[_Word, _Word], Field(max_length=50)]


class RouteIn(Body):
    """A route to add."""

    service_id: RowId
    remote_service_id: RowId = Field(description="The `id` of a row of `GET /suppliers/{id}/services`.")
    priority: int = Field(100, ge=0, le=1_000_000, description=_PRIORITY)
    field_map: FieldNames = Field({}, description=_FIELD_MAP, examples=[{"Email": "customer_email"}])
    fixed: FieldNames = Field({}, description=_FIXED, examples=[{"region": "EU"}])


class RouteChange(Body):
    """What to change; what is not named stays."""

    priority: int | None = Field(None, ge=0, le=1_000_000, description=_PRIORITY)
    state: Literal["active", "paused"] | None = Field(None, description="active also ends a pause set by a machine.")
    field_map: FieldNames | None = Field(None, description=_FIELD_MAP)
    fixed: FieldNames | None = Field(None, description=_FIXED)
    next_after_unclear_hours: int | None = Field(None, ge=0, le=8760, description=_UNCLEAR)


class RouteOut(Row):
    """A route. ``blocked`` says why it may not be used now, null if it may."""

    service_id: int
    service: str
    remote_service_id: int
    remote_id: str
    remote_name: str
    supplier_id: int
    supplier: str
    priority: int
    state: str
    cost: Decimals | None
    price: Decimals
    currency: str
    price_currency: str
    field_map: dict[str, str]
    fixed: dict[str, str]
    next_after_unclear_hours: int | None
    blocked: str | None
    created_at: datetime


class RouteWithWarnings(RouteOut):
    """A route, and what will keep it from fulfilling orders."""

    warnings: list[str] = Field(
        examples=[["The supplier requires the field Email, which the service does not ask for."]]
    )


class RouteGone(BaseModel):
    """Deleted, or paused because orders went over it and their history names it."""

    id: int
    deleted: bool
    state: Literal["deleted", "paused"]


@router.post("", status_code=201, summary="Route a service to a supplier")
async def add_route(body: RouteIn, _: Operator, conn: Transaction) -> RouteWithWarnings:
    """Add a route. ``warnings`` name what will go wrong; a supplier in a currency without rates is refused."""
    route_id = await routes.add_route(
        conn,
        service_id=body.service_id,
        remote_service_id=body.remote_service_id,
        priority=body.priority,
        field_map=body.field_map,
        fixed=body.fixed,
    )
    return await _with_warnings(conn, route_id)


@router.get("", summary="The routes")
async def list_routes(
    _: Reader,
    conn: Transaction,
    service_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[RouteOut]:
    """The routes of one service, or all."""
    rows = await routes.list_routes(conn, service_id=service_id, after=cursor or 0, limit=limit + 1)
    return Page.of([RouteOut(**_shown(row)) for row in rows], limit)


@router.get("/{route_id}", summary="One route")
async def get_route(route_id: PathId, _: Reader, conn: Transaction) -> RouteWithWarnings:
    """The route, and what will go wrong with it."""
    return await _with_warnings(conn, route_id)


@router.patch("/{route_id}", summary="Change, pause or resume a route")
async def change_route(route_id: PathId, body: RouteChange, _: Operator, conn: Transaction) -> RouteWithWarnings:
    """Change what the body names."""
    await routes.change_route(
        conn,
        route_id,
        priority=body.priority,
        state=body.state,
        field_map=body.field_map,
        fixed=body.fixed,
        next_after_unclear_hours=body.next_after_unclear_hours,
    )
    return await _with_warnings(conn, route_id)


@router.delete("/{route_id}", summary="Take a route away")
async def remove_route(route_id: PathId, _: Operator, conn: Transaction) -> RouteGone:
    """Delete a route that was never used; pause one that was."""
    deleted = await routes.remove_route(conn, route_id)
    return RouteGone(id=route_id, deleted=deleted, state="deleted" if deleted else "paused")


async def _with_warnings(conn: Transaction, route_id: int) -> RouteWithWarnings:
    return RouteWithWarnings(
        **_shown(await routes.get_route(conn, route_id)), warnings=await routes.route_warnings(conn, route_id)
    )


def _shown(row: RouteRow) -> dict[str, object]:
    return {
        **{name: getattr(row, name) for name in RouteOut.model_fields},
        "cost": None if row.cost is None else format_amount(row.cost),
        "price": format_amount(row.price),
    }
