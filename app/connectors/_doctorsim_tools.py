"""doctorSIM's tools as services, and what a tool wants appended to the IMEI.

A tool is what they sell for one device on one network; its flags ``sn``, ``prd``, ``pin``, ``mep`` and ``sro`` say
"true" where the IMEI needs a suffix. Their samples: ``011950004980028SN5678G-33574``, ``…PRD12345678``,
``…PIN21FB6301``, ``…MEP-12345-678``, ``…SROXM66NA40``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.connectors._amounts import read_amount
from app.connectors._dhru_reply import clean, folded, text_of
from app.connectors.base import RemoteField, RemoteService, ServiceType
from app.connectors.errors import RefusalReason, Refused, Unclear

_MAX_INFO = 4_000

_SUFFIXES = {
    # "SN followed by a string of 4 or 5 characters, followed by a hyphen, followed by a string of 5 to 7 characters"
    "SN": ("SN", "[A-Za-z0-9]{4,5}-[A-Za-z0-9]{5,7}", "Serial number (KBH, Provider ID), such as 5678G-33574"),
    # "PRD followed by 8 integers without spaces"
    "PRD": ("PRD", "[0-9]{8}", "PRD of a BlackBerry, 8 digits, such as 12345678"),
    # "PIN followed by 8 characters without spaces"
    "PIN": ("PIN", "[A-Za-z0-9]{8}", "PIN of the phone, 8 characters, such as 21FB6301"),
    # "MEP followed by a hyphen, followed by 5 integers, followed by a hyphen, followed by 3 integers"
    "MEP": ("MEP-", "[0-9]{5}-[0-9]{3}", "MEP of a BlackBerry, such as 12345-678"),
    # "SRO followed by a capital X, followed by 7 to 11 integers"; the letters of their sample contradict the integers.
    "SRO": ("SRO", "[Xx][A-Za-z0-9]{7,11}", "SRO of an Alcatel, an X and 7 to 11 characters, such as XM66NA40"),
}
"""Every suffix by the name of its field, in the order of the flags: what stands before it, its form, what it is."""


def read_tools(res: object, device_id: str, network_id: str, currency: str) -> Iterator[RemoteService]:
    """Yield the tools of a pair that can be ordered by IMEI.

    ``{"tools": [{"name", "desc" (HTML), "service_name", "service_desc", "guaranteed_time": {"min", "max", "type"},
    "average_time", "sn", "prd", "pin", "mep", "sro", "id_tool", "success_ratio" (0 to 1), "tool_type", "custom",
    "price" (credits)}]}``. A tool_type other than imei (file, usb) has no way of being ordered here and is left out.
    Raises ``Unclear`` for what is no list of tools.
    """
    # PHP writes an empty object as a list.
    tools = [] if res == [] else folded(res).get("tools")
    if not isinstance(tools, list):
        raise Unclear("the reply has no list of tools")
    for tool in map(folded, tools):
        name, id_tool = clean(text_of(tool.get("name"))), text_of(tool.get("id_tool")).strip()
        if not name or not (id_tool.isascii() and id_tool.isalnum()):
            raise Unclear("a tool has no name or no id")
        if text_of(tool.get("tool_type")).strip().lower() in {"imei", ""}:
            yield RemoteService(
                remote_id=f"{device_id}/{network_id}/{id_tool}",
                name=name,
                group=f"Device {device_id}, network {network_id}",
                type=ServiceType.IMEI,
                cost=read_amount(tool.get("price"), currency),
                time=_time(tool),
                info=_info(tool),
                fields=tuple(_fields(tool)),
                currency=currency,
            )


def suffix(fields: Mapping[str, str]) -> str:
    """Return what goes behind the IMEI; a value may come with its prefix or without.

    Raises ``Refused`` with BAD_INPUT, before anything is sent, for a value that has not their form.
    """
    parts = []
    for name, (prefix, _, description) in _SUFFIXES.items():
        if value := "".join(fields.get(name, "").split()):
            found = re.match(_pattern(name), value)
            if found is None:
                raise Refused(RefusalReason.BAD_INPUT, f"{name} has not the form this supplier takes: {description}")
            parts.append(prefix + found[1].upper())
    return "".join(parts)


def _pattern(name: str) -> str:
    return rf"^(?i:{name}-?)?({_SUFFIXES[name][1]})$"


def _fields(tool: Mapping[str, Any]) -> Iterator[RemoteField]:
    for name, (_, _, description) in _SUFFIXES.items():
        if _is_true(tool.get(name.lower())):
            yield RemoteField(name, required=True, description=description, pattern=_pattern(name))


def _time(tool: Mapping[str, Any]) -> str:
    """Both metrics, as they ask of whoever sells: market the average, keep to what is guaranteed."""
    limit = folded(tool.get("guaranteed_time"))
    span = "-".join(dict.fromkeys(text for key in ("min", "max") if (text := text_of(limit.get(key)).strip())))
    guaranteed = f"guaranteed: {span} {text_of(limit.get('type')).strip()}".strip() if span else ""
    return clean("; ".join(filter(None, (text_of(tool.get("average_time")), guaranteed))))


def _info(tool: Mapping[str, Any]) -> str:
    ratio, custom = text_of(tool.get("success_ratio")).strip(), tool.get("custom")
    lines = [
        text_of(tool.get("service_name")),
        text_of(tool.get("service_desc")),
        text_of(tool.get("desc")),
        f"Success ratio: {ratio} of 1." if ratio else "",
        # "Additional data for special parameters. Object format with one or more values in key/pair style."
        *(f"{name}: {text_of(value)}" for name, value in (custom.items() if isinstance(custom, Mapping) else [])),
    ]
    return "\n".join(cleaned for line in lines if (cleaned := clean(line, _MAX_INFO)))


def _is_true(flag: object) -> bool:
    """Flags are the texts "true" and "false", and "1" where an order is updated."""
    return flag is True or text_of(flag).strip().lower() in {"true", "1"}
