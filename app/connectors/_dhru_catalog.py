"""DHRU's service list in all the shapes in which it was seen.

The real one is ``SUCCESS[0].LIST{group: {GROUPNAME, GROUPTYPE, SERVICES{key: service}}}``. Others send arrays instead
of objects, no groups at all, groups named inside the services, or one SUCCESS element for each type.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_reply import MAX_ID, clean, folded, open_envelope, text_of
from app.connectors.base import FieldType, RemoteField, RemoteService, ServiceType
from app.connectors.errors import Unclear

LEGACY_FIELDS = {
    "network": "Network",
    "mobile": "Mobile",
    "provider": "Provider",
    "pin": "PIN",
    "kbh": "KBH",
    "mep": "MEP",
    "prd": "PRD",
    "type": "Type",
    "locks": "Locks",
    "reference": "Reference",
    "sn": "SN",
    "secro": "SecRO",
}
"""The inputs that old services ask for by a ``Requires.`` key, by that key in lower case."""

FILE_PREFIX = "file:"
"""Before the ids of file services and of their orders, which are asked for by actions of their own."""

_MAX_DEPTH = 6
_NO = {"", "none", "no", "0", "false", "null", "off"}
_SERVICE_KEYS = ("serviceid", "service_id", "servicename", "service_name")
_TYPES = {
    "imei": ServiceType.IMEI,
    "server": ServiceType.SERVER,
    "remote": ServiceType.REMOTE,
    "file": ServiceType.FILE,
    "tool": ServiceType.SERVER,
}
_SERVER_FLAG = {"0": ServiceType.IMEI, "1": ServiceType.SERVER, "2": ServiceType.REMOTE}
_FIELD_TYPES = {
    "textarea": FieldType.TEXTAREA,
    "dropdown": FieldType.DROPDOWN,
    "select": FieldType.DROPDOWN,
    "radio": FieldType.RADIO,
    "checkbox": FieldType.CHECKBOX,
    "tickbox": FieldType.CHECKBOX,
    "date": FieldType.DATE,
    "datepicker": FieldType.DATE,
    "time": FieldType.TIME,
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the list the walk stands."""

    key: str = ""
    group: str = ""
    type: str = ""
    depth: int = 0


def read_catalog(value: object, currency: str) -> Sequence[RemoteService]:
    """Return every service of a list reply once; ``currency`` helps to read prices.

    File services are left out, because they are ordered by another call, which needs a file.

    Raises ``Unclear`` for a reply without a list, or with one in which nothing can be recognised.
    """
    envelope = open_envelope(value)
    elements = envelope.success if isinstance(envelope.success, list) else [envelope.success]
    if envelope.success is True or isinstance(envelope.success, str):
        elements = [envelope.body]
    lists, known_currency = [], currency
    for element in map(folded, elements):
        lists += [element[key] for key in ("list", "services") if key in element]
        known_currency = known_currency or read_currency(folded(element.get("accountinfo")).get("currency"))
    if not lists:
        raise Unclear("the reply has no service list")
    found: dict[str, RemoteService] = {}
    for body in lists:
        for service in _walk(body, _Place(), known_currency):
            found.setdefault(service.remote_id, service)
    if not found and any(not _is_empty(body) for body in lists):
        raise Unclear("the service list cannot be read")
    return tuple(service for service in found.values() if service.type is not ServiceType.FILE)


def read_file_catalog(value: object, currency: str) -> Sequence[RemoteService]:
    """Return every service of a reply to ``fileservicelist``; none for a reply without a list.

    ``{SERVICEID, SERVICENAME, CREDIT, TIME, ALLOW_EXTENSION, INFO}`` in groups without GROUPTYPE. Their numbers may be
    those of IMEI services too, so their remote ids are ``file:<number>``.
    """
    envelope = open_envelope(value)
    elements = envelope.success if isinstance(envelope.success, list) else [envelope.success]
    found: dict[str, RemoteService] = {}
    for element in map(folded, elements):
        for service in _walk(element.get("list"), _Place(type=ServiceType.FILE.value), currency):
            named = replace(service, remote_id=FILE_PREFIX + service.remote_id, type=ServiceType.FILE)
            found.setdefault(named.remote_id, named)
    return tuple(found.values())


def _is_empty(body: object) -> bool:
    """Whether this is a list of nothing, or of groups that hold nothing."""
    groups = list(body.values()) if isinstance(body, Mapping) else body
    if not isinstance(groups, list):
        return False
    return all("services" in folded(group) and folded(group)["services"] in ([], {}, None) for group in groups)


