"""The ``parameters`` of a DHRU request: XML, base64 JSON or plain JSON, with keys in upper case."""

import base64
import binascii
import html
import re
from typing import Any

import orjson

_BLOCK = re.compile(r"<PARAMETERS>(.*?)</PARAMETERS>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<(\w+)>(.*?)</\1>", re.DOTALL)


def read_parameters(text: str) -> dict[str, str]:
    """Return the parameters of a single call; ValueError if they are none."""
    text = text.strip()
    if not text:
        return {}
    if text.startswith("<"):
        blocks = _BLOCK.findall(text)
        return {tag.upper(): html.unescape(value) for tag, value in _TAG.findall(blocks[-1] if blocks else text)}
    return _upper(_json(text))


def read_rows(text: str) -> dict[str, dict[str, str]]:
    """Return the rows of a bulk call by the caller's keys, an array's by position; ValueError if they are none."""
    value = _json(text.strip())
    if isinstance(value, list):
        value = {str(position): row for position, row in enumerate(value)}
    if not isinstance(value, dict):
        raise ValueError("bulk parameters must be an object or an array")
    return {str(key): _upper(row) for key, row in value.items()}


def read_fields(text: str) -> dict[str, str]:
    """Return the custom fields by name; ValueError if ``text`` is no base64 JSON."""
    value = _json(text.strip()) if text.strip() else None
    return {str(name): _text(item) for name, item in value.items()} if isinstance(value, dict) else {}


def _json(text: str) -> Any:
    if not text.startswith(("{", "[")):
        try:
            return orjson.loads(base64.b64decode(text.replace(" ", "+")))
        except binascii.Error as error:
            raise ValueError("neither base64 nor JSON") from error
    return orjson.loads(text)


def _upper(row: object) -> dict[str, str]:
    return {str(key).upper(): _text(value) for key, value in row.items()} if isinstance(row, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
