"""What iSave's two doors have in common: their words for no, their device rule, and results as a person reads them."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr

from app.connectors._dhru_reply import text_of
from app.connectors.base import ConnectorConfig, PlaceRequest
from app.connectors.errors import RefusalReason, Refused, Unclear

RESERVED = frozenset({"balance", "services"})
"""Commands that share one name space with the services: "Call balance…", "Call services…"."""

REFUSALS: Mapping[str, RefusalReason] = {
    # "Every request requires your unique API key. Without a valid key the request is rejected immediately."
    "api key": RefusalReason.BAD_CREDENTIALS,
    "apiaccesskey": RefusalReason.BAD_CREDENTIALS,
    "unauthorized": RefusalReason.BAD_CREDENTIALS,
    # "402 Insufficient Balance: Top up your account."
    "insufficient": RefusalReason.NO_FUNDS,
    "top up": RefusalReason.NO_FUNDS,
    # "403 Forbidden: Account blocked or restricted." and firewalls that answer in JSON. An IMEI may be blocked too.
    "account blocked": RefusalReason.BLOCKED,
    "account is blocked": RefusalReason.BLOCKED,
    "account has been blocked": RefusalReason.BLOCKED,
    "or restricted": RefusalReason.BLOCKED,
    "forbidden": RefusalReason.BLOCKED,
    "access denied": RefusalReason.BLOCKED,
    "too many": RefusalReason.THROTTLED,
    "rate limit": RefusalReason.THROTTLED,
    # "404 Service Not Found: Re-check with services."
    "service not": RefusalReason.SERVICE_OFF,
    "unknown service": RefusalReason.SERVICE_OFF,
    "wrong service": RefusalReason.SERVICE_OFF,
    # "400 Bad Request: Required fields missing or invalid."; "Test invalid IMEI or wrong service ID".
    "required": RefusalReason.BAD_INPUT,
    "bad request": RefusalReason.BAD_INPUT,
    "invalid": RefusalReason.BAD_INPUT,
    "malformed": RefusalReason.BAD_INPUT,
}
"""Phrases of their table of codes; no error text of theirs is shown anywhere."""

_PATHS = re.compile(r"(/api(/v1(/check)?|/dhru_bridge)?)?(\.php)?/*$")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_IDENTIFIER = re.compile(r"\w+", re.ASCII)
_ACRONYMS = frozenset(
    {"ecid", "eid", "esim", "fmi", "gsx", "iccid", "id", "imei", "imsi", "mdm", "meid", "sim", "sku", "sn"}
)
_MAX_DEPTH = 20


class IsaveConfig(ConnectorConfig):
    """An account at iSave; either door takes the same key."""

    api_key: SecretStr = Field(min_length=1, max_length=500, title="API key")


def endpoint(base_url: str, path: str) -> str:
    """Return the URL of one door: from the site's root, from this door's address, or from the other's.

    "All examples below use the corrected endpoint without .php": an old path is corrected too.
    """
    parts = urlsplit(base_url)
    root = _PATHS.sub("", re.sub(r"/{2,}", "/", parts.path))
    return urlunsplit((parts.scheme, parts.netloc, root + path, "", ""))


def is_imei(device: str) -> bool:
    """Whether a device goes as IMEI (with or without check digit, or with software version) and not as a serial."""
    return device.isascii() and device.isdigit() and 14 <= len(device) <= 16


def unfit(request: PlaceRequest) -> Refused | None:
    """Return why their protocol cannot carry an order, which is then not sent; None if it can."""
    if request.remote_id.strip().lower() in RESERVED:
        return Refused(RefusalReason.SERVICE_OFF, f"{request.remote_id.strip()!r} is a command and no service")
    if not request.device.strip():
        return Refused(RefusalReason.BAD_INPUT, "an IMEI or a serial number is required")
    if request.quantity != 1:
        return Refused(RefusalReason.BAD_INPUT, "one order is one check")
    return None


def readable(data: object) -> str:
    """A result as text, one "Label: value" line for each value, in their order; empty if every value is.

    ``{"fmiStatus": "OFF", "warranty": {"endDate": null}, "parts": ["a", "b"]}`` becomes "FMI Status: OFF", "Warranty /
    End Date: -" and "Parts: a, b"; what is text stays as it is. Raises ``Unclear`` for what is nested beyond reading.
    """
    if isinstance(data, str):
        return text_of(data).strip()
    lines = list(_lines("", data, 0)) if isinstance(data, Mapping | list) else []
    return "\n".join(f"{label}: {text or '-'}" if label else text for label, text in lines if any(t for _, t in lines))


def _lines(label: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """The label and the text of every value in ``value``, which is itself under ``label``."""
    if depth > _MAX_DEPTH:
        raise Unclear("the result is nested too deeply to be read")
    inner: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        inner = [(_label(str(key)), item) for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        inner = [(str(number), item) for number, item in enumerate(value, 1)]
    for name, item in inner:
        yield from _lines(f"{label} / {name}" if label else name, item, depth + 1)
    if not inner:
        texts = [_shown(item) for item in value] if isinstance(value, list) else [_shown(value)]
        yield label, ", ".join(text for text in texts if text)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    # An empty object is no text; what was a number keeps the digits it came with.
    text = str(value) if isinstance(value, Decimal) else text_of(value)
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _label(key: str) -> str:
    """A name as a label: productDescription is "Product Description", fmi_status "FMI Status"; a label stays one."""
    name = " ".join(text_of(key).split())
    words = _WORDS.findall(name) if _IDENTIFIER.fullmatch(name) else []
    shown = (word.upper() if word.lower() in _ACRONYMS else word[0].upper() + word[1:] for word in words)
    return " ".join(shown) or name or "-"
