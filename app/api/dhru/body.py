"""Reads an HTTP request into named values, whatever way a client packed them.

What a body is shows in its first character, not in its Content-Type, which clients get wrong; only a multipart boundary
is taken from the header. Values of a form are texts; those of a JSON body keep their types.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive

from app.api.dhru.parameters import read_tags
from app.api.dhru.replies import Malformed, Refusal

Pairs = list[tuple[str, Any]]
"""Names and values in the order sent; a name may occur more than once."""

MAX_VALUES = 5_000

_BOUNDARY = re.compile(rb"--([^\r\n]{1,200})\r?\n")


class ClientGone(Exception):  # noqa: N818
    """The client closed the connection before the whole request had arrived."""


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """Return the whole body; refuses one of more than ``limit`` bytes without reading the rest of it.

    Raises ClientGone.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def read_values(body: bytes, content_type: bytes, query: bytes) -> Pairs:
    """Return the values of the body, then those of the query string. Raises Malformed."""
    pairs = _read(body, content_type) if body else []
    if query:
        pairs += _urlencoded(query)
    for name, value in pairs:
        if "\x00" in name or (isinstance(value, str) and "\x00" in value):
            raise Malformed("The request has a NUL character.")
    return pairs


def _read(body: bytes, content_type: bytes) -> Pairs:
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:2]
    if start[:1] in (b"{", b"["):
        return _json(body)
    if content_type[:19].lower() == b"multipart/form-data":
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if boundary:
            return _multipart(body, boundary)
    if start == b"--" and (line := _BOUNDARY.match(body.lstrip())) is not None:
        return _multipart(body.lstrip(), line[1])
    if start[:1] == b"<":
        return [("xml", _text(body))]
    return _urlencoded(body)


def _text(raw: bytes | bytearray) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed("The request is not UTF-8.") from error


def _urlencoded(raw: bytes) -> Pairs:
    # parse_qsl does the same through texts, which takes three times as long on XML.
    parts = raw.split(b"&")
    if len(parts) > MAX_VALUES:
        raise Malformed("The request has too many values.")
    pairs: Pairs = []
    for part in parts:
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            pairs.append((_text(unquote_to_bytes(name)), _text(unquote_to_bytes(value))))
    return pairs


def _json(body: bytes) -> Pairs:
    try:
        value = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Malformed("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise Malformed("The JSON body is not an object.")
    if len(value) > MAX_VALUES:
        raise Malformed("The request has too many values.")
    return [*value.items()]


class _Parts:
    """Collects the parts of a multipart body."""

    def __init__(self) -> None:
        self.pairs: Pairs = []
        self.ended = False
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._data = bytearray()

    def on_part_begin(self) -> None:
        self._disposition = b""
        self._data = bytearray()

    def on_header_begin(self) -> None:
        self._header = bytearray()
        self._value = bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def on_part_end(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"name")
        if not name:
            raise Malformed("A part of the multipart body has no name.")
        if len(self.pairs) == MAX_VALUES:
            raise Malformed("The request has too many values.")
        self.pairs.append((_text(name), _text(self._data)))

    def on_end(self) -> None:
        self.ended = True


def _multipart(body: bytes, boundary: bytes) -> Pairs:
    parts = _Parts()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.on_part_begin,
                "on_part_data": parts.on_part_data,
                "on_part_end": parts.on_part_end,
                "on_header_begin": parts.on_header_begin,
                "on_header_field": parts.on_header_field,
                "on_header_value": parts.on_header_value,
                "on_header_end": parts.on_header_end,
                "on_end": parts.on_end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Malformed("The multipart body is broken.") from error
    if not parts.ended:
        raise Malformed("The multipart body breaks off.")
    return parts.pairs


def _too_large(limit: int) -> Refusal:
    return Refusal("Request too large", f"A request may have {limit} bytes.")


def read_document(text: str) -> Pairs:
    """Return the values of a request that is one XML document, its parameters as ``parameters``. Raises Malformed."""
    tags = read_tags(text)
    pairs: Pairs = [*tags.outer.items()]
    if tags.orders or tags.block is not None:
        pairs.append(("parameters", tags.content()))
    return pairs
