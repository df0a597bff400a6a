"""XiaomiToolkit's records: one for each order, as the history shows them and with the data they end in."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.connectors._dhru_reply import MAX_TEXT, text_of
from app.connectors.base import File, PlaceRequest, Report, ReportStatus
from app.connectors.errors import Unclear

_NAME = re.compile(r"[^\w.-]+", re.ASCII)


def delivered(remote_id: str, file: File) -> Report:
    """The report of a finished record: the file, and a text that says so."""
    text = f"The data is in the file {file.name} ({len(file.content)} bytes)"
    return Report(remote_id, ReportStatus.DONE, text, file=file)


def pending(remote_id: str, note: str) -> Report:
    """A report that changes nothing and makes staff look."""
    return Report(remote_id, ReportStatus.PENDING, note=note[:MAX_TEXT])


def whole(text: str) -> int:
    """An id or a count as a number; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def decoded(value: object) -> bytes:
    """``created_criticaldata`` as bytes; empty for what is not base64, which one sample leaves open."""
    try:
        return base64.b64decode("".join(text_of(value).split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def file_name(product_code: str, imei: str) -> str:
    """ "Filename format: {product_code}_{imei1}.bin"."""
    return _NAME.sub("-", f"{product_code}_{imei}.bin")[:120]


def made_at(row: Mapping[str, Any]) -> datetime:
    """When a record was made; ``Unclear`` if that cannot be read."""
    try:
        moment = datetime.fromisoformat(text_of(row.get("created_at")))
    except ValueError:
        raise Unclear("a record of the same device has no readable time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def same_phone(row: Mapping[str, Any], request: PlaceRequest) -> bool:
    """Whether a record is for the order's CPU and first IMEI, which together name one phone."""
    return _folded(row, "cpu_id") == _plain(request.fields.get("cpu_id")) and (
        _folded(row, "imei1") == _plain(request.device)
    )


def same_rest(row: Mapping[str, Any], request: PlaceRequest) -> bool:
    """Whether the inputs that ``same_phone`` leaves out are the order's too."""
    return all(_folded(row, name) == _plain(request.fields.get(name)) for name in ("product_code", "imei2"))


def _folded(row: Mapping[str, Any], name: str) -> str:
    return _plain(text_of(row.get(name)))


def _plain(value: str | None) -> str:
    return (value or "").strip().lower().removeprefix("0x")
