"""``/suppliers``: our accounts upstream, and what each of them sells."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictBool, StrictInt

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Session, Transaction
from app.admin.problems import SUPPLIER_RESPONSE
from app.admin.schemas import (
    DEFAULT_PAGE,
    Amount,
    Body,
    Currency,
    Cursor,
    Decimals,
    FieldOut,
    Listing,
    Page,
    PageSize,
    PathId,
    Row,
    Search,
)
from app.connectors.base import ReportStatus
from app.connectors.errors import RefusalReason
from app.db import Connection
from app.money import format_amount
from app.suppliers import records, service
from app.suppliers.balances import change_currency
from app.suppliers.changes_limits import Limits, change_limits, limits_of
from app.suppliers.contact import WAITING_SECONDS, sync_supplier, try_out
from app.suppliers.diagnosis import Finding
from app.suppliers.records import RemoteServiceRow, SupplierRow
from app.suppliers.runway import Runway, change_watch, runway_of, runways
from app.suppliers.wording import checked_wording

router = APIRouter(prefix="/suppliers", tags=["suppliers"], route_class=ExactRoute)


Believe = Annotated[
    bool, Query(description="Remove at once whatever this list lacks: somebody has looked, and it really shrank.")
]

_PERCENT = "In percent of the cost so far; null for any."


class LimitsChange(Body):
    """Which limits to change; what is not named stays."""

    price_up_percent: StrictInt | None = Field(None, examples=[20], description=_PERCENT)
    price_down_percent: StrictInt | None = Field(None, examples=[50], description=_PERCENT)
    apply_new: StrictBool = True
    apply_names: StrictBool = True
    apply_fields: StrictBool = Field(True, description="Where no mapped service needs what changes; else it waits.")
    apply_removed: StrictBool = True
    missing_limit: StrictInt = Field(3, description="How many readings in a row have to lack a service.")


class LimitsOut(BaseModel):
    """Which changes of the catalogue are taken over by themselves; the others wait for staff."""

    price_up_percent: int | None
    price_down_percent: int | None
    apply_new: bool
    apply_names: bool
    apply_fields: bool
    apply_removed: bool
    missing_limit: int


class WatchChange(Body):
    """When our account there is too low, and how far its books may be off; what is not named stays."""

    low_balance: Amount | None = Field(None, description="An alarm below this balance; null for none.")
    runway_days: StrictInt | None = Field(None, description="An alarm if the balance lasts for less; 0 for none.")
    books_tolerance: Amount | None = Field(None, description="What a day's books may be off before it is open.")


class WatchOut(BaseModel):
    """When our account there is too low, and how far its books may be off."""

    low_balance: Decimals | None
    runway_days: int
    books_tolerance: Decimals


class SupplierIn(Body):
    """A supplier account to add. What ``config`` holds depends on the kind: see ``GET /kinds``."""

    name: str = Field(examples=["Unlock Source"])
    kind: str = Field(examples=["dhru"])
    config: dict[str, Any] = Field(
        examples=[{"base_url": "https://supplier.example", "username": "us", "api_key": "AAA-BBB-CCC"}]
    )
    currency: Currency | None = Field(None, description="Until the supplier names its own.")


class WordingIn(Body):
    """What staff know of a supplier's wording, read before the tables of its kind: see ``GET /kinds``."""

    refusals: dict[str, RefusalReason] = Field({}, examples=[{"saldo insuficiente": "no_funds"}])
    statuses: dict[str, ReportStatus] = Field({}, examples=[{"on hold": "pending", "5": "done"}])


class WordingOut(BaseModel):
    """What staff know of a supplier's wording."""

    refusals: dict[str, RefusalReason] = {}
    statuses: dict[str, ReportStatus] = {}


class SupplierChange(Body):
    """What to change; what is not named stays. In ``config`` too, secrets included; null there means the default."""

    name: str | None = None
    config: dict[str, Any] | None = Field(None, examples=[{"api_key": "NEW-KEY"}])
    concurrency: int | None = Field(
        None, description="Calls of a sort open at a time, 1 to 64; by all workers together where there is Redis."
    )
    requests_per_minute: int | None = Field(
        None,
        description="Calls that may be begun in a minute, by all workers together where there is Redis; 0: no limit.",
    )
    wording: WordingIn | None = Field(None, description="Replace all there were.")
    state: Literal["active", "paused"] | None = Field(None, description="active also ends a pause set by a machine.")
    because: str = Field("", max_length=500, description="Why it is paused, with `state`.")
    limits: LimitsChange | None = Field(None, examples=[{"price_up_percent": 10}])
    watch: WatchChange | None = Field(None, examples=[{"low_balance": "50.00"}])
    currency: Currency | None = Field(
        None, description="What the account is kept in from now on, and its costs are; balances in another are refused."
    )
    balance_is_proof: bool | None = Field(
        None,
        description="They charge when an order is placed, so a balance that did not move proves an order is not there.",
    )
    panel_url: str | None = Field(None, max_length=500, description="Where staff look orders up by hand.")
    place_batch: int | None = Field(
        None,
        description="Orders in one bulk call at most, 0 for as many as they take. All of a call whose end is lost are"
        " in doubt together: fewer is slower, and less work for staff after a crash.",
    )


