"""Sheets of CSV that staff send in: read line by line, kept until they are applied, and applied once."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from app.db import Connection
from app.errors import Conflict, Invalid, NotFound

MAX_ROWS = 100_000
"""How many lines one sheet may have."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class SheetKind(StrEnum):
    """What a sheet holds."""

    PRICES = "prices"
    ROUTES = "routes"


class Verdict(StrEnum):
    """What becomes of a line."""

    SAME = "same"
    CHANGE = "change"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A line of a sheet: what it is about, before and after, and for a wrong one ``error``, which says why."""

    line: int
    what: str
    before: str
    after: str
    verdict: Verdict
    error: str = ""


def digest_of(rows: Sequence[SheetRow]) -> str:
    """Return what stands for all that a person saw of a sheet."""
    seen = [(row.line, row.what, row.before, row.after, row.verdict) for row in rows]
    return hashlib.sha256(orjson.dumps(seen)).hexdigest()


def read_lines(content: str, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield each line that holds anything, with its number and its cells by the names of the columns.

    Commas or semicolons part the cells, whichever the heading has. Columns that are not asked for are passed over. An
    apostrophe that keeps a spreadsheet from computing a cell is taken off. Invalid for what is no such sheet.
    """
    heading = content.split("\n", 1)[0]
    reader = csv.reader(
        io.StringIO(content, newline=""), delimiter=";" if heading.count(";") > heading.count(",") else ","
    )
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in columns if name not in names]
        if missing:
            raise Invalid(f"The first line has to name the columns; {', '.join(missing)} is missing.", field="file")
        for count, cells in enumerate(reader):
            if count >= MAX_ROWS:
                raise Invalid(f"A sheet has at most {MAX_ROWS} lines.", field="file")
            if any(cell.strip() for cell in cells):
                values = dict(zip(names, cells, strict=False))
                yield reader.line_num, {name: _plain(values.get(name, "")) for name in columns}
    except csv.Error as error:
        raise Invalid(f"Line {reader.line_num} is not CSV: {error}.", field="file") from error


def write_lines(columns: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    """Return a sheet; a text that a spreadsheet would compute gets an apostrophe."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row])
    return written.getvalue()


def _plain(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


async def keep_sheet(conn: Connection, kind: SheetKind, content: str, *, staff_id: int | None) -> int:
    """Keep a sheet and return its id; those that are older than a day are forgotten."""
    await conn.execute("DELETE FROM sheets WHERE created_at < now() - interval '1 day'")
    cursor = await conn.execute(
        "INSERT INTO sheets (kind, content, staff_id) VALUES (%s, %s, %s) RETURNING id", (kind, content, staff_id)
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return int(row["id"])


async def get_sheet(conn: Connection, sheet_id: int) -> tuple[SheetKind, str]:
    """Return a sheet that is yet to be applied, and keep others from applying it while the transaction lasts.

    NotFound if there is none, Conflict if it was applied already.
    """
    cursor = await conn.execute("SELECT kind, content, applied_at FROM sheets WHERE id = %s FOR UPDATE", (sheet_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such sheet any more; send the file in again.")
    if row["applied_at"] is not None:
        raise Conflict("This sheet was applied already.")
    return SheetKind(row["kind"]), row["content"]


async def close_sheet(conn: Connection, sheet_id: int) -> None:
    """Note that a sheet was applied; it is not applied again."""
    await conn.execute("UPDATE sheets SET applied_at = now() WHERE id = %s", (sheet_id,))
