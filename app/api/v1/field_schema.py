"""The extra inputs of a service as JSON Schema, so that a program can build a form of them and check it."""

from collections.abc import Sequence
from typing import Any

from app.catalog.snapshot import Field
from app.connectors.base import FieldType
from app.orders.wishes import MAX_VALUE

_FORMATS = {FieldType.DATE: "date", FieldType.TIME: "time"}


def schema_of(fields: Sequence[Field]) -> dict[str, Any]:
    """Return what an order's ``fields`` have to be; all values are strings.

    What a schema cannot say, or what is looser than it, is beside it: ``x-type`` is the kind of input, ``x-choices``
    names the list of ours that a value is an id from. A pattern of a supplier may be of another dialect than JSON
    Schema's, so it is ``x-pattern``; formats of dates and times are advice to forms and not checked.
    """
    return {
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "required": [field.name for field in fields if field.required],
    }


def _property(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "string", "title": field.name.strip(), "x-type": field.type.value}
    if field.required:
        described["minLength"] = 1
    described["maxLength"] = MAX_VALUE
    if field.description:
        described["description"] = field.description
    if field.type in (FieldType.DROPDOWN, FieldType.RADIO) and field.options and not field.choice:
        described["enum"] = list(field.options)
    if field.type in _FORMATS:
        described["format"] = _FORMATS[field.type]
    if field.pattern:
        described["x-pattern"] = field.pattern
    if field.choice:
        described["x-choices"] = f"{field.choice}s"
    return described
