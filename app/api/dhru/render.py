"""Writes a reply as bytes, in JSON or in XML.

No DHRU source shows an XML reply; the form here is the one third parties have: a ``RESPONSE`` with the JSON keys as
tags, one SUCCESS or ERROR element per array item, groups as GROUP and services as SERVICE. A key that is not an XML
name, such as a bulk row's, becomes ``<ITEM key="...">``.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

import orjson

Format = Literal["JSON", "XML"]

CONTENT_TYPES: Mapping[Format, bytes] = {
    "JSON": b"application/json; charset=utf-8",
    "XML": b"application/xml; charset=utf-8",
}

_NAME = re.compile(r"(?!(?i:xml))[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ROWS = {"LIST": "GROUP", "SERVICES": "SERVICE"}


def render(reply: Mapping[str, Any], form: Format) -> bytes:
    """Return ``reply`` in the form asked for."""
    if form == "JSON":
        return orjson.dumps(reply)
    out = ['<?xml version="1.0" encoding="UTF-8"?>\n<RESPONSE>']
    _children("RESPONSE", reply, out)
    out.append("</RESPONSE>")
    return "".join(out).encode()


def _children(parent: str, value: Mapping[str, Any], out: list[str]) -> None:
    for key, inner in value.items():
        if parent in _ROWS and isinstance(inner, Mapping):
            _element(_ROWS[parent], "", inner, out)
            continue
        fits = _NAME.fullmatch(key) is not None
        attribute = "" if fits else f" key={quoteattr(_NOT_XML.sub('', key))}"
        for item in inner if isinstance(inner, list) and inner else [inner]:
            _element(key if fits else "ITEM", attribute, item, out)


def _element(tag: str, attribute: str, value: Any, out: list[str]) -> None:
    out.append(f"<{tag}{attribute}>")
    if isinstance(value, Mapping):
        _children(tag, value, out)
    elif not isinstance(value, list):
        out.append(escape(_NOT_XML.sub("", str(value))))
    out.append(f"</{tag}>")
