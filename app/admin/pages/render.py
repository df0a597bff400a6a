"""Templates: every value escaped, every name that is missing an error, and how money and moments look."""

from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.admin.pages.static import asset
from app.clock import now
from app.money import format_amount

_FOLDER = Path(__file__).parent.parent / "templates"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["money"] = money
    made.filters["moment"] = moment
    made.filters["ago"] = ago
    made.globals["asset"] = asset
    return made


def money(amount: int, currency: str = "") -> str:
    """Return micro-units as people read them: ``12.50 USD``."""
    return f"{format_amount(amount)} {currency}".rstrip()


def moment(at: datetime) -> Markup:
    """Return a moment in UTC, to the minute, that machines can read too."""
    return Markup('<time datetime="{}">{} UTC</time>').format(at.isoformat(), f"{at:%Y-%m-%d %H:%M}")


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


_ENVIRONMENT = _environment()


def render(template: str, **facts: Any) -> str:
    """Return a template filled in; raises what Jinja2 raises for one that asks for what is not there."""
    return _ENVIRONMENT.get_template(template).render(**facts)