def _walk(node: object, place: _Place, currency: str) -> Iterator[RemoteService]:
    if place.depth > _MAX_DEPTH:
        return
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, _Place("", place.group, place.type, place.depth + 1), currency)
    elif isinstance(node, Mapping):
        body = folded(node)
        if any(key in body for key in _SERVICE_KEYS):
            if service := _service(body, place, currency):
                yield service
            return
        group = _name(body.get("groupname")) or ("" if place.key.isdigit() else _name(place.key)) or place.group
        kind = text_of(body.get("grouptype")) or (place.key if place.key.lower() in _TYPES else "") or place.type
        children: Any = body.get("services", node)
        items = children.items() if isinstance(children, Mapping) else [("", child) for child in _list(children)]
        for key, child in items:
            yield from _walk(child, _Place(str(key), group, kind, place.depth + 1), currency)


def _service(body: Mapping[str, Any], place: _Place, currency: str) -> RemoteService | None:
    """One service; None without an id, because it could not be ordered.

    A real one (8.1): ``{"SERVICEID": 1287, "SERVICETYPE": "IMEI", "QNT": "0", "SERVER": "0", "MINQNT": "0", "MAXQNT":
    "0", "CUSTOM": {"allow": "1", "customname": "SN", ...}, "SERVICENAME": "...", "CREDIT": "0.0480", "TIME":
    " Instant", "INFO": "", "Requires.Custom": [{"fieldname": "Username ", "required": "on", ...}]}``
    """
    remote_id = next(
        (text for key in ("serviceid", "service_id", "id") if (text := text_of(body.get(key)).strip())), ""
    )
    remote_id = remote_id or place.key
    if not remote_id or len(remote_id) > MAX_ID or not remote_id.isprintable():
        return None
    kind = text_of(body.get("servicetype") or body.get("service_type") or place.type).strip().lower()
    flag = _SERVER_FLAG.get(text_of(body.get("server")).strip(), ServiceType.IMEI)
    cost = next((body[key] for key in ("credit", "price", "service_credit") if key in body), None)
    options = [count for part in re.split(r"[,|\s]+", text_of(body.get("qntoptions"))) if (count := _count(part))]
    return RemoteService(
        remote_id=remote_id,
        name=_name(body.get("servicename") or body.get("service_name")) or remote_id,
        group=_name(body.get("groupname") or body.get("group_name") or body.get("group")) or place.group,
        type=_TYPES.get(kind, flag),
        cost=read_amount(cost, currency),
        time=_name(body.get("time")),
        info=_info(body),
        min_quantity=_count(body.get("minqnt")) or min(options, default=None),
        max_quantity=_count(body.get("maxqnt")) or max(options, default=None),
        takes_quantity=_yes(body.get("qnt")) or bool(options),
        takes_serial=_yes(folded(body.get("custom")).get("allow")),
        fields=tuple(_fields(body)),
    )


def _fields(body: Mapping[str, Any]) -> Iterator[RemoteField]:
    """The legacy inputs first, then the custom ones; each name once."""
    requires = folded(body.get("requires"))
    requires |= {key.removeprefix("requires."): item for key, item in body.items() if key.startswith("requires.")}
    seen = set()
    for key, name in LEGACY_FIELDS.items():
        word = text_of(requires.get(key)).strip().lower()
        if word not in _NO or requires.get(key) is True:
            seen.add(name)
            yield RemoteField(name, required=word != "optional")
    custom = requires.get("custom")
    for item in map(folded, custom.values() if isinstance(custom, Mapping) else _list(custom)):
        name = text_of(item.get("fieldname"))
        if not name.strip() or name in seen or _yes(item.get("adminonly")):
            continue
        seen.add(name)
        yield RemoteField(
            name,
            type=_FIELD_TYPES.get(text_of(item.get("fieldtype")).strip().lower(), FieldType.TEXT),
            required=_yes(item.get("required")),
            description=clean(text_of(item.get("description"))),
            options=_options(item.get("fieldoptions")),
            pattern=text_of(item.get("regexpr")).strip(),
        )


def _info(body: Mapping[str, Any]) -> str:
    """Their description; for a file service also which files it takes, as nothing else of ours says that."""
    extensions = text_of(body.get("allow_extension")).strip()
    parts = [text_of(body.get("info")).strip(), f"Files: {extensions}" if extensions else ""]
    return "\n".join(part for part in parts if part)


def _options(value: object) -> tuple[str, ...]:
    """A comma, pipe or newline list, or a real one."""
    if isinstance(value, list | Mapping):
        parts = text_of(value).split("\n")
    else:
        text = text_of(value)
        mark = next((mark for mark in ("\n", "|", ",") if mark in text), ",")
        parts = text.split(mark)
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _name(value: object) -> str:
    """A name without entities, which come escaped once or twice, and without blanks at the ends."""
    return clean(html.unescape(text_of(value)))


def _yes(value: object) -> bool:
    return value is True or text_of(value).strip().lower() not in _NO


def _count(value: object) -> int | None:
    text = text_of(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0 else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