class SupplierOut(BaseModel):
    """A supplier account; its secrets never come back."""

    id: int
    name: str
    kind: str
    config: dict[str, Any]
    currency: str
    state: str
    paused_because: str = Field(description="Why staff paused it.")
    paused_until: datetime | None
    pause_reason: str | None
    circuit: Literal["closed", "open", "half_open"] = Field(description="half_open: one order is sent to try.")
    trips: int = Field(description="How often in a row the circuit opened.")
    balance_is_proof: bool
    panel_url: str
    place_batch: int | None
    concurrency: int
    requests_per_minute: int
    wording: WordingOut
    balance: Decimals | None
    balance_at: datetime | None
    runway: int | None = Field(description="For how many days the balance lasts; see `/supplier-runways`.")
    watch: WatchOut
    synced_at: datetime | None
    limits: LimitsOut
    services: int
    unclear: int = Field(description="Attempts that wait for a person.")
    created_at: datetime


class DiagnosisOut(BaseModel):
    """How a test of the account went, in one sentence; ``code`` never changes with the wording."""

    ok: bool
    code: Finding
    diagnosis: str = Field(examples=["Works: balance 61.20 USD, 412 services."])
    hint: str = Field(examples=["Ask the supplier to allow our address; they see us as 203.0.113.7."])
    balance: Decimals | None
    currency: str | None
    services: int | None


class SyncOut(BaseModel):
    """What a reading of the catalogue changed. Held: kept although the list lacks them, for once or because it is
    suspiciously short. Waiting: changes that wait for staff now, see ``/suppliers/{id}/changes``."""

    added: int
    changed: int
    removed: int
    held: int
    waiting: int


class RemoteServiceOut(Row):
    """A service of theirs. ``fields`` may be given to ``POST /services`` as they are."""

    remote_id: str
    name: str
    group: str
    type: str
    cost: Decimals | None
    currency: str
    time: str
    info: str
    takes_serial: bool
    takes_quantity: bool
    min_quantity: int | None
    max_quantity: int | None
    fields: list[FieldOut]


@router.post("", status_code=201, summary="Add a supplier account")
async def add_supplier(body: SupplierIn, _: Operator, parts: Parts, conn: Transaction) -> SupplierOut:
    """Add an account upstream; its secrets are sealed. Test it next, then sync its catalogue."""
    supplier_id = await service.add(
        conn,
        parts.sealer,
        name=body.name,
        kind=body.kind,
        config=body.config,
        currency=body.currency or parts.currency,
    )
    return await _shown(conn, supplier_id)


@router.get("", summary="All supplier accounts")
async def list_suppliers(_: Reader, conn: Transaction) -> Listing[SupplierOut]:
    """Every account with its balance and how it stands."""
    rows = await records.list_suppliers(conn)
    limits = await limits_of(conn, [row.id for row in rows])
    accounts = {account.supplier_id: account for account in await runways(conn)}
    return Listing(items=[_out(row, limits[row.id], accounts[row.id]) for row in rows if row.id in accounts])


@router.get("/{supplier_id}", summary="One supplier account")
async def get_supplier(supplier_id: PathId, _: Reader, conn: Transaction) -> SupplierOut:
    """The account with its balance and how it stands."""
    return await _shown(conn, supplier_id)


@router.patch("/{supplier_id}", summary="Change, pause or resume a supplier account")
async def change_supplier(
    supplier_id: PathId, body: SupplierChange, _: Operator, parts: Parts, conn: Transaction
) -> SupplierOut:
    """Change what the body names. A config for another host has to bring its secrets."""
    await service.change(
        conn,
        parts.sealer,
        supplier_id,
        name=body.name,
        config=body.config,
        concurrency=body.concurrency,
        requests_per_minute=body.requests_per_minute,
        wording=checked_wording(body.wording.refusals, body.wording.statuses) if body.wording else None,
        state=body.state,
        because=body.because,
        balance_is_proof=body.balance_is_proof,
        panel_url=body.panel_url,
        place_batch=body.place_batch,
    )
    if body.limits is not None:
        await change_limits(conn, supplier_id, body.limits.model_dump(exclude_unset=True))
    if body.currency is not None:
        await change_currency(conn, supplier_id, body.currency)
    if body.watch is not None:
        await change_watch(conn, supplier_id, body.watch.model_dump(exclude_unset=True))
    return await _shown(conn, supplier_id)


