"""The form of a supplier's settings, drawn from the JSON Schema of its kind: labels, hints, choices, secrets.

A secret is asked for and never sent back. Left empty in the form of an account that is there, it stays as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.connectors import registry
from app.errors import Invalid, NotFound
from app.pages.forms import Form

Look = Literal["text", "url", "password", "number", "check", "select", "lines"]

_SAID = (
    (re.compile(r"^Field required$"), "This is needed."),
    (re.compile(r"at least 1 (character|item)"), "This is needed."),
    (re.compile(r"match pattern '\^https"), "It starts with https:// or http://."),
    (re.compile(r"valid integer"), "A whole number."),
)
"""What pydantic says of an input, and how a person is told."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the form; ``name`` is that of the field, ``forget`` of the box that removes a secret, if any."""

    name: str
    label: str
    hint: str
    look: Look
    required: bool
    value: Any = ""
    options: tuple[tuple[str, str], ...] = ()
    least: int | None = None
    most: int | None = None
    forget: str = ""


def inputs(kind: str, kept: Mapping[str, Any] | None = None) -> list[Input]:
    """Return the inputs of a kind; ``kept`` are the open settings of an account that is there, None for a new one.

    Raises NotFound for a kind that there is none of.
    """
    schema = _schema(kind)
    needed = set(schema.get("required", ()))
    known = registry.kinds()[kind].config_type
    drawn = []
    for key, shape in schema["properties"].items():
        look = _look(shape)
        secret = look == "password"
        required = key in needed and not (secret and kept is not None)
        hint = shape.get("description", "")
        if secret and kept is not None:
            hint = f"{hint} Left empty, the one that is kept stays.".strip()
        value = (kept or {}).get(key, shape.get("default", ""))
        drawn.append(
            Input(
                f"config.{key}",
                shape.get("title", key),
                hint,
                look,
                required,
                "" if secret else known.in_form(key, value),
                tuple((word, word) for word in shape.get("enum", ())),
                shape.get("minimum"),
                shape.get("maximum"),
                f"forget.{key}" if secret and kept is not None and key not in needed else "",
            )
        )
    return drawn


def read_config(kind: str, form: Form, *, is_new: bool) -> dict[str, object]:
    """Return what was sent as the settings that ``suppliers.service`` takes; it checks them.

    Of an account that is there, secrets that were left empty are not named, and None takes a setting to its default.
    """
    found: dict[str, object] = {}
    for key, shape in _schema(kind)["properties"].items():
        name, look = f"config.{key}", _look(shape)
        if look == "check":
            found[key] = form.yes(name)
            continue
        text = form.text(name)
        if look == "password":
            if text:
                found[key] = text
            elif form.yes(f"forget.{key}"):
                found[key] = None
        elif not text and look in ("number", "select"):
            found |= {} if is_new else {key: None}
        elif shape.get("type") == "array":
            found[key] = [line.strip() for line in text.splitlines() if line.strip()]
        elif text or not is_new:
            found[key] = text
    return found


def told_plainly(error: Invalid) -> Invalid:
    """Return what a config was refused for as a sentence that stands beside its input."""
    field = error.field or ""
    if not field.startswith("config."):
        return error
    text = error.message.removeprefix(f"{field}: ").removeprefix("Value error, ")
    text = next((said for pattern, said in _SAID if pattern.search(text)), text)
    return Invalid(text[:1].upper() + text[1:], field=".".join(field.split(".")[:2]))


def _schema(kind: str) -> dict[str, Any]:
    try:
        return registry.schema(kind)
    except KeyError as error:
        raise NotFound("There is no such kind of supplier.") from error


def _look(shape: Mapping[str, Any]) -> Look:
    if shape.get("format") == "password":
        return "password"
    if "enum" in shape:
        return "select"
    if shape.get("type") == "array" or any(one.get("format") == "textarea" for one in shape.get("anyOf", ())):
        return "lines"
    if str(shape.get("pattern", "")).startswith("^https"):
        return "url"
    plain: dict[str, Look] = {"boolean": "check", "integer": "number"}
    return plain.get(str(shape.get("type")), "text")
