"""GSMHub's server services: calls of their own beside the IMEI ones, which are DHRU's.

``serverservicelist`` names the inputs in REQUIRED, parted by "|", and keeps a PHP-serialized ADDITIONAL_NVP;
``serverservicetypelist`` has the variants of a service, ``{id, tool_id, name, price}``, each with a price of its own.
``placeserverorder`` wants QUANTITY and REQUIRED, a JSON object of the inputs and the ``service_type_id``;
``getserverorder`` tells of one order. As DHRU's panel module speaks to such sites.

Their numbers may be those of IMEI services and orders too, so ours carry a word before them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.connectors._amounts import read_amount
from app.connectors._dhru_reply import MAX_ID, clean, folded, open_envelope, text_of
from app.connectors.base import FieldType, PlaceRequest, RemoteField, RemoteService, ServiceType

PREFIX = "server:"

_HIDDEN_QUANTITY = re.compile(r'"hide_quantity";(?:i:1|b:1|s:\d+:"(?:1|on|yes|true)")', re.IGNORECASE)
_USER_TYPES = ("NewUser", "ExistingUser")
"""What USERTYPE may be; the list itself does not say."""


def server_services(services: object, types: object, currency: str) -> Sequence[RemoteService]:
    """Return the server services of the two lists, one for each variant where there are any."""
    variants: dict[str, list[Mapping[str, Any]]] = {}
    for variant in _elements(_list_in(types)):
        variants.setdefault(text_of(variant.get("tool_id")).strip(), []).append(variant)
    found: dict[str, RemoteService] = {}
    for group, service in _services(_list_in(services)):
        number = text_of(service.get("serviceid")).strip()
        if not number or len(number) > MAX_ID or ":" in number or not number.isprintable():
            continue
        name = clean(text_of(service.get("servicename"))) or number
        for variant in variants.get(number) or [{}]:
            kind = text_of(variant.get("id")).strip()
            cost = variant.get("price") if kind else service.get("credit")
            remote_id = f"{PREFIX}{number}:{kind}" if kind else f"{PREFIX}{number}"
            found.setdefault(
                remote_id,
                RemoteService(
                    remote_id=remote_id,
                    name=f"{name}: {clean(text_of(variant.get('name')))}" if kind else name,
                    group=clean(group),
                    type=ServiceType.SERVER,
                    cost=read_amount(cost, currency),
                    time=clean(text_of(service.get("time"))),
                    info=text_of(service.get("info")).strip(),
                    takes_quantity=not _HIDDEN_QUANTITY.search(text_of(service.get("additional_nvp"))),
                    fields=tuple(_fields(text_of(service.get("required")))),
                ),
            )
    return tuple(found.values())


def server_order(request: PlaceRequest) -> dict[str, str]:
    """Return the parameters of one server order."""
    number, _, kind = request.remote_id.removeprefix(PREFIX).partition(":")
    inputs = {**request.fields, **({"service_type_id": kind} if kind else {})}
    order = {"ID": number, "QNT": str(request.quantity), "QUANTITY": str(request.quantity)}
    return {**order, **({"REQUIRED": json.dumps(inputs)} if inputs else {})}


def _list_in(value: object) -> object:
    success = open_envelope(value).success
    first = success[0] if isinstance(success, list) and success else success
    return folded(first).get("list")


def _services(groups: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    named = groups.items() if isinstance(groups, Mapping) else [("", group) for group in _elements(groups)]
    for key, group in named:
        body = folded(group)
        name = text_of(body.get("groupname")) or str(key)
        for service in _elements(body.get("services")):
            yield name, service


def _elements(node: object) -> list[Mapping[str, Any]]:
    items = list(node.values()) if isinstance(node, Mapping) else node if isinstance(node, list) else []
    return [folded(item) for item in items if isinstance(item, Mapping)]


def _fields(required: str) -> Iterator[RemoteField]:
    for name in dict.fromkeys(part for part in required.split("|") if part.strip()):
        if name.strip().upper() == "USERTYPE":
            yield RemoteField(name, FieldType.DROPDOWN, required=True, options=_USER_TYPES)
        else:
            yield RemoteField(name, required=True)
