"""Decodes the ``parameters`` of a call, whichever of the many encodings a client chose.

Panels send XML made by string concatenation (several blocks of which the last counts, entities of HTML, tags without an
end), JSON, or base64 of either. All of them are read here into dicts and lists, leniently where clients are known to be
sloppy, and with an error where a value could be lost. No DTD is read and no entity resolved: the reader knows neither.
"""

import base64
import binascii
import html
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.api.dhru.replies import Malformed

_TAG = re.compile(r"<(/?)([A-Za-z_][\w.:-]{0,99})(?:\s[^<>]{0,500})?(/?)>")
# What nearly every panel sends: one block, one level, nothing strange. Linear, because no value holds a "<".
_PLAIN_BLOCK = re.compile(r"\s*<PARAMETERS>\s*(?:<([A-Za-z_][\w.:-]{0,99})>[^<>]*</\1>\s*)*</PARAMETERS>\s*")
_PLAIN_TAGS = re.compile(r"<([A-Za-z_][\w.:-]{0,99})>([^<>]*)</\1>\s*")
_EMPTY_TAG = re.compile(r"<\s*/?\s*>")
_MAX_DEPTH = 8
_MAX_MARKS = 50_000
"""The most tags and the like in one text: 500 orders of fifty inputs each."""

# HTML's void elements: PHP's DOM writes a field of such a name without content and without an end.
_VOID = frozenset(
    {"area", "base", "br", "col", "command", "embed", "frame", "hr", "img", "input", "isindex", "keygen", "link"}
    | {"meta", "param", "source", "track", "wbr"}
)
_BASE64 = bytes.maketrans(b" -_", b"++/")


@dataclass(slots=True)
class Tags:
    """One level of tags: those inside the last PARAMETERS block, inside each ORDER, and outside of both."""

    outer: dict[str, str] = field(default_factory=dict)
    block: dict[str, str] | None = None
    orders: list[dict[str, str]] = field(default_factory=list)

    def content(self) -> dict[str, str] | list[dict[str, str]]:
        """Return what the call is about: the orders if there are some, else the block, else what there is."""
        if self.orders:
            return self.orders
        return self.outer if self.block is None else self.block


def decode(text: str) -> Any:
    """Return what ``text`` holds as JSON values; {} if it holds nothing. Raises Malformed."""
    text = text.strip("\ufeff \t\r\n")
    if not text or text == "null" or _EMPTY_TAG.fullmatch(text):
        return {}
    if text[0] in '{["':
        return _json(text)
    if text[0] != "<" and "&lt;" in text:
        text = html.unescape(text).strip()
    if text[0] == "<":
        return _read_block(text) or read_tags(text).content()
    return _decode_base64(text)


def decode_json(text: str) -> Any:
    """Return the value of a JSON text, plain or base64, or of ``null`` in either; {} for nothing. Raises Malformed."""
    text = text.strip()
    if not text or text == "null":
        return {}
    return _json(text) if text[0] in '{["' else _decode_base64(text)


def _json(text: str | bytes) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed("The parameters are not valid JSON.") from error
    return {} if value is None else value


def _decode_base64(text: str) -> Any:
    try:
        raw = decode_base64(text).strip()
    except (binascii.Error, ValueError) as error:
        raise Malformed("The parameters are neither XML nor JSON nor base64 of them.") from error
    if raw[:1] == b"<":
        try:
            return read_tags(raw.decode()).content()
        except UnicodeDecodeError as error:
            raise Malformed("The parameters are not UTF-8.") from error
    return _json(raw) if raw else {}


def decode_base64(text: str) -> bytes:
    """Return what a base64 text holds, with or without padding and in either alphabet.

    Raises binascii.Error and ValueError for what is none.
    """
    # A blank was a plus sign that a form decoder ate.
    compact = text.encode("ascii").translate(_BASE64, b"\r\n\t").rstrip(b"=")
    return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)


