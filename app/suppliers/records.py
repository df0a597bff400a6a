"""What staff see of suppliers and of their catalogues: never a secret."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Connection
from app.errors import NotFound
from app.suppliers.tables import RemoteService, Supplier


@dataclass(frozen=True, slots=True)
class SupplierRow:
    """A supplier without its secrets. ``balance`` is in micro-units of ``currency``, None if never told.

    ``unclear`` counts the attempts at it that wait for a person; ``trips`` how often in a row its circuit opened.
    """

    id: int
    name: str
    kind: str
    config: dict[str, Any]
    currency: str
    state: str
    paused_because: str
    paused_until: datetime | None
    pause_reason: str | None
    circuit: Literal["closed", "open", "half_open"]
    trips: int
    balance_is_proof: bool
    panel_url: str
    place_batch: int | None
    concurrency: int
    requests_per_minute: int
    wording: dict[str, dict[str, str]]
    balance: int | None
    balance_at: datetime | None
    synced_at: datetime | None
    services: int
    unclear: int
    created_at: datetime


_SUPPLIERS = """
SELECT s.id, s.name, s.kind, s.config, s.currency, s.state, s.paused_because, s.concurrency, s.requests_per_minute,
       s.wording, s.balance, s.balance_at, s.synced_at,
       CASE WHEN s.paused_until > now() THEN s.paused_until END AS paused_until,
       CASE WHEN s.paused_until > now() THEN s.pause_reason END AS pause_reason,
       CASE WHEN s.paused_until IS NULL THEN 'closed' WHEN s.paused_until > now() THEN 'open' ELSE 'half_open' END
           AS circuit,
       s.trips, s.balance_is_proof, s.panel_url, s.place_batch,
       (SELECT count(*) FROM remote_services m WHERE m.supplier_id = s.id AND m.removed_at IS NULL) AS services,
       (SELECT count(*) FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'unclear') AS unclear, s.created_at
FROM suppliers s
"""


async def get_supplier(conn: Connection, supplier_id: int) -> SupplierRow:
    """Return a supplier; NotFound if there is none."""
    row = await (await conn.execute(f"{_SUPPLIERS} WHERE s.id = %s", (supplier_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such supplier.")
    return SupplierRow(**row)


async def find_supplier(conn: Connection, text: str) -> SupplierRow:
    """Return the supplier of this name or id; NotFound if there is none."""
    wanted = text.strip()
    cursor = await conn.execute(
        f"{_SUPPLIERS} WHERE lower(s.name) = lower(%(text)s) OR s.id::text = %(text)s"
        " ORDER BY s.name = %(text)s DESC, lower(s.name) = lower(%(text)s) DESC LIMIT 1",
        {"text": wanted},
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no supplier {wanted[:100]!r}.")
    return SupplierRow(**row)


async def list_suppliers(conn: Connection) -> list[SupplierRow]:
    """Return all suppliers in the order they came."""
    cursor = await conn.execute(f"{_SUPPLIERS} ORDER BY s.id")
    return [SupplierRow(**row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class RemoteServiceRow:
    """A service in a supplier's catalogue; ``cost`` is of one piece in micro-units of ``currency``, None if unknown."""

    id: int
    remote_id: str
    name: str
    group: str
    type: str
    cost: int | None
    currency: str
    time: str
    info: str
    takes_serial: bool
    takes_quantity: bool
    min_quantity: int | None
    max_quantity: int | None
    fields: list[dict[str, Any]]


async def remote_services(
    session: AsyncSession,
    supplier_id: int,
    *,
    search: str = "",
    remote_ids: Collection[str] | None = None,
    after: int = 0,
    limit: int,
) -> list[RemoteServiceRow]:
    """Return what a supplier offers now, ids above ``after`` in order of id; NotFound if there is no such supplier.

    ``search`` looks into names and groups and compares with their ids; ``remote_ids`` keeps to these.
    """
    currency = await session.scalar(select(Supplier.currency).where(Supplier.id == supplier_id))
    if currency is None:
        raise NotFound("There is no such supplier.")
    query = (
        select(RemoteService)
        .where(RemoteService.supplier_id == supplier_id, RemoteService.removed_at.is_(None), RemoteService.id > after)
        .order_by(RemoteService.id)
        .limit(limit)
    )
    if remote_ids is not None:
        query = query.where(RemoteService.remote_id.in_(remote_ids))
    if search:
        query = query.where(
            or_(
                RemoteService.name.icontains(search, autoescape=True),
                RemoteService.group_name.icontains(search, autoescape=True),
                RemoteService.remote_id == search,
            )
        )
    return [
        RemoteServiceRow(
            id=row.id,
            remote_id=row.remote_id,
            name=row.name,
            group=row.group_name,
            type=row.type,
            cost=row.cost,
            currency=currency,
            time=row.time,
            info=row.info,
            takes_serial=row.takes_serial,
            takes_quantity=row.takes_quantity,
            min_quantity=row.min_quantity,
            max_quantity=row.max_quantity,
            fields=row.fields,
        )
        for row in await session.scalars(query)
    ]
