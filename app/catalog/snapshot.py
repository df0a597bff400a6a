"""The catalogue in memory: what the faces validate against and render, always of one known version."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.connectors.base import FieldType, ServiceType
from app.db import Connection, Database


@dataclass(frozen=True)
class Field:
    """An extra input of a service; see ``catalog.tables.ServiceField``.

    ``choice`` says that its value is an id from a supplier's list: device, network or mep; empty for free input.
    """

    name: str
    type: FieldType
    required: bool
    description: str
    options: tuple[str, ...]
    pattern: str
    choice: str = ""


@dataclass(frozen=True)
class Service:
    """A service on sale; ``price`` is the list price of one piece in micro-units of ``currency``."""

    id: int
    group_id: int
    name: str
    code: str | None
    type: ServiceType
    device: str
    price: int
    currency: str
    takes_quantity: bool
    min_quantity: int
    max_quantity: int
    time: str
    info: str
    extensions: tuple[str, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Group:
    """A heading of the list with its services in order."""

    id: int
    name: str
    services: tuple[Service, ...]


@dataclass(frozen=True)
class Catalog:
    """Everything on sale at one version, groups and services in display order."""

    version: int
    groups: tuple[Group, ...]

    @cached_property
    def services(self) -> Mapping[int, Service]:
        """The services by id."""
        return {service.id: service for group in self.groups for service in group.services}

    @cached_property
    def codes(self) -> Mapping[str, Service]:
        """The services that have a code, by it."""
        return {service.code: service for service in self.services.values() if service.code is not None}

    def find(self, named: str) -> Service | None:
        """Return the service with this id or code; None if there is none on sale."""
        if named.isascii() and named.isdigit() and len(named) < 20:
            return self.services.get(int(named))
        return self.codes.get(named.lower())


_SERVICES = """
SELECT s.id, s.group_id, s.name, s.code, s.type, s.device, s.price, s.currency, s.takes_quantity, s.min_quantity,
       s.max_quantity, s.time, s.info, s.extensions, g.name AS group_name
FROM services s JOIN service_groups g ON g.id = s.group_id
WHERE s.state = 'active'
ORDER BY g.position, g.name, g.id, s.position, s.name, s.id
"""
_FIELDS = """
SELECT f.service_id, f.name, f.type, f.required, f.description, f.options, f.pattern, COALESCE(c.kind, '') AS choice
FROM service_fields f
JOIN services s ON s.id = f.service_id AND s.state = 'active'
LEFT JOIN service_choices c ON c.service_id = f.service_id AND c.field = f.name
ORDER BY f.service_id, f.position, f.id
"""


async def load_catalog(conn: Connection) -> Catalog:
    """Read the whole catalogue as of one moment; ``conn`` must not be inside a transaction."""
    async with conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = await (await conn.execute("SELECT version FROM catalog_version WHERE id = 1")).fetchone()
        services = await (await conn.execute(_SERVICES)).fetchall()
        fields = await (await conn.execute(_FIELDS)).fetchall()
    if row is None:
        raise RuntimeError("catalog_version has no row; the migrations were not run")
    by_service: dict[int, list[Field]] = {}
    for field in fields:
        service_id = field.pop("service_id")
        options = tuple(field.pop("options"))
        kind = FieldType(field.pop("type"))
        by_service.setdefault(service_id, []).append(Field(**field, type=kind, options=options))
    names: dict[int, str] = {}
    members: dict[int, list[Service]] = {}
    for service in services:
        names[service["group_id"]] = service.pop("group_name")
        kind_of = ServiceType(service.pop("type"))
        extensions = tuple(service.pop("extensions"))
        members.setdefault(service["group_id"], []).append(
            Service(**service, type=kind_of, extensions=extensions, fields=tuple(by_service.get(service["id"], ())))
        )
    groups = tuple(Group(id=key, name=names[key], services=tuple(rows)) for key, rows in members.items())
    return Catalog(version=row["version"], groups=groups)


class CatalogCache:
    """Keeps the newest catalogue this process has seen and reads it again when a newer version is named."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._catalog: Catalog | None = None
        self._lock = asyncio.Lock()

    async def at_least(self, version: int) -> Catalog:
        """Return a catalogue of ``version`` or newer; 0 takes what is there."""
        catalog = self._catalog
        if catalog is not None and catalog.version >= version:
            return catalog
        async with self._lock:
            if self._catalog is None or self._catalog.version < version:
                async with self._db.pool.connection() as conn:
                    self._catalog = await load_catalog(conn)
            return self._catalog

    async def newer_than(self, version: int) -> Catalog:
        """Return a catalogue newer than ``version``, for a caller that was told that ``version`` is stale."""
        return await self.at_least(version + 1)


async def prices_for(
    conn: Connection, *, customer_id: int, price_group_id: int | None, currency: str, service_id: int | None = None
) -> dict[int, int]:
    """Return what each service costs this customer (micro-units of ``currency``); services not sold are absent.

    Of one service only, if it is named.
    """
    statement = (
        "SELECT s.id, p.price FROM services s, price_for(s.id, %(customer)s, %(group)s, %(currency)s) p"
        " WHERE s.state = 'active' AND p.price IS NOT NULL"
    )
    cursor = await conn.execute(
        statement if service_id is None else f"{statement} AND s.id = %(service)s",
        {"customer": customer_id, "group": price_group_id, "currency": currency, "service": service_id},
    )
    return {row["id"]: row["price"] for row in await cursor.fetchall()}