@dataclass(slots=True)
class _Open:
    name: str
    has_children: bool = False
    text: list[str] = field(default_factory=list)


class _Reader:
    """Keeps what is open while the text is walked once, from left to right."""

    def __init__(self) -> None:
        self.tags = Tags()
        self._stack: list[_Open] = []
        self._order: dict[str, str] | None = None

    def text(self, piece: str) -> None:
        if self._stack:
            self._stack[-1].text.append(piece)
        elif piece.strip("\ufeff \t\r\n"):
            raise Malformed("The XML has text outside of its tags.")

    def open(self, name: str) -> None:
        while self._stack and self._stack[-1].name.lower() in _VOID:
            self._stack.pop()
        if len(self._stack) == _MAX_DEPTH:
            raise Malformed("The XML is nested too deeply.")
        if self._stack:
            self._stack[-1].has_children = True
        self._stack.append(_Open(name))
        if name.lower() == "parameters":
            self.tags.block = {}
        elif name.lower() == "order":
            self._order = {}

    def close(self, name: str) -> None:
        while self._stack and self._stack[-1].name != name and self._stack[-1].name.lower() in _VOID:
            self._stack.pop()
        if not self._stack or self._stack[-1].name != name:
            raise Malformed("The XML's tags do not match.")
        element = self._stack.pop()
        text = "".join(element.text)
        if element.has_children:
            if text.strip():
                raise Malformed("The XML mixes text and tags in one element.")
            if name.lower() == "order" and self._order is not None:
                self.tags.orders.append(self._order)
                self._order = None
        elif name.lower() != "parameters":
            if name.lower() == "order":
                self._order = None
            self._scope()[name] = text
        elif text.strip():
            raise Malformed("The PARAMETERS are not tags.")

    def end(self) -> Tags:
        if any(element.name.lower() not in _VOID for element in self._stack):
            raise Malformed("The XML breaks off.")
        return self.tags

    def _scope(self) -> dict[str, str]:
        if self._order is not None:
            return self._order
        return self.tags.outer if self.tags.block is None else self.tags.block


def _read_block(text: str) -> dict[str, str] | None:
    """Return the tags of a plain block eight times as fast as ``read_tags``; None if there is more to it."""
    if _PLAIN_BLOCK.fullmatch(text) is None:
        return None
    tags = dict(_PLAIN_TAGS.findall(text, text.index(">") + 1))
    if any(name.lower() == "parameters" for name in tags):
        return None
    return {name: html.unescape(value) for name, value in tags.items()} if "&" in text else tags


def read_tags(text: str) -> Tags:
    """Return the tags of an XML text in one pass. Raises Malformed for a DTD and for tags that do not match."""
    reader = _Reader()
    position = 0
    if text.count("<") > _MAX_MARKS:
        raise Malformed("The XML has too many tags.")
    while (start := text.find("<", position)) >= 0:
        if start > position:
            reader.text(html.unescape(text[position:start]))
        position = _markup(reader, text, start)
    if position < len(text):
        reader.text(html.unescape(text[position:]))
    return reader.end()


def _markup(reader: _Reader, text: str, start: int) -> int:
    """Handle what begins with the ``<`` at ``start``; return where the text goes on."""
    for opening, closing in (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")):
        if text.startswith(opening, start):
            end = text.find(closing, start + len(opening))
            if end < 0:
                raise Malformed("The XML breaks off.")
            if opening == "<![CDATA[":
                reader.text(text[start + len(opening) : end])
            return end + len(closing)
    if text.startswith("<!", start):
        raise Malformed("The XML has a DTD, which is not read.")
    tag = _TAG.match(text, start)
    if tag is None:
        empty = _EMPTY_TAG.match(text, start)
        if empty is not None:
            return empty.end()
        reader.text("<")
        return start + 1
    closing_slash, name, self_closing = tag.groups()
    if closing_slash:
        reader.close(name)
    else:
        reader.open(name)
        if self_closing or tag[0].endswith("/>"):
            reader.close(name)
    return tag.end()
