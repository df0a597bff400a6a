"""How commands print: tables that people read and scripts can cut, and progress on standard error."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.money import parse_amount

Amount = Annotated[int, typer.Argument(parser=parse_amount, metavar="AMOUNT", help="A decimal number such as 12.50.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="How many, at most.")]
MAX_ID = 2**63 - 1


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> None:
    """Print rows in aligned columns, or the sentence ``nothing`` if there are none."""
    if not rows:
        print(nothing)
        return
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def progress() -> Progress:
    """Return a progress display on standard error, so that standard output stays for results."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _cell(value: object) -> str:
    # A supplier's or customer's text must not break the line or speak to the terminal.
    return "-" if value is None else "".join(letter if letter.isprintable() else " " for letter in str(value))
