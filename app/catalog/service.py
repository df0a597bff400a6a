"""What we sell, as staff set it up: services with their fields, in groups that come to be by being named.

Every change makes the catalogue's version rise (triggers see to it), so nothing here tells any cache.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from app.catalog.codes import check_code, refuse_taken_codes
from app.catalog.rules import RULES, Rules, set_rules
from app.catalog.tables import MAX_PRICE, MAX_QUANTITY, Service, ServiceField, ServiceGroup
from app.connectors.base import FieldType, ServiceType
from app.errors import Invalid, NotFound
from app.money import format_amount

DEVICES = ("imei", "serial", "imei_or_serial", "none")

_EXTENSION = re.compile(r"[a-z0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class NewField:
    """An extra input that a service is to want; ``name`` is kept byte for byte, blanks at the ends included."""

    name: str
    type: FieldType = FieldType.TEXT
    required: bool = False
    description: str = ""
    options: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class NewService:
    """A service to sell. ``price`` is of one piece, in micro-units of ``currency``.

    ``device`` None: an IMEI for a service of type imei, nothing for the others. ``takes_quantity`` None: if a smallest
    or largest quantity is given. ``extensions`` are those of the files that a file service takes, none for any.
    ``price_source`` rule leaves the price to the mark-up rules from now on. ``code`` is a name for programs.
    """

    name: str
    group: str
    type: ServiceType
    price: int
    currency: str
    device: str | None = None
    takes_quantity: bool | None = None
    min_quantity: int | None = None
    max_quantity: int | None = None
    time: str = ""
    info: str = ""
    rules: Rules = dataclasses.field(default_factory=Rules)
    extensions: Sequence[str] = ()
    state: str = "active"
    position: int = 0
    fields: Sequence[NewField] = ()
    price_source: str = "manual"
    code: str | None = None


async def create_service(session: AsyncSession, new: NewService) -> Service:
    """Put a service on sale, with its fields and its group; Invalid with the field at fault if it cannot be sold so."""
    (service_id,) = await create_services(session, [new])
    return await get_service(session, service_id)


async def create_services(session: AsyncSession, news: Sequence[NewService]) -> list[int]:
    """Put services on sale and return their ids in the order given; the number of statements does not depend on theirs.

    All or none: raises Invalid with the field at fault.
    """
    groups = await _groups(session, {new.group for new in news})
    services = [_build(new, groups[new.group]) for new in news]
    await refuse_taken_codes(session, services)
    session.add_all(services)
    await session.flush()
    for service, new in zip(services, news, strict=True):
        session.add_all(_field_rows(service.id, new.fields))
    await session.flush()
    return [service.id for service in services]


def _build(new: NewService, group_id: int) -> Service:
    service = Service(
        group_id=group_id,
        name=_name(new.name, "name"),
        code=check_code(new.code),
        type=new.type.value,
        device=new.device or ("imei" if new.type is ServiceType.IMEI else "none"),
        price=check_price(new.price),
        price_source=new.price_source,
        currency=new.currency,
        time=new.time,
        info=new.info,
        extensions=_extensions(new.extensions),
        state=new.state,
        position=new.position,
    )
    set_rules(service, dataclasses.asdict(new.rules))
    _check_choices(service)
    _set_quantity(service, new.takes_quantity, new.min_quantity, new.max_quantity)
    return service


async def change_service(session: AsyncSession, service_id: int, changes: Mapping[str, Any]) -> Service:
    """Change what ``changes`` names, by the names of ``NewService``; ``fields`` replaces all of them.

    Type and currency stay for life: orders were sold in them. Another price counts as set by hand, and no rule touches
    it any more, unless ``price_source`` is named too. Raises NotFound and Invalid.
    """
    service = await session.get(Service, service_id, with_for_update=True)
    if service is None:
        raise NotFound("There is no such service.")
    given = dict(changes)
    if "group" in given:
        group = given.pop("group")
        service.group_id = (await _groups(session, [group]))[group]
    if "name" in given:
        service.name = _name(given.pop("name"), "name")
    if "code" in given:
        service.code = check_code(given.pop("code"))
        await refuse_taken_codes(session, [service])
    if "price" in given:
        price = check_price(given.pop("price"))
        if price != service.price:
            given.setdefault("price_source", "manual")
        service.price = price
    if given.keys() & {"takes_quantity", "min_quantity", "max_quantity"}:
        takes = given.pop("takes_quantity", None)
        # A limit that is not named stays, unless the service was sold one at a time until now.
        smallest, largest = (service.min_quantity, service.max_quantity) if service.takes_quantity else (None, None)
        kept = takes is not False
        _set_quantity(
            service,
            takes,
            given.pop("min_quantity", smallest if kept else None),
            given.pop("max_quantity", largest if kept else None),
        )
    if "fields" in given:
        await _write_fields(session, service_id, given.pop("fields"))
    if "extensions" in given:
        service.extensions = _extensions(given.pop("extensions"))
    set_rules(service, {name: given.pop(name) for name in RULES if name in given})
    for name in ("device", "time", "info", "state", "position", "price_source"):
        if name in given:
            setattr(service, name, given.pop(name))
    _check_choices(service)
    await session.flush()
    return await get_service(session, service_id)


async def get_service(session: AsyncSession, service_id: int, *, lock: bool = False) -> Service:
    """Return a service with its group and fields; NotFound if there is none. Locked, nobody else changes it now."""
    query = _full().where(Service.id == service_id).execution_options(populate_existing=True)
    found = await session.scalar(query.with_for_update(of=Service) if lock else query)
    if found is None:
        raise NotFound("There is no such service.")
    return found


async def list_services(
    session: AsyncSession, *, search: str = "", state: str | None = None, after: int = 0, limit: int
) -> list[Service]:
    """Return services with an id above ``after``, in order of id; ``search`` looks into names and groups."""
    query = _full().where(Service.id > after).order_by(Service.id).limit(limit)
    if search:
        query = query.join(Service.group).where(
            or_(Service.name.icontains(search, autoescape=True), ServiceGroup.name.icontains(search, autoescape=True))
        )
    if state is not None:
        query = query.where(Service.state == state)
    return list(await session.scalars(query))


def check_price(price: int) -> int:
    """Return ``price`` (micro-units of one piece) if a service may cost that; Invalid otherwise."""
    if not 0 <= price <= MAX_PRICE:
        raise Invalid(f"A price is 0 to {format_amount(MAX_PRICE)}.", field="price")
    return price


def _full() -> Select[Service]:
    return select(Service).options(selectinload(Service.group), selectinload(Service.fields))


async def _groups(session: AsyncSession, given: Collection[str]) -> dict[str, int]:
    """Return the ids of the groups of these names; those that are not there are made."""
    names = {name: _name(name, "group") for name in given}
    wanted = sorted(set(names.values()))
    # Two who name a new group at once get the same one: the second waits here for the first to commit.
    await session.execute(
        insert(ServiceGroup).values([{"name": name} for name in wanted]).on_conflict_do_nothing(index_elements=["name"])
    )
    rows = await session.execute(select(ServiceGroup.name, ServiceGroup.id).where(ServiceGroup.name.in_(wanted)))
    ids = {row.name: row.id for row in rows}
    return {name: ids[clean] for name, clean in names.items()}


def _name(name: str, field: str) -> str:
    name = name.strip()
    if not name or len(name) > 300:
        raise Invalid("A name has 1 to 300 characters.", field=field)
    return name


def _check_choices(service: Service) -> None:
    if service.device not in DEVICES:
        raise Invalid(f"The device is one of {', '.join(DEVICES)}.", field="device")
    if service.state not in ("active", "hidden"):
        raise Invalid("The state is active or hidden.", field="state")
    if service.price_source not in ("manual", "rule"):
        raise Invalid("A price's source is manual or rule.", field="price_source")
    if service.type == ServiceType.FILE.value:
        if service.device != "none":
            raise Invalid("A file service is ordered with a file, not with a device.", field="device")
    elif service.extensions:
        raise Invalid("Only a file service takes files.", field="extensions")


def _extensions(given: Sequence[str]) -> list[str]:
    """Return file extensions as they are compared: lower case, without the dot, each once."""
    clean = dict.fromkeys(text.strip().lower().removeprefix(".") for text in given)
    if any(not _EXTENSION.fullmatch(text) for text in clean):
        raise Invalid("A file extension has 1 to 10 letters and digits.", field="extensions")
    return list(clean)


def _set_quantity(service: Service, takes: bool | None, smallest: int | None, largest: int | None) -> None:
    limited = smallest is not None or largest is not None
    if takes is False and limited:
        raise Invalid("A service that takes no quantity has no limits to it.", field="takes_quantity")
    service.takes_quantity = limited if takes is None else takes
    if not service.takes_quantity:
        service.min_quantity = service.max_quantity = 1
        return
    service.min_quantity = 1 if smallest is None else smallest
    service.max_quantity = MAX_QUANTITY if largest is None else largest
    if not 1 <= service.min_quantity <= MAX_QUANTITY:
        raise Invalid(f"The smallest quantity is 1 to {MAX_QUANTITY}.", field="min_quantity")
    if not service.min_quantity <= service.max_quantity <= MAX_QUANTITY:
        raise Invalid(f"The largest quantity is from the smallest to {MAX_QUANTITY}.", field="max_quantity")


async def _write_fields(session: AsyncSession, service_id: int, fields: Sequence[NewField]) -> None:
    rows = _field_rows(service_id, fields)
    await session.execute(delete(ServiceField).where(ServiceField.service_id == service_id))
    session.add_all(rows)
    await session.flush()


def _field_rows(service_id: int, fields: Sequence[NewField]) -> list[ServiceField]:
    names = [field.name.strip().lower() for field in fields]
    for number, field in enumerate(fields):
        if not names[number] or len(field.name) > 200:
            raise Invalid("A field's name has 1 to 200 characters.", field=f"fields.{number}.name")
        if names[number] in names[:number]:
            # Customers' panels trim names and change their case, so these two could not be told apart.
            raise Invalid(f"There are two fields named {field.name.strip()}.", field=f"fields.{number}.name")
        if field.type in (FieldType.DROPDOWN, FieldType.RADIO) and not field.options:
            raise Invalid("A field to choose from needs options.", field=f"fields.{number}.options")
    return [
        ServiceField(
            service_id=service_id,
            name=field.name,
            type=field.type.value,
            required=field.required,
            description=field.description,
            options=list(field.options),
            pattern=field.pattern,
            position=position,
        )
        for position, field in enumerate(fields)
    ]
