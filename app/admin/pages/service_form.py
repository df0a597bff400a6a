"""The form of a service: what is read from it, and what is shown in it before anybody typed."""

import hashlib
from typing import Any

import orjson

from app.admin.pages.visit import Visit
from app.catalog.rules import RULES, Rules
from app.catalog.service import NewField, NewService
from app.catalog.tables import Service
from app.connectors.base import FieldType, ServiceType
from app.errors import Invalid
from app.money import check_currency, format_amount
from app.pages.forms import Form

MAX_FIELDS = 100
BLANK_FIELDS = 3
"""How many more fields one form has room for; saving it makes room for others."""

MAX_INFO, MAX_SHORT = 20_000, 200

_WHOLE_RULES = ("duplicate_hours", "confirm_seconds")
_OPTIONAL_RULES = ("expected_minutes", "guaranteed_minutes")
_YES_RULES = ("next_after_rejection", "measured_time")
_WORD_RULES = ("service_class", "routing", "duplicates")


def read_new(visit: Visit) -> NewService:
    """Return the service that the form describes; Invalid with the field at fault."""
    form = visit.form
    try:
        kind = ServiceType(form.text("type"))
    except ValueError as error:
        raise Invalid("Choose a type.", field="type") from error
    try:
        currency = check_currency(form.text("currency").upper())
    except ValueError as error:
        raise Invalid("A currency has three letters, such as USD.", field="currency") from error
    given = _common(form)
    device = given.pop("device")
    rules = {name: given.pop(name) for name in RULES}
    return NewService(
        **given,
        # Left as it stands, the form asks for an IMEI, which a service of another type does not.
        device=None if device == "imei" else device,
        type=kind,
        currency=currency,
        rules=Rules(**rules),
    )


def read_changes(visit: Visit) -> dict[str, Any]:
    """Return what the form makes of a service, by the names of ``NewService``; Invalid with the field at fault.

    A price that was not typed over is no change: a rule, or somebody else, may have made another meanwhile.
    """
    given = _common(visit.form)
    if visit.form.text("price") == visit.form.get("was_price"):
        del given["price"]
    return given


def digest_of(service: Service) -> str:
    """Return what stands for all that a person sees of a service and could take back unknowingly; not the price."""
    values = {name: value for name, value in shown(service, "").items() if name not in ("price", "fields")}
    fields = [
        (field.name, field.type, field.required, field.description, field.options, field.pattern)
        for field in service.fields
    ]
    return hashlib.sha256(orjson.dumps([values, fields], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _common(form: Form) -> dict[str, Any]:
    takes = form.yes("takes_quantity")
    given: dict[str, Any] = {
        "name": form.text("name"),
        "code": form.text("code") or None,
        "group": form.text("group"),
        "price": form.amount("price"),
        "price_source": form.text("price_source") or "manual",
        "device": form.text("device"),
        "takes_quantity": takes,
        "time": _bounded(form, "time", MAX_SHORT),
        "info": _bounded(form, "info", MAX_INFO),
        "extensions": [part for part in form.text("extensions").replace(",", " ").split() if part][:50],
        "state": form.text("state") or "active",
        "position": form.whole("position") or 0,
        "fields": _fields(form),
        "recent_price": form.amount("recent_price") if form.text("recent_price") else None,
        **{name: form.text(name) for name in _WORD_RULES},
        **{name: form.yes(name) for name in _YES_RULES},
        **{name: form.whole(name) or 0 for name in _WHOLE_RULES},
        **{name: form.whole(name) for name in _OPTIONAL_RULES},
    }
    if takes:
        given |= {name: form.whole(name) for name in ("min_quantity", "max_quantity")}
    if given["position"] > 1_000_000:
        raise Invalid("A place is 0 to 1000000.", field="position")
    return given


def _bounded(form: Form, name: str, most: int) -> str:
    text = form.text(name)
    if len(text) > most:
        raise Invalid(f"At most {most} characters.", field=name)
    return text


def numbers_of_fields(form: Form) -> list[int]:
    """Return the numbers of the fields in the form that have a name, in their order."""
    return [number for number in range(MAX_FIELDS) if form.get(f"fields.{number}.name").strip()]


def _fields(form: Form) -> list[NewField]:
    return [_field(form, f"fields.{number}") for number in numbers_of_fields(form)]


def _field(form: Form, at: str) -> NewField:
    form.text(f"{at}.name")  # refuses what no database keeps; the name itself travels byte for byte
    try:
        kind = FieldType(form.text(f"{at}.type") or "text")
    except ValueError as error:
        raise Invalid("Choose how it is entered.", field=f"{at}.type") from error
    return NewField(
        name=form.get(f"{at}.name"),
        type=kind,
        required=form.yes(f"{at}.required"),
        description=_bounded(form, f"{at}.description", 2000),
        options=tuple(line.strip() for line in form.text(f"{at}.options").splitlines() if line.strip())[:1000],
        pattern=_bounded(form, f"{at}.pattern", 1000),
    )


def at_fault(error: Invalid, form: Form) -> Invalid:
    """Return the error with the field at fault as the form numbers it: what has no name there is no field."""
    first, _, rest = (error.field or "").partition(".")
    number, _, part = rest.partition(".")
    if first != "fields" or not number.isdigit():
        return error
    numbers = numbers_of_fields(form)
    return (
        Invalid(error.message, field=f"fields.{numbers[int(number)]}.{part}") if int(number) < len(numbers) else error
    )


def shown(service: Service | None, currency: str) -> dict[str, Any]:
    """Return what the form shows of a service before anybody typed, or of one that is yet to be."""
    if service is None:
        rules = Rules()
        values: dict[str, Any] = {
            "name": "", "code": "", "group": "", "type": "imei", "price": "", "price_source": "manual",
            "currency": currency, "device": "imei", "takes_quantity": False, "min_quantity": "", "max_quantity": "",
            "time": "", "info": "", "extensions": "", "state": "active", "position": "0", "fields": [],
            **{name: getattr(rules, name) for name in RULES},
        }  # fmt: skip
    else:
        limits = ("min_quantity", "max_quantity")
        values = {
            **{name: getattr(service, name) for name in ("name", "code", "type", "price_source", "currency", "device")},
            **{name: getattr(service, name) for name in ("takes_quantity", "time", "info", "state", "position")},
            **{name: getattr(service, name) if service.takes_quantity else "" for name in limits},
            "group": service.group.name,
            "price": format_amount(service.price),
            "extensions": " ".join(service.extensions),
            "fields": service.fields,
            **{name: getattr(service, name) for name in RULES},
        }
    price = values["recent_price"]
    values["recent_price"] = "" if price is None else format_amount(price)
    return {name: "" if value is None else value for name, value in values.items()}
