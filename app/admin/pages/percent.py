"""Percents as people type them, kept as basis points: exact, hundredths of a percent."""

import re
from decimal import Decimal

from app.catalog.markup import HUNDRED_PERCENT
from app.errors import Invalid
from app.pages.forms import Form

_BASIS_POINTS = HUNDRED_PERCENT // 100
# No exponent: what it stands for could have more digits than decimals are worked out to.
_PERCENT = re.compile(r"[+-]?(?=\.?[0-9])[0-9]{0,9}(\.[0-9]{0,2}0*)?")


def read_percent(form: Form, name: str) -> int:
    """Return a percent in basis points; Invalid for what is none, or has more than two places."""
    text = form.text(name).removesuffix("%").strip()
    if not _PERCENT.fullmatch(text):
        raise Invalid("A percent such as 12.5, with at most two decimal places.", field=name)
    return int(Decimal(text) * _BASIS_POINTS)


def show_percent(basis_points: int) -> str:
    """Return basis points as a percent: 1250 -> "12.5"."""
    return f"{(Decimal(basis_points) / _BASIS_POINTS).normalize():f}"
