"""A supplier's reply as text, and its JSON however much dirt lies around it."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.connectors.errors import RefusalReason, Refused, Unclear

WALL_SIGNS = (
    "cloudflare",
    "imunify",
    "bot protection",
    "bot-protection",
    "access denied",
    "attention required",
    "just a moment",
    "captcha",
    "ddos",
    "mod_security",
    "not acceptable",
    "ip is not allowed",
    "has been blocked",
    "you have been blocked",
)
"""What a page says that a firewall in front of the supplier has sent (lower case)."""

WALL_STATUSES = frozenset({403, 406, 409, 415, 429})
"""With these statuses a page that is no JSON comes from something in front of the application."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, the decoded text, and where it came from.

    Never a 3xx, and a 5xx only if the caller asked for that one. ``content`` is the body byte for byte,
    but for our keys in it.
    """

    status: int
    text: str
    url: str
    headers: Mapping[str, str]
    buys: bool = field(default=False, repr=False)
    content: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """Return the JSON value in the reply; numbers are int or Decimal, never float.

        A BOM, PHP notices or a prolog before the value are cut, and so is anything without a brace behind it. Raises
        ``Unclear`` if there is no JSON object or array; for a request that cannot buy, a page that a firewall has sent
        raises ``Refused`` with BLOCKED instead, so that somebody looks for the right thing.
        """
        value = find_json(self.text)
        if value is not None:
            return value
        if not self.text.strip():
            raise Unclear(f"an empty reply (HTTP {self.status})")
        if self.is_wall():
            text = f"something in front of the supplier blocks us (HTTP {self.status}); ask them to allow our address"
            # A wall proves nothing about an order: some of them answer after the application has run.
            raise Unclear(text) if self.buys else Refused(RefusalReason.BLOCKED, text)
        raise Unclear(f"the reply is not JSON (HTTP {self.status})")

    def is_wall(self) -> bool:
        """Whether this looks like a firewall's page and not like the supplier's application."""
        lowered = self.text[:20_000].lower()
        return self.status in WALL_STATUSES or any(sign in lowered for sign in WALL_SIGNS)


def decode(body: bytes) -> str:
    """Return ``body`` as text: gzip without a header is unpacked, then UTF-8 with or without BOM, then Latin-1."""
    if body[:2] == b"\x1f\x8b":
        body = _gunzip(body)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def find_json(text: str) -> Any:
    """Return the one JSON object or array in ``text``, or None if there is none or more than one.

    It starts at the first bracket that only JSON has, so that those of a PHP notice ("[8]", "{main}") are passed over.
    If it cannot be read from there, nothing further in is tried: the inner objects of a reply that was cut short look
    whole. What follows the value may not hold another brace, because two values contradict each other; and an HTML
    page is no JSON, whatever its scripts hold.
    """
    if _PAGE.match(text):
        return None
    start = _START.search(text)
    try:
        if start is None:
            value = _DECODER.decode(text.strip())
            return value if isinstance(value, dict | list) else None
        value, end = _DECODER.raw_decode(text, start.start())
    except (ValueError, RecursionError):
        return None
    return value if text.find("{", end) < 0 else None


def _finite(text: str) -> Decimal:
    return Decimal(text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_PAGE = re.compile(r"\s*<(!doctype|html|head)\b", re.IGNORECASE)
_START = re.compile(r'\{\s*"|\[\s*\{')
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


def _gunzip(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        return unpacker.decompress(body, 32 * 1024 * 1024)
    except zlib.error:
        return body
