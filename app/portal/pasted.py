"""What is pasted to order many at once: a device a line, or a table with a heading."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import Invalid

MAX_ROWS = 500
_KNOWN = {"imei": "device", "serial": "device", "device": "device", "quantity": "quantity", "reference": "reference"}


@dataclass(frozen=True, slots=True)
class Pasted:
    """One row; ``fields`` are the service's own by the names of the heading."""

    line: int
    device: str
    quantity: str
    reference: str
    fields: Mapping[str, str]


def read_pasted(text: str, names: list[str]) -> list[Pasted]:
    """Return the rows of a text, blank lines left out; ``names`` are the service's fields.

    Without a heading a line is a device, and after a comma, semicolon or tab the caller's own reference. Invalid for
    a heading that names what there is not or one thing twice, a line longer than its heading, too many rows, or none.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise Invalid("Paste at least one line.", field="rows")
    delimiter = next((mark for mark in ("\t", ";", ",") if mark in lines[0][1]), ",")
    first = [cell.strip() for cell in _cells(lines[0][1], delimiter)]
    columns = ["device", "reference"]
    if first[0].lower() in {*_KNOWN, *(name.strip().lower() for name in names)}:
        columns = [_column(cell, names) for cell in first]
        lines = lines[1:]
    if len(set(columns)) < len(columns):
        raise Invalid("The heading names a column twice.", field="rows")
    if not 1 <= len(lines) <= MAX_ROWS:
        raise Invalid(f"1 to {MAX_ROWS} rows at a time; these are {len(lines)}.", field="rows")
    return [_row(number, columns, _cells(line, delimiter), names) for number, line in lines]


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter), [""])
    except csv.Error as error:
        raise Invalid(f"This is no line of a table: {line[:50]!r}.", field="rows") from error


def _column(cell: str, names: list[str]) -> str:
    known = _KNOWN.get(cell.lower())
    if known:
        return known
    match = next((name for name in names if name.strip().lower() == cell.lower()), None)
    if match is None:
        raise Invalid(f"The service has no field {cell[:50]!r}.", field="rows")
    return match


def _row(number: int, columns: list[str], given: list[str], names: list[str]) -> Pasted:
    if any(cell.strip() for cell in given[len(columns) :]):
        # What is left out silently was meant: a quantity, or a field.
        raise Invalid(f"Line {number} has more cells than {', '.join(columns)}.", field="rows")
    cells = dict(zip(columns, given, strict=False))
    return Pasted(
        number,
        cells.get("device", "").strip(),
        cells.get("quantity", "").strip(),
        cells.get("reference", "").strip(),
        {name: cells[name] for name in names if name in cells},
    )
