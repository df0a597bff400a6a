"""Prices and balances as suppliers print them, read exactly or not at all.

A separator with exactly three digits behind it is the whole difficulty: "1,234" may be a thousand or one and a bit.
What cannot be told apart is None, and then nobody sells at it.
"""

import re
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from app.money import MAX_AMOUNT, MICRO

WHOLE_CURRENCIES = frozenset({"CLP", "COP", "IDR", "IQD", "IRR", "JPY", "KRW", "LBP", "PYG", "UGX", "UZS", "VND"})
"""Currencies in which nobody writes a fraction, so that "50.000" is fifty thousand."""

_SYMBOLS = {"US$": "USD", "€": "EUR", "£": "GBP", "₹": "INR", "₫": "VND", "₺": "TRY", "৳": "BDT"}
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
_DECORATION = re.compile(r"[A-Za-z]{2,4}\$?|[$€£₹₫₺৳¥₦]|\s|\u00a0")
_PLAIN = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)
_GROUPED = re.compile(r"-?[1-9]\d{0,2}(?P<group>[.,'])\d{3}(?:(?P=group)\d{3})*(?:(?!(?P=group))[.,]\d+)?", re.ASCII)
_COMMA_DECIMAL = re.compile(r"-?\d+,(\d{1,2}|\d{4,})", re.ASCII)


def read_currency(*texts: object) -> str:
    """Return the first ISO 4217 code or unmistakable symbol in ``texts``; empty if there is none, as in a mere "$"."""
    for text in texts:
        if not isinstance(text, str):
            continue
        if found := _CODE.search(text.upper() if len(text.strip()) == 3 else text):
            return found[1]
        for symbol, code in _SYMBOLS.items():
            if symbol in text:
                return code
    return ""


def read_amount(value: object, currency: str = "", *, signed: bool = False) -> int | None:
    """Return ``value`` in micro-units, or None if it is no amount or can be read in two ways.

    "1,234.50", "1.234,50", "1.000.000", "$61,195.601 ", "12.5 USD" and numbers are read; "1,234" is not, unless the
    currency has no fractions; neither is a negative amount unless ``signed``. What is finer than a micro-unit is
    rounded up, so that a cost is never understated.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return _micro(Decimal(value), signed=signed)
    if not isinstance(value, str) or len(value) > 60:
        return None
    text = value.strip()
    # A plain number may carry an exponent, which is no currency.
    if not _PLAIN.fullmatch(text):
        text = _DECORATION.sub("", text)
    number = _plain_form(text, whole=currency in WHOLE_CURRENCIES)
    return None if number is None else _micro(number, signed=signed)


def _plain_form(text: str, *, whole: bool) -> Decimal | None:
    if grouped := _GROUPED.fullmatch(text):
        mark = grouped["group"]
        rest = text.replace(mark, "")
        if text.count(mark) > 1 or mark == "'" or whole or rest.count(".") + rest.count(",") == 1:
            return _decimal(rest.replace(",", "."))
    if _COMMA_DECIMAL.fullmatch(text):
        return _decimal(text.replace(",", "."))
    return _decimal(text) if _PLAIN.fullmatch(text) else None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _micro(value: Decimal, *, signed: bool) -> int | None:
    if not value.is_finite() or value.adjusted() > 15 or (value < 0 and not signed):
        return None
    micro = int((value * MICRO).to_integral_value(rounding=ROUND_CEILING))
    return micro if abs(micro) <= MAX_AMOUNT else None
