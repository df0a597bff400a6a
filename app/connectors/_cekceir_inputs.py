"""A Cek Ceir service's JSON Schema as our device and fields, and an order's values back as the JSON it asks for.

From their document: ``input_schema`` is an object with ``properties`` and ``required``; ``x-quantityFrom`` and
``x-requestFrom`` are JSON pointers ("/imeis") to what is billed and what is worked on, one by one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.connectors._dhru_reply import clean, text_of
from app.connectors.base import FieldType, PlaceRequest, RemoteField
from app.connectors.errors import RefusalReason, Refused

IMEIS = "/imeis/0"
"""Where the device goes in every service of their document: the first element of ``imeis``."""

_IMEI_PATTERNS = {"^[0-9]{15}$", r"^\d{15}$"}
_YES = {"1", "on", "true", "yes"}
_NO = {"", "0", "off", "false", "no"}
_LONG = 200
_SCALARS = {"string", "integer", "number", "boolean"}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a service wants: ``device`` is a JSON pointer, ``quantity`` a property's name, both empty if it has none."""

    device: str = ""
    takes_serial: bool = False
    quantity: str = ""
    fields: tuple[RemoteField, ...] = ()
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def data(self, request: PlaceRequest) -> dict[str, Any]:
        """Return ``data`` of an order; ``Refused`` with BAD_INPUT for a value that is missing or not of its type."""
        data: dict[str, Any] = {}
        if self.device:
            if not request.device:
                raise Refused(RefusalReason.BAD_INPUT, "an IMEI or serial number is required")
            put_device(data, self.device, request.device)
        if self.quantity:
            data[self.quantity] = request.quantity
        elif request.quantity != 1:
            raise Refused(RefusalReason.BAD_INPUT, "one order is for one device")
        for wanted in self.fields:
            if wanted.required and not request.fields.get(wanted.name, "").strip():
                raise Refused(RefusalReason.BAD_INPUT, f"{wanted.name} is required")
        for name, value in request.fields.items():
            if value.strip():
                data[name] = _typed(name, self.properties.get(name, {}), value)
        return data


def put_device(data: dict[str, Any], pointer: str, device: str) -> None:
    """Put ``device`` where the pointer says: "/imei", or "/imeis/0" for the only element of an array."""
    name, _, index = pointer.removeprefix("/").partition("/")
    data[name] = [device] if index else device


def read_inputs(schema: object) -> Inputs | None:
    """Read an ``input_schema``; None if it wants something that no form can ask for, such as a nested object."""
    body = schema if isinstance(schema, Mapping) else {}
    found = body.get("properties")
    properties = {
        str(name): spec
        for name, spec in (found if isinstance(found, Mapping) else {}).items()
        if isinstance(spec, Mapping)
    }
    required = body.get("required")
    needed = {str(name) for name in required} if isinstance(required, list) else set()
    pointed = [text_of(body.get(key)).removeprefix("/") for key in ("x-requestFrom", "x-quantityFrom")]
    device, takes_serial = _device(properties, pointed)
    name_of_device = device.removeprefix("/").partition("/")[0]
    quantity = pointed[1] if not device and _type(properties.get(pointed[1], {})) == "integer" else ""
    fields = []
    for name, spec in properties.items():
        if name in {name_of_device, quantity}:
            continue
        if _is_flat(spec):
            fields.append(_field(name, spec, required=name in needed))
        elif name in needed:
            return None
    return Inputs(device, takes_serial, quantity, tuple(fields), properties)


def _device(properties: Mapping[str, Mapping[str, Any]], pointed: list[str]) -> tuple[str, bool]:
    """Where the device goes, and whether it may be a serial number: what is worked on first, then anything alike."""
    for name in dict.fromkeys([*(name for name in pointed if name in properties), *properties]):
        spec = properties[name]
        is_list = _type(spec) == "array"
        item = _items(spec) if is_list else spec
        if _type(item) != "string" or "enum" in item or "/" in name:
            continue
        lowered = name.lower()
        is_serial = "serial" in lowered or lowered in {"sn", "sns"}
        if item.get("pattern") in _IMEI_PATTERNS or "imei" in lowered or is_serial:
            return f"/{name}{'/0' if is_list else ''}", is_serial
    return "", False


def _field(name: str, spec: Mapping[str, Any], *, required: bool) -> RemoteField:
    options = tuple(text for option in _options(spec) if (text := text_of(option)).strip())
    pattern = text_of(spec.get("pattern")) if _type(spec) == "string" else ""
    return RemoteField(
        name,
        type=_field_type(spec, has_options=bool(options)),
        required=required,
        description=clean(" ".join(text_of(spec.get(key)) for key in ("title", "description"))),
        options=options,
        pattern="^-?[0-9]+$" if _type(spec) == "integer" and not options else pattern,
    )


def _field_type(spec: Mapping[str, Any], *, has_options: bool) -> FieldType:
    if has_options:
        return FieldType.DROPDOWN
    length = spec.get("maxLength")
    if _type(spec) == "array" or (isinstance(length, int) and length > _LONG):
        return FieldType.TEXTAREA
    if _type(spec) == "boolean":
        return FieldType.CHECKBOX
    return {"date": FieldType.DATE, "time": FieldType.TIME}.get(text_of(spec.get("format")), FieldType.TEXT)


def _typed(name: str, spec: Mapping[str, Any], text: str) -> Any:
    """``text`` as the JSON value that its property asks for; a name they did not ask for is sent as text."""
    options = _options(spec)
    if options:
        for option in options:
            if text_of(option).strip() == text.strip():
                return option
        raise Refused(RefusalReason.BAD_INPUT, f"{name} must be one of: {', '.join(map(text_of, options))}"[:500])
    kind, value = _type(spec), text.strip()
    if kind == "array":
        return [_typed(name, _items(spec), part) for part in re.split(r"[\n,]", text) if part.strip()]
    if kind == "boolean" and value.lower() in _YES | _NO:
        return value.lower() in _YES
    if kind in {"integer", "number"} and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if kind == "number" and re.fullmatch(r"-?[0-9]{1,9}\.[0-9]{1,6}", value):
        return float(value)  # at most fifteen digits, which come out of JSON as they went in
    if kind in _SCALARS - {"string"}:
        raise Refused(RefusalReason.BAD_INPUT, f"{name} must be of type {kind}")
    return text


def _options(spec: Mapping[str, Any]) -> list[Any]:
    found = spec.get("enum")
    return [option for option in found if isinstance(option, str | int)] if isinstance(found, list) else []


def _is_flat(spec: Mapping[str, Any]) -> bool:
    return _type(spec) in _SCALARS or (_type(spec) == "array" and _type(_items(spec)) in _SCALARS)


def _items(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    items = spec.get("items")
    return items if isinstance(items, Mapping) else {}


def _type(spec: Mapping[str, Any]) -> str:
    """The one type of a property; nullable ones say ["string", "null"], and no word at all means text."""
    return next(_types(spec), "string" if "type" not in spec and "properties" not in spec else "")


def _types(spec: Mapping[str, Any]) -> Iterator[str]:
    found = spec.get("type")
    for name in found if isinstance(found, list) else [found]:
        if isinstance(name, str) and name != "null":
            yield name
