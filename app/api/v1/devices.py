"""``/brands``, ``/devices``, ``/networks``, ``/meps``: what may be chosen for a service that needs a choice.

What may be chosen is what the supplier of the service has, under that supplier's own ids, so every call names the
service. A service without such a choice has empty lists.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import ApiDeps, Parts, ServicesReader
from app.api.v1.named import InQuery, ServiceName, service_named
from app.api.v1.responses import SERVICE_NOT_FOUND
from app.customers.service import Identity
from app.db import MAX_ID
from app.suppliers.devices import Entry, brands_of, choices_page
from app.text import storable
from app.web.schemas import DEFAULT_PAGE, MAX_PAGE, Page, Row

router = APIRouter(tags=["choices"], route_class=ExactRoute, responses=SERVICE_NOT_FOUND)

MAX_BRANDS = 5_000

Value = Annotated[str, Field(examples=["1184"], description="What the order's field holds to choose it.")]


class Wanted(BaseModel):
    """Which choices a call asks for."""

    service: ServiceName
    search: Annotated[str, AfterValidator(storable)] = Field("", max_length=200)
    cursor: int | None = Field(None, ge=1, le=MAX_ID, description="The `next_cursor` of the page before.")
    limit: int = Field(DEFAULT_PAGE, ge=1, le=MAX_PAGE, description="How many rows a page has, at most.")


class DevicesWanted(Wanted):
    """Which devices a call asks for."""

    brand: Annotated[str, AfterValidator(storable)] = Field(
        "", max_length=300, description="Those of one brand, by its `value`."
    )


class BrandOut(BaseModel):
    """A brand that has devices to choose."""

    value: str = Field(examples=["12"], description="Names the brand in `GET /devices`.")
    name: str = Field(examples=["Apple"])


class Brands(BaseModel):
    """All of them; ``next_cursor`` is as in every list, and null."""

    items: list[BrandOut]
    next_cursor: str | None = None


class ChoiceOut(Row):
    """Something to choose."""

    value: Value
    name: str = Field(examples=["iPhone 15 Pro"])


class DeviceOut(ChoiceOut):
    """A device to choose."""

    brand: BrandOut | None


class NetworkOut(ChoiceOut):
    """A network to choose."""

    country: str = Field(examples=["Spain"])


@router.get("/brands", summary="Brands with devices to choose")
async def list_brands(service: InQuery, caller: ServicesReader, parts: Parts) -> Brands:
    """The brands of the devices that may be chosen for the service, by name."""
    found = await service_named(parts, caller, service)
    async with parts.db.pool.connection() as conn:
        brands = await brands_of(conn, found.id, limit=MAX_BRANDS)
    return Brands(items=[BrandOut(value=value, name=name) for value, name in brands])


@router.get("/devices", summary="Devices to choose")
async def list_devices(
    caller: ServicesReader, parts: Parts, wanted: Annotated[DevicesWanted, Query()]
) -> Page[DeviceOut]:
    """The devices that may be chosen for the service; ``search`` looks into names."""
    rows = [
        DeviceOut(
            id=entry.id,
            value=entry.remote_id,
            name=entry.name,
            brand=BrandOut(value=entry.parent, name=entry.parent_name) if entry.parent else None,
        )
        for entry in await _choices(parts, caller, "device", wanted, brand=wanted.brand)
    ]
    return Page.of(rows, wanted.limit)


@router.get("/networks", summary="Networks to choose")
async def list_networks(caller: ServicesReader, parts: Parts, wanted: Annotated[Wanted, Query()]) -> Page[NetworkOut]:
    """The networks that may be chosen for the service; ``search`` looks into names and countries."""
    rows = [
        NetworkOut(id=entry.id, value=entry.remote_id, name=entry.name, country=entry.parent_name)
        for entry in await _choices(parts, caller, "network", wanted)
    ]
    return Page.of(rows, wanted.limit)


@router.get("/meps", summary="MEPs to choose")
async def list_meps(caller: ServicesReader, parts: Parts, wanted: Annotated[Wanted, Query()]) -> Page[ChoiceOut]:
    """The MEPs that may be chosen for the service; ``search`` looks into names."""
    entries = await _choices(parts, caller, "mep", wanted)
    return Page.of([ChoiceOut(id=entry.id, value=entry.remote_id, name=entry.name) for entry in entries], wanted.limit)


async def _choices(parts: ApiDeps, caller: Identity, kind: str, wanted: Wanted, brand: str = "") -> list[Entry]:
    """Return a page of what may be chosen, and one more if there are others."""
    found = await service_named(parts, caller, wanted.service)
    async with parts.db.pool.connection() as conn:
        return await choices_page(
            conn,
            found.id,
            kind,
            search=wanted.search.strip(),
            parent=brand,
            after=wanted.cursor or 0,
            limit=wanted.limit + 1,
        )
