"""CSV files as they leave the house (RFC 4180, UTF-8): written while they are sent, amounts as decimal strings."""

import csv
import io
from collections.abc import AsyncIterator, Sequence

from starlette.responses import StreamingResponse

from app.money import format_amount

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_FLUSH = 16_384


class Figure(str):
    """A number that is ours: it stays one, also below zero."""

    __slots__ = ()


class CsvResponse(StreamingResponse):
    """A CSV file, sent while it is written."""

    media_type = "text/csv"


def csv_response(name: str, pieces: AsyncIterator[str]) -> CsvResponse:
    """Return a file of this name, to be saved."""
    return CsvResponse(pieces, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def figure(micro: int | None) -> Figure | None:
    """Return an amount in micro-units as a cell; None stays empty."""
    return None if micro is None else Figure(format_amount(micro))


async def csv_text(headings: Sequence[str], rows: AsyncIterator[Sequence[object]]) -> AsyncIterator[str]:
    """Yield the file in pieces; None is an empty cell, and text that a spreadsheet would compute gets an apostrophe."""
    written = io.StringIO()
    writer = csv.writer(written)  # its default dialect is RFC 4180's
    writer.writerow(headings)
    async for row in rows:
        writer.writerow([_cell(value) for value in row])
        if written.tell() > _FLUSH:
            yield written.getvalue()
            written.seek(0)
            written.truncate()
    yield written.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str) or isinstance(value, Figure):
        return value
    return f"'{value}" if value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA) else value
