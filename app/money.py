"""Money is a whole number of micro-units with a currency; decimal text only at the edges, float nowhere."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

MICRO = 1_000_000
"""Micro-units in one unit of any currency."""

MAX_AMOUNT = 9_000_000_000 * MICRO
"""The largest amount one row may carry; sums of a million of them still fit a Postgres numeric and a report."""

_CURRENCY = re.compile(r"[A-Z]{3}")
_PLACES = 6


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: ``amount`` micro-units of the ISO 4217 ``currency``."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        check_currency(self.currency)

    def __str__(self) -> str:
        return f"{format_amount(self.amount)} {self.currency}"


def check_currency(code: str) -> str:
    """Return ``code`` if it has the form of an ISO 4217 code (three capitals); ValueError otherwise."""
    if not _CURRENCY.fullmatch(code):
        raise ValueError(f"not a currency code: {code[:8]!r}")
    return code


def parse_amount(text: str | int | Decimal) -> int:
    """Read a plain decimal ("12.5", 12, Decimal) into micro-units exactly.

    Raises ValueError for anything that is not a finite decimal with at most six places and a sane size; a float is
    not taken, because it has already lost the number that was meant.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | Decimal):
        raise ValueError("an amount is a decimal string")
    if isinstance(text, str) and (len(text) > 40 or "_" in text or not text.isascii()):
        # Python reads 1_000 and digits of other scripts; a person who meant them is not to be guessed at.
        raise ValueError("an amount is a decimal string such as 12.50")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("an amount is a decimal string such as 12.50") from error
    if not value.is_finite() or value.adjusted() > 15:
        raise ValueError("the amount is out of range")
    # In whole numbers: decimal arithmetic rounds to 28 digits, and would round away places that were never allowed.
    sign, digits, exponent = value.as_tuple()
    surplus = -_PLACES - int(exponent)
    if surplus > 0:
        if any(digits[-surplus:]):
            raise ValueError("an amount has at most six decimal places")
        digits, exponent = digits[:-surplus], -_PLACES
    micro: int = int("".join(map(str, digits)) or "0") * 10 ** (int(exponent) + _PLACES)
    if micro > MAX_AMOUNT:
        raise ValueError("the amount is out of range")
    return -micro if sign else micro


def format_amount(micro: int) -> str:
    """Write micro-units as a plain decimal with two to six places: 1500000 -> "1.50", 1 -> "0.000001"."""
    whole, rest = divmod(abs(micro), MICRO)
    places = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micro < 0 else ''}{whole}.{places}"
