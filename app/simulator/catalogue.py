"""What the simulator sells, and the service list it prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.money import format_amount, parse_amount


@dataclass(frozen=True, slots=True)
class Service:
    """One thing on sale. ``cost`` is in micro-units, ``work`` stretches the time to deliver, ``result`` is a text."""

    id: int
    group: str
    type: str
    name: str
    cost: int
    time: str
    result: str
    info: str = ""
    work: float = 1.0
    serial: bool = False
    min_quantity: int = 0
    max_quantity: int = 0
    fields: tuple[Mapping[str, str], ...] = ()
    extensions: str = ""

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the fields without which an order is refused."""
        return tuple(field["fieldname"] for field in self.fields if field["required"] == "on")


def _field(name: str, kind: str = "text", required: str = "on", options: str = "") -> Mapping[str, str]:
    return {
        "type": "serviceimei",
        "fieldname": name,
        "fieldtype": kind,
        "description": "",
        "fieldoptions": options,
        "regexpr": "",
        "adminonly": "",
        "required": required,
    }


_CHECKS = "Apple Checks"
_ANDROID = "Android Checks"
_UNLOCKS = "Network Unlocks"
_ACTIVATIONS = "Tool Activations & Credits"

SERVICES: Sequence[Service] = (
    Service(101, _CHECKS, "IMEI", "iPhone Carrier + Find My Status", parse_amount("0.09"), "Instant", "carrier"),
    Service(102, _CHECKS, "IMEI", "Find My iPhone ON/OFF", parse_amount("0.015"), "Instant", "findmy"),
    Service(103, _CHECKS, "IMEI", "GSX Full Report", parse_amount("1.25"), "1-5 Minutes", "carrier", work=2.0),
    Service(104, _CHECKS, "IMEI", "MacBook / iPad by Serial", parse_amount("0.35"), "Instant", "serial", serial=True),
    Service(201, _ANDROID, "IMEI", "Samsung Info + Warranty", parse_amount("0.12"), "Instant", "android"),
    Service(202, _ANDROID, "IMEI", "Blacklist Status Worldwide", parse_amount("0.045"), "Instant", "blacklist"),
    Service(203, _ANDROID, "IMEI", "Xiaomi Mi Account Lock", parse_amount("0.0375"), "Instant", "android"),
    Service(
        301,
        _UNLOCKS,
        "IMEI",
        "AT&T USA iPhone Unlock (Clean)",
        parse_amount("14.5"),
        "1-24 Hours",
        "unlock",
        info="<b>Clean IMEI only.</b><br>No refund for a wrong network.",
        work=5.0,
    ),
    Service(302, _UNLOCKS, "IMEI", "Unlock Code, slow desk", parse_amount("3"), "3-5 Days", "unlock", work=1000.0),
    Service(303, _UNLOCKS, "IMEI", "Out of order: always rejected", parse_amount("2.2"), "1-60 Minutes", "reject"),
    Service(
        401,
        _ACTIVATIONS,
        "SERVER",
        "Repair Tool 12 Months Activation",
        parse_amount("49.9"),
        "1-15 Minutes",
        "activation",
        fields=(_field("Email"), _field("Username ", required="")),
    ),
    Service(
        402,
        _ACTIVATIONS,
        "SERVER",
        "Tool Credits",
        parse_amount("0.98"),
        "Instant",
        "credits",
        min_quantity=5,
        max_quantity=500,
        fields=(_field("Email"), _field("Region", "dropdown", options="Europe,Asia,America")),
    ),
    Service(501, "Remote Sessions", "REMOTE", "Remote Repair Session", parse_amount("7.75"), "1-3 Hours", "activation"),
    Service(
        601,
        "File Services",
        "FILE",
        "Code from BCL file",
        parse_amount("1.8"),
        "1-6 Hours",
        "file",
        extensions="bcl,txt",
    ),
)

BY_ID: Mapping[str, Service] = {str(service.id): service for service in SERVICES}

_SERVER_FLAG = {"IMEI": "0", "SERVER": "1", "REMOTE": "2"}
_SERIAL_ENTRY = {
    "allow": "1",
    "bulk": "1",
    "customname": "SN",
    "custominfo": "Serial number",
    "customlen": "0",
    "maxlength": "40",
    "regex": "",
    "isalpha": "1",
}


def service_list() -> dict[str, Any]:
    """Return the LIST of ``imeiservicelist``: groups by name, services by a key that is not their id."""
    groups: dict[str, Any] = {}
    for service in SERVICES:
        if service.type == "FILE":
            continue
        name = service.group.replace("&", "&amp;")
        group = groups.setdefault(name, {"GROUPNAME": name, "GROUPTYPE": service.type, "SERVICES": {}})
        group["SERVICES"][str(9000 + service.id)] = _entry(service)
    return groups


def file_service_list() -> dict[str, Any]:
    """Return the LIST of ``fileservicelist``, whose groups have no type."""
    groups: dict[str, Any] = {}
    for service in SERVICES:
        if service.type == "FILE":
            group = groups.setdefault(service.group, {"GROUPNAME": service.group, "SERVICES": {}})
            group["SERVICES"][str(9000 + service.id)] = {
                "SERVICEID": service.id,
                "SERVICENAME": service.name,
                "CREDIT": format_amount(service.cost),
                "TIME": service.time,
                "ALLOW_EXTENSION": service.extensions,
                "INFO": service.info,
            }
    return groups


def _entry(service: Service) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "SERVICEID": service.id,
        "SERVICETYPE": service.type,
        "SERVER": _SERVER_FLAG[service.type],
        "QNT": "1" if service.max_quantity else "0",
        "MINQNT": str(service.min_quantity),
        "MAXQNT": str(service.max_quantity),
        "SERVICENAME": service.name,
        "CREDIT": format_amount(service.cost),
        "TIME": service.time,
        "INFO": service.info,
    }
    if service.serial:
        entry["CUSTOM"] = _SERIAL_ENTRY
    if service.fields:
        entry["Requires.Custom"] = list(service.fields)
    return entry
