"""``/services``: what we sell."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Session
from app.admin.schemas import (
    DEFAULT_PAGE,
    Amount,
    Body,
    Currency,
    Cursor,
    Decimals,
    FieldOut,
    Page,
    PageSize,
    PathId,
    Row,
    Search,
)
from app.admin.service_rules import RulesIn, RulesOut, rules_out
from app.catalog import service as catalog
from app.catalog.service import NewField, NewService
from app.catalog.tables import MAX_QUANTITY, Service
from app.connectors.base import FieldType, ServiceType
from app.money import format_amount

router = APIRouter(prefix="/services", tags=["services"], route_class=ExactRoute)

Device = Literal["imei", "serial", "imei_or_serial", "none"]
State = Literal["active", "hidden"]
PriceSource = Literal["manual", "rule"]
_PRICE_SOURCE = "rule leaves the price to the mark-up rules; another price given here makes it manual."
_FIELDS = [{"name": "Email", "type": "text", "required": True}]


class FieldIn(Body):
    """An extra input the service wants. ``name`` is kept byte for byte, blanks at the ends included."""

    name: str = Field(max_length=200, examples=["Email"])
    type: FieldType = FieldType.TEXT
    required: bool = False
    description: str = Field("", max_length=2000)
    options: list[str] = Field([], max_length=1000, description="What a dropdown or radio offers.")
    pattern: str = Field("", max_length=1000, description="A regular expression that a value must match.")

    def new(self) -> NewField:
        """Return the field as the catalogue takes it."""
        return NewField(self.name, self.type, self.required, self.description, tuple(self.options), self.pattern)


class ServiceIn(Body):
    """A service to sell. Its group is made if there is none of that name."""

    name: str = Field(max_length=300, examples=["iPhone carrier check"])
    group: str = Field(max_length=300, examples=["Apple checks"])
    code: str | None = Field(None, max_length=60, examples=["iphone-carrier"], description="Its name for programs.")
    type: ServiceType
    price: Amount = Field(description="Of one piece.")
    currency: Currency | None = None
    fields: list[FieldIn] = Field([], max_length=100, examples=[_FIELDS])
    device: Device | None = Field(None, description="What an order's IMEI must hold; by default imei for type imei.")
    takes_quantity: bool | None = Field(None, description="By default: if a smallest or largest quantity is given.")
    min_quantity: int | None = Field(None, ge=1, le=MAX_QUANTITY)
    max_quantity: int | None = Field(None, ge=1, le=MAX_QUANTITY)
    time: str = Field("", max_length=200, examples=["1-5 minutes"])
    info: str = Field("", max_length=20_000)
    rules: RulesIn = Field(default_factory=RulesIn, description="How its orders live.")
    extensions: list[str] = Field(
        [], max_length=50, examples=[["bcl", "txt"]], description="What a file service takes; none for any file."
    )
    state: State = "active"
    position: int = Field(
        0, ge=0, le=1_000_000, description="Its place in the group, before those of the same by name."
    )
    price_source: PriceSource = Field("manual", description="rule leaves the price to the mark-up rules from now on.")


class ServiceChange(Body):
    """What to change; what is not named stays. ``fields`` replaces all fields. Type and currency stay for life."""

    name: str = Field("", max_length=300)
    group: str = Field("", max_length=300)
    code: str | None = Field(None, max_length=60, description="null or empty: none.")
    price: Amount = 0
    fields: list[FieldIn] = Field([], max_length=100, examples=[_FIELDS])
    device: Device = "none"
    takes_quantity: bool | None = None
    min_quantity: int | None = Field(None, ge=1, le=MAX_QUANTITY)
    max_quantity: int | None = Field(None, ge=1, le=MAX_QUANTITY)
    time: str = Field("", max_length=200)
    info: str = Field("", max_length=20_000)
    rules: RulesIn = Field(default_factory=RulesIn, description="Those that are named change.")
    extensions: list[str] = Field([], max_length=50)
    state: State = "active"
    position: int = Field(0, ge=0, le=1_000_000)
    price_source: PriceSource = Field("manual", description=_PRICE_SOURCE)


class ServiceOut(Row):
    """A service of ours."""

    name: str
    code: str | None
    group: str
    group_id: int
    type: str
    device: str
    price: Decimals
    price_source: str
    currency: str
    takes_quantity: bool
    min_quantity: int
    max_quantity: int
    time: str
    info: str
    rules: RulesOut
    extensions: list[str]
    state: str
    position: int
    fields: list[FieldOut]
    created_at: datetime


@router.post("", status_code=201, summary="Put a service on sale")
async def create_service(body: ServiceIn, _: Operator, parts: Parts, session: Session) -> ServiceOut:
    """Create a service. Orders for it are taken once a route leads to a supplier."""
    given = body.model_dump(exclude={"fields", "currency", "rules"})
    new = NewService(
        **given,
        rules=body.rules.new(),
        currency=body.currency or parts.currency,
        fields=[field.new() for field in body.fields],
    )
    return _out(await catalog.create_service(session, new))


@router.get("", summary="Our services")
async def list_services(
    _: Reader,
    session: Session,
    search: Search = "",
    state: State | None = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[ServiceOut]:
    """Services in order of id, hidden ones too; ``search`` looks into names and groups."""
    rows = await catalog.list_services(session, search=search, state=state, after=cursor or 0, limit=limit + 1)
    return Page.of([_out(row) for row in rows], limit)


@router.get("/{service_id}", summary="One service")
async def get_service(service_id: PathId, _: Reader, session: Session) -> ServiceOut:
    """The service with its fields."""
    return _out(await catalog.get_service(session, service_id))


@router.patch("/{service_id}", summary="Change or hide a service")
async def change_service(service_id: PathId, body: ServiceChange, _: Operator, session: Session) -> ServiceOut:
    """Change what the body names; state hidden takes it off sale, open orders go on."""
    changes: dict[str, Any] = body.model_dump(include=body.model_fields_set - {"fields", "rules"})
    changes.update(body.rules.changes())
    if "fields" in body.model_fields_set:
        changes["fields"] = [field.new() for field in body.fields]
    return _out(await catalog.change_service(session, service_id, changes))


def _out(row: Service) -> ServiceOut:
    return ServiceOut(
        id=row.id,
        name=row.name,
        code=row.code,
        group=row.group.name,
        group_id=row.group_id,
        type=row.type,
        device=row.device,
        price=format_amount(row.price),
        price_source=row.price_source,
        currency=row.currency,
        takes_quantity=row.takes_quantity,
        min_quantity=row.min_quantity,
        max_quantity=row.max_quantity,
        time=row.time,
        info=row.info,
        rules=rules_out(row),
        extensions=row.extensions,
        state=row.state,
        position=row.position,
        fields=[
            FieldOut(
                name=field.name,
                type=field.type,
                required=field.required,
                description=field.description,
                options=field.options,
                pattern=field.pattern,
            )
            for field in row.fields
        ],
        created_at=row.created_at,
    )
