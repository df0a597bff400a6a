"""The service list as panels import it: rendered once per catalogue version and price list, served as bytes.

One service object serves all clients, which is why its keys stand in this order: StockUnlocks takes everything before
``Requires.Reference`` for the service and everything behind it for another, others need the dotted keys to be "None".
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from app.api.dhru import render, replies
from app.api.kept import MAX_BYTES, Kept
from app.catalog.snapshot import Catalog, Field, Group, Service, prices_for
from app.connectors.base import FieldType, ServiceType
from app.customers.service import Identity
from app.db import Database
from app.money import format_amount

TYPE_NAMES: Mapping[ServiceType, tuple[str, str]] = {
    ServiceType.IMEI: ("IMEI", "0"),
    ServiceType.SERVER: ("SERVER", "1"),
    ServiceType.REMOTE: ("REMOTE", "2"),
}
"""What SERVICETYPE and SERVER say. Files are sold by other actions and are not in this list."""

_NOT_REQUIRED = {
    f"Requires.{name}": "None"
    for name in ("Network", "Mobile", "Provider", "PIN", "KBH", "MEP", "PRD", "Type", "Locks", "SN", "SecRO")
}
_CHOICES = {"device": "Requires.Mobile", "network": "Requires.Provider", "mep": "Requires.MEP"}
"""Where the list says that there is something to choose; panels then ask for modellist, providerlist, meplist."""

_FIELD_TYPES = {FieldType.CHECKBOX: "tickbox", FieldType.DATE: "datepicker", FieldType.TIME: "time"}
_DEVICE_INPUTS = {"serial": "Serial Number", "imei_or_serial": "IMEI or Serial Number"}


def build_list(catalog: Catalog, prices: Mapping[int, int], dialect: str) -> replies.Reply:
    """Return the reply to imeiservicelist: the services that have a price here (micro-units), in display order."""
    groups: dict[str, Any] = {}
    for group in catalog.groups:
        for kind, services in _by_type(group, prices):
            name = clean_name(group.name)
            # A group has one GROUPTYPE; one that mixes them is shown as several.
            for candidate in (name, f"{name} ({kind})", f"{name} ({kind} {group.id})"):
                if candidate not in groups:
                    groups[candidate] = {
                        "GROUPNAME": candidate,
                        "GROUPTYPE": kind,
                        "SERVICES": {str(service.id): _service(service, prices[service.id]) for service in services},
                    }
                    break
    return {**replies.success({"MESSAGE": "IMEI Service List", "LIST": groups}), "apiversion": dialect}


def build_file_list(catalog: Catalog, prices: Mapping[int, int], dialect: str) -> replies.Reply:
    """Return the reply to fileservicelist: the file services that have a price here (micro-units)."""
    groups = {}
    for group in catalog.groups:
        services = {
            str(service.id): {
                "SERVICEID": service.id,
                "SERVICENAME": clean_name(service.name),
                "CREDIT": format_amount(prices[service.id]),
                "TIME": service.time,
                "ALLOW_EXTENSION": ",".join(service.extensions),
                "INFO": service.info,
            }
            for service in group.services
            if service.type is ServiceType.FILE and service.id in prices
        }
        if services:
            name = clean_name(group.name)
            groups[name] = {"GROUPNAME": name, "SERVICES": services}
    # As PHP writes what is empty.
    return {**replies.success({"MESSAGE": "File Service List", "LIST": groups or []}), "apiversion": dialect}


def clean_name(text: str) -> str:
    """Return a name without what breaks importing clients: double quotes, line breaks."""
    return " ".join(text.replace('"', "\u201d").split())


def custom_input(service: Service) -> dict[str, str] | None:
    """Return CUSTOM, which says that the IMEI input takes something else; None for the classic IMEI."""
    name = _DEVICE_INPUTS.get(service.device)
    if name is None:
        return None
    return {
        "allow": "1",
        "bulk": "1",
        "customname": name,
        "custominfo": "",
        "customlen": "",
        "maxlength": "40",
        "regex": "",
        "isalpha": "1",
    }


def custom_fields(service: Service) -> list[dict[str, str]]:
    """Return Requires.Custom, without what is chosen from a list of its own.

    A server service that needs a device asks for it here, as panels show no IMEI input.
    """
    fields = [_field(field) for field in service.fields if not field.choice]
    if service.type is not ServiceType.IMEI and service.device != "none":
        name = "IMEI" if service.device == "imei" else "SN" if service.device == "serial" else "IMEI/SN"
        if not any(field.name.strip().lower() in ("imei", "sn", "imei/sn") for field in service.fields):
            fields.insert(0, _field(Field(name, FieldType.TEXT, True, "", (), "")))
    return fields


def quantities(service: Service) -> tuple[str, str, str]:
    """Return QNT, MINQNT and MAXQNT."""
    if not service.takes_quantity:
        return "0", "0", "0"
    return "1", str(service.min_quantity), str(service.max_quantity)


def _by_type(group: Group, prices: Mapping[int, int]) -> Iterator[tuple[str, list[Service]]]:
    """Yield the group's services by type, always in one order: the first keeps the group's name, which panels go by."""
    for kind, (name, _) in TYPE_NAMES.items():
        services = [service for service in group.services if service.type is kind and service.id in prices]
        if services:
            yield name, services


def _service(service: Service, price: int) -> dict[str, Any]:
    kind, server = TYPE_NAMES[service.type]
    asks, least, most = quantities(service)
    shown: dict[str, Any] = {
        "SERVICEID": service.id,
        "SERVICETYPE": kind,
        "QNT": asks,
        "SERVER": server,
        "MINQNT": least,
        "MAXQNT": most,
    }
    custom = custom_input(service)
    if custom is not None and service.type is ServiceType.IMEI:
        shown["CUSTOM"] = custom
    shown["SERVICENAME"] = clean_name(service.name)
    shown["CREDIT"] = format_amount(price)
    shown["TIME"] = service.time
    shown["INFO"] = service.info
    shown.update(_NOT_REQUIRED)
    for field in service.fields:
        if field.choice:
            shown[_CHOICES[field.choice]] = "Required" if field.required else "Optional"
    fields = custom_fields(service)
    if fields:
        shown["Requires.Custom"] = fields
    shown["Requires.Reference"] = "None"
    return shown


def _field(field: Field) -> dict[str, str]:
    return {
        "type": "serviceimei",
        "fieldname": field.name,
        "fieldtype": _FIELD_TYPES.get(field.type, field.type.value),
        "description": field.description,
        "fieldoptions": ",".join(field.options),
        "regexpr": field.pattern,
        "adminonly": "",
        "required": "on" if field.required else "",
    }


_Key = tuple[int, str, render.Format, bool, str, int, str]


class ServiceLists:
    """Renders lists, once for all who see the same."""

    def __init__(self, db: Database, *, max_bytes: int = MAX_BYTES) -> None:
        self._db = db
        self._kept: Kept[_Key, bytes] = Kept(len, max_bytes=max_bytes)

    async def get(
        self, catalog: Catalog, identity: Identity, dialect: str, form: render.Format, *, files: bool = False
    ) -> bytes:
        """Return the list as this customer may see it, ``files`` that of the file services."""

        async def make() -> bytes:
            build = build_file_list if files else build_list
            async with self._db.pool.connection() as conn:
                prices = await prices_for(
                    conn,
                    customer_id=identity.customer_id,
                    price_group_id=identity.price_group_id,
                    currency=identity.currency,
                )
            # A large list takes tens of milliseconds, in which other requests must go on.
            return await asyncio.to_thread(lambda: render.render(build(catalog, prices, dialect), form))

        return await self._kept.get((catalog.version, dialect, form, files, *identity.prices_of), make)
