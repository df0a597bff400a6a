"""Medians, ratios, and the table that a run ends with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. ``ratio`` is the median of the turns' own ratios; ``target`` says what should be."""

    what: str
    ours: str
    floor: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def against_floor(what: str, ours: Sequence[float], floor: Sequence[float], *, target: float, unit: str) -> Line:
    """Return the line of a rate and its floor, which were measured in turns."""
    ratio = median(mine / least for mine, least in zip(ours, floor, strict=True))
    return Line(
        what, _rate(median(ours), unit), _rate(median(floor), unit), ratio, f"ratio >= {target}", ratio >= target
    )


def rate(what: str, rates: Sequence[float], *, unit: str, at_least: float | None = None) -> Line:
    """Return the line of a rate by itself."""
    middle = median(rates)
    if at_least is None:
        return Line(what, _rate(middle, unit))
    return Line(what, _rate(middle, unit), target=f">= {at_least:.0f} {unit}", met=middle >= at_least)


def latency(what: str, ours: Sequence[float], floor: Sequence[float], *, below: float | None) -> Line:
    """Return the line of a latency in seconds."""
    middle = median(ours)
    line = Line(what, f"{middle * 1000:.1f} ms", f"{median(floor) * 1000:.1f} ms")
    return line if below is None else replace(line, target=f"< {below * 1000:.0f} ms", met=middle < below)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table for a terminal, which is also one in Markdown."""
    head = ("", "Trunkline", "floor", "ratio", "target", "")
    rows = [
        (
            line.what,
            line.ours,
            line.floor,
            "" if line.ratio is None else f"{line.ratio:.2f}",
            line.target,
            "" if line.met is None else ("met" if line.met else "MISSED"),
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (head, rule, *rows)
    )


def _rate(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}"
