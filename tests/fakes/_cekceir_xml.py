"""A DHRU reply as XML: keys as tags, lists as repeated ``item`` tags."""

from typing import Any
from xml.sax.saxutils import escape

from starlette.responses import Response


def to_xml(body: dict[str, Any]) -> Response:
    """Return ``body`` as an XML reply."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<RESPONSE>{_inner(body)}</RESPONSE>\n'
    return Response(text, media_type="application/xml; charset=utf-8")


def _inner(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{_inner(item)}</{key}>" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_inner(item)}</item>" for item in value)
    return "" if value is None else escape(str(value))