@router.post("/{supplier_id}/test", summary="Try a supplier account out")
async def try_supplier(supplier_id: PathId, _: Operator, parts: Parts) -> DiagnosisOut:
    """Ask for balance and catalogue and say how that went; buys nothing, and keeps the balance."""
    found = await try_out(parts.db, parts.sealer, supplier_id)
    return DiagnosisOut(
        ok=found.ok,
        code=found.code,
        diagnosis=found.diagnosis,
        hint=found.hint,
        balance=format_amount(found.balance.amount) if found.balance else None,
        currency=found.balance.currency if found.balance else None,
        services=found.services,
    )


@router.post("/{supplier_id}/sync", summary="Take over a supplier's catalogue now", responses=SUPPLIER_RESPONSE)
async def sync_catalogue(supplier_id: PathId, staff: Operator, parts: Parts, believe: Believe = False) -> SyncOut:
    """Read the catalogue and write down what changed; what they no longer list is marked, never deleted.

    A list that lacks more than half of what we know removes nothing, reading after reading, because broken suppliers
    answer so. `believe=true` takes this one reading as it is. An empty list removes nothing even then.
    """
    found = await sync_supplier(
        parts.db, parts.sealer, supplier_id, believed=believe, staff_id=staff.id, at_most=WAITING_SECONDS
    )
    return SyncOut(
        added=found.added, changed=found.changed, removed=found.removed, held=found.held, waiting=found.waiting
    )


@router.get("/{supplier_id}/services", summary="What a supplier sells")
async def list_remote_services(
    supplier_id: PathId,
    _: Reader,
    session: Session,
    search: Search = "",
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[RemoteServiceOut]:
    """Their catalogue as last read; ``search`` looks into names and groups, or is one of their ids."""
    rows = await records.remote_services(session, supplier_id, search=search, after=cursor or 0, limit=limit + 1)
    return Page.of([remote_out(row) for row in rows], limit)


async def _shown(conn: Connection, supplier_id: int) -> SupplierOut:
    row = await records.get_supplier(conn, supplier_id)
    return _out(row, (await limits_of(conn, [supplier_id]))[supplier_id], await runway_of(conn, supplier_id))


def _out(row: SupplierRow, limits: Limits, account: Runway) -> SupplierOut:
    return SupplierOut(
        id=row.id,
        name=row.name,
        kind=row.kind,
        config=row.config,
        currency=row.currency,
        state=row.state,
        paused_because=row.paused_because,
        paused_until=row.paused_until,
        pause_reason=row.pause_reason,
        circuit=row.circuit,
        trips=row.trips,
        balance_is_proof=row.balance_is_proof,
        panel_url=row.panel_url,
        place_batch=row.place_batch,
        concurrency=row.concurrency,
        requests_per_minute=row.requests_per_minute,
        wording=WordingOut.model_validate(row.wording),
        balance=None if row.balance is None else format_amount(row.balance),
        balance_at=row.balance_at,
        runway=account.days,
        watch=WatchOut(
            low_balance=None if account.low_balance is None else format_amount(account.low_balance),
            runway_days=account.runway_days,
            books_tolerance=format_amount(account.books_tolerance),
        ),
        synced_at=row.synced_at,
        limits=LimitsOut(**asdict(limits)),
        services=row.services,
        unclear=row.unclear,
        created_at=row.created_at,
    )


def remote_out(row: RemoteServiceRow) -> RemoteServiceOut:
    """Return a service of theirs as it is shown."""
    return RemoteServiceOut(
        id=row.id,
        remote_id=row.remote_id,
        name=row.name,
        group=row.group,
        type=row.type,
        cost=None if row.cost is None else format_amount(row.cost),
        currency=row.currency,
        time=row.time,
        info=row.info,
        takes_serial=row.takes_serial,
        takes_quantity=row.takes_quantity,
        min_quantity=row.min_quantity,
        max_quantity=row.max_quantity,
        fields=[FieldOut.model_validate(field) for field in row.fields],
    )
