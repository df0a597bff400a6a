"""Templates: every value escaped, every name that is missing an error, and how money and moments look."""

import functools
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.clock import now
from app.money import format_amount
from app.pages.static import asset
from app.sealing import new_token
from app.text import plain, seen

_SHARED = Path(__file__).parent / "templates"


class Templates:
    """The templates of a face, beside those that all share."""

    def __init__(self, folder: Path) -> None:
        """``folder`` has the face's own, which win."""
        self._environment = _environment(folder)

    def render(self, template: str, **facts: Any) -> str:
        """Return a template filled in; raises what Jinja2 raises for one that asks for what is not there."""
        return self._environment.get_template(template).render(**facts)


@cache
def _environment(folder: Path) -> Environment:
    made = Environment(
        loader=FileSystemLoader([folder, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["money"] = money
    made.filters["moment"] = moment
    made.filters["ago"] = ago
    made.filters["seen"] = seen
    made.filters["plain"] = plain
    made.filters["one_line"] = one_line
    made.filters["pairs"] = pairs
    made.filters["json"] = json
    made.globals["asset"] = asset
    made.globals["new_once"] = functools.partial(new_token, "po")
    return made


def money(amount: int, currency: str = "") -> str:
    """Return micro-units as people read them: ``12.50 USD``."""
    return f"{format_amount(amount)} {currency}".rstrip()


def one_line(text: str) -> str:
    """Return text that may hold HTML as it would be read, its lines as a list: ``Model: iPhone 13, Find My: ON``."""
    return plain(text).replace("\n", ", ")


def json(value: object) -> str:
    """Return a value as JSON, to be escaped like any text; for scripts that read it from an attribute."""
    return orjson.dumps(value).decode()


def moment(at: datetime) -> Markup:
    """Return a moment in UTC, to the minute, that machines can read too."""
    return Markup('<time datetime="{}">{} UTC</time>').format(at.isoformat(), f"{at:%Y-%m-%d %H:%M}")


def pairs(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return choices whose value is what people read."""
    return [(value, value) for value in values]


def ago(at: datetime) -> Markup:
    """Return how long ago a moment was, in its largest unit; the moment itself is its title."""
    seconds = max(0, int((now() - at).total_seconds()))
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            text = f"{count} {unit}{'s' if count > 1 else ''} ago"
            break
    else:
        text = "just now"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(at.isoformat(), f"{at:%Y-%m-%d %H:%M}", text)
