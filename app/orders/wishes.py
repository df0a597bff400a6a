"""Checks what a customer asks for against the service, before any money is thought of."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import orjson
from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from app.catalog.snapshot import Field, Service
from app.connectors.base import FieldType, File, ServiceType
from app.errors import Invalid
from app.imei import clean_imei, clean_serial

MAX_VALUE = 4_000
"""The longest value of a field, in characters."""

MAX_DEVICE = 100
"""The longest free identifier of a service that asks for none."""

_NO = frozenset({"", "0", "off", "no", "false"})


@dataclass(frozen=True, slots=True)
class Wish:
    """A checked wish, ready to be placed. Two wishes with one ``fingerprint`` are the same to the last byte.

    ``file_id`` is the stored file of a file service; ``device`` is then the hash of its content, so that the guard
    against two orders for one device goes for files too. ``callback_url`` is told when the order is over.
    """

    service_id: int
    device: str
    quantity: int
    fields: Mapping[str, str]
    reference: str
    fingerprint: str
    file_id: int | None = None
    callback_url: str | None = None


def make_wish(
    service: Service,
    *,
    device: str,
    quantity: int | None,
    fields: Mapping[str, str],
    reference: str = "",
    file: File | None = None,
) -> Wish:
    """Return the wish if the service can be ordered so; Invalid with a sentence and the field's name otherwise.

    ``quantity`` None takes the smallest. Fields the service does not know are dropped: panels send all they have.
    ``file`` is what a file service works on; its name may be another at the next try, so only its content counts.
    """
    digest = ""
    if service.type is ServiceType.FILE:
        digest, given = _digest(service, file), fields
        device = f"sha256:{digest[:32]}"
    else:
        device, given = _device(service, device.strip(), fields)
    chosen = {field.name: value for field in service.fields if (value := _value(field, given)) is not None}
    count = _quantity(service, quantity)
    canonical = orjson.dumps([service.id, digest or device, count, sorted(chosen.items())])
    return Wish(service.id, device, count, chosen, reference[:100], hashlib.sha256(canonical).hexdigest())


def _device(service: Service, device: str, fields: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Return the device's identifier as kept, and the fields, one of which the device may have been meant for."""
    if "\x00" in device:
        raise Invalid("The IMEI has a character that cannot be kept.", field="IMEI")
    if service.device == "none":
        # Clients that know only one input send a server service's single value as the IMEI.
        required = [field for field in service.fields if field.required]
        if device and len(required) == 1 and not fields.get(required[0].name):
            return "", {**fields, required[0].name: device}
        if len(device) > MAX_DEVICE:
            raise Invalid(f"The identifier is longer than {MAX_DEVICE} characters.", field="IMEI")
        return device, fields
    if not device:
        raise Invalid("IMEI required." if service.device == "imei" else "IMEI or serial number required.", field="IMEI")
    try:
        if service.device == "imei":
            return clean_imei(device), fields
        if service.device == "serial":
            return clean_serial(device), fields
        digits = device.replace(" ", "").replace("-", "")
        return (clean_imei(device) if len(digits) == 15 and digits.isdigit() else clean_serial(device)), fields
    except ValueError as error:
        what = "serial number" if service.device == "serial" else "IMEI"
        raise Invalid(f"Invalid {what}: {error}.", field="IMEI") from error


def _digest(service: Service, file: File | None) -> str:
    """Return the SHA-256 of the file's content in hexadecimal digits, if the service takes such a file."""
    if file is None or not file.content:
        raise Invalid("This service needs a file.", field="FILEDATA")
    extension = file.name.rpartition(".")[2].lower() if "." in file.name else ""
    if service.extensions and extension not in service.extensions:
        raise Invalid(f"The file's name must end in .{', .'.join(service.extensions)}.", field="FILENAME")
    return hashlib.sha256(file.content).hexdigest()


def _quantity(service: Service, quantity: int | None) -> int:
    if not service.takes_quantity:
        # The price is of one piece; a number that the service does not sell by is not a wish for more.
        if quantity is not None and quantity > 1:
            raise Invalid("This service is sold one at a time.", field="QNT")
        return 1
    count = service.min_quantity if quantity is None else quantity
    if not service.min_quantity <= count <= service.max_quantity:
        raise Invalid(f"The quantity is {service.min_quantity} to {service.max_quantity}.", field="QNT")
    return count


def _value(field: Field, given: Mapping[str, str]) -> str | None:
    """Return the field's value as kept; None for an optional one that was left out."""
    value = given.get(field.name)
    if value is None:
        # Panels trim names and change their case; the byte-exact one goes to the supplier all the same.
        wanted = field.name.strip().lower()
        value = next((text for name, text in given.items() if name.strip().lower() == wanted), None)
    if value is None or not value.strip():
        if field.required:
            raise Invalid(f"{field.name.strip()} required.", field=field.name)
        return None
    if len(value) > MAX_VALUE:
        raise Invalid(f"{field.name.strip()} is longer than {MAX_VALUE} characters.", field=field.name)
    if "\x00" in value:
        raise Invalid(f"{field.name.strip()} has a character that cannot be kept.", field=field.name)
    if field.type in (FieldType.DROPDOWN, FieldType.RADIO) and field.options and value not in field.options:
        match = next((option for option in field.options if option.strip() == value.strip()), None)
        if match is None:
            raise Invalid(f"{field.name.strip()} is not one of the choices.", field=field.name)
        return match
    if field.type is FieldType.CHECKBOX and field.required and value.strip().lower() in _NO:
        raise Invalid(f"{field.name.strip()} must be ticked.", field=field.name)
    if field.pattern and not _matches(field.pattern, value):
        raise Invalid(f"{field.name.strip()} does not have the required form.", field=field.name)
    return value


def _matches(pattern: str, value: str) -> bool:
    adapter = _adapter(pattern)
    if adapter is None:
        return True
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=4096)
def _adapter(pattern: str) -> TypeAdapter[str] | None:
    """Compile a field's pattern; None if it is not one, because a supplier's typing error must not stop sales.

    Pydantic's engine runs in linear time, so that no pattern from a supplier's list can stall the server.
    """
    if len(pattern) > 2 and pattern[0] == "/" and pattern.rstrip("imsu")[-1] == "/":
        flags = pattern[len(pattern.rstrip("imsu")) :]
        pattern = (f"(?{flags})" if flags else "") + pattern.rstrip("imsu")[1:-1]
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError:
        return None
