"""``/suppliers/{id}/devices`` and ``/networks``: what suppliers sell for, where that is too much for one list."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction
from app.admin.problems import SUPPLIER_RESPONSE
from app.admin.schemas import DEFAULT_PAGE, Cursor, Listing, Page, PageSize, PathId, Row, Search, storable
from app.admin.suppliers import Believe, RemoteServiceOut, remote_out
from app.suppliers import devices, records
from app.suppliers.contact import read_services_for, sync_devices

router = APIRouter(prefix="/suppliers", tags=["devices"], route_class=ExactRoute)

TheirId = Annotated[str, Path(min_length=1, max_length=300), AfterValidator(storable)]
Brand = Annotated[str, Query(max_length=300, description="The supplier's id of a brand."), AfterValidator(storable)]

MAX_READ = 10_000


class DevicesOut(BaseModel):
    """How many of each the supplier has. Left: services or brands whose lists the next readings have to come to."""

    brands: int
    devices: int
    networks: int
    meps: int
    left: int


class DeviceOut(Row):
    """A device under the supplier's ids."""

    remote_id: str
    name: str
    brand_id: str
    brand: str


class NetworkOut(Row):
    """A network under the supplier's id."""

    remote_id: str
    name: str
    country: str


@router.post("/{supplier_id}/devices/sync", summary="Take over a supplier's devices now", responses=SUPPLIER_RESPONSE)
async def sync(supplier_id: PathId, _: Operator, parts: Parts, believe: Believe = False) -> DevicesOut:
    """Read brands, devices, networks and MEPs; workers do the same once a day.

    A supplier that tells its lists service by service is read in several turns; workers go on where this one ended. A
    list that lacks more than half of what we know takes nothing away, unless `believe=true`; an empty one never does.
    """
    found = await sync_devices(parts.db, parts.sealer, supplier_id, believed=believe)
    return DevicesOut(
        brands=found.brands, devices=found.devices, networks=found.networks, meps=found.meps, left=found.left
    )


@router.get("/{supplier_id}/devices", summary="The devices a supplier knows")
async def list_devices(
    supplier_id: PathId,
    _: Reader,
    conn: Transaction,
    *,
    search: Search = "",
    brand_id: Brand = "",
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[DeviceOut]:
    """Devices as last read; ``search`` looks into names, or is one of their ids."""
    rows = await devices.list_entries(
        conn, supplier_id, "device", search=search, parent=brand_id, after=cursor or 0, limit=limit + 1
    )
    shown = [
        DeviceOut(id=row.id, remote_id=row.remote_id, name=row.name, brand_id=row.parent, brand=row.parent_name)
        for row in rows
    ]
    return Page.of(shown, limit)


@router.get("/{supplier_id}/networks", summary="The networks a supplier knows")
async def list_networks(
    supplier_id: PathId,
    _: Reader,
    conn: Transaction,
    *,
    search: Search = "",
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[NetworkOut]:
    """Networks as last read; ``search`` looks into names and countries, or is one of their ids."""
    rows = await devices.list_entries(conn, supplier_id, "network", search=search, after=cursor or 0, limit=limit + 1)
    shown = [NetworkOut(id=row.id, remote_id=row.remote_id, name=row.name, country=row.parent) for row in rows]
    return Page.of(shown, limit)


@router.post(
    "/{supplier_id}/devices/{device}/networks/{network}/services",
    summary="Read what a supplier offers for a device on a network",
    responses=SUPPLIER_RESPONSE,
)
async def read_services(
    supplier_id: PathId, device: TheirId, network: TheirId, _: Operator, parts: Parts
) -> Listing[RemoteServiceOut]:
    """What is found is kept beside the supplier's list and can be mapped; reading that list never removes it.

    A supplier without networks takes anything for one.
    """
    found = await read_services_for(parts.db, parts.sealer, supplier_id, device, network)
    async with parts.db.sessions() as session:
        rows = await records.remote_services(session, supplier_id, remote_ids=found, limit=MAX_READ)
    return Listing(items=[remote_out(row) for row in rows])
