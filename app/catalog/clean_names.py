"""Cleans the names of suppliers' services for our own list, by rules that staff choose from; pure."""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping

MOST = 1000
"""So many characters of a name are looked at."""

_KEPT = "°®™©№"
_TAG = re.compile(r"\[[^\[\]]{1,60}\]|【[^【】]{1,60}】|\{[^{}]{1,60}\}|«[^«»]{1,60}»")
_NUMBER = re.compile(r"^\s*(?:#\s*\d+|\d{2,6}\s*[-\u2013|:.)])\s*")
_MONEY = re.compile(
    r"[(@=]?\s*(?:[$€£]\s?\d+(?:[.,]\d+)?|(?<!\d)\d+(?:[.,]\d+)?\s?(?:[$€£]|(?:usd|eur|gbp|credits?)\b))\s*\)?",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"[(|\u2013-]?\s*(?:\binstant\b|\b\d+(?:\s?[-\u2013]\s?\d+)?\s?(?:minutes?|mins?|hours?|hrs?|h|(?:working\s)?days?)\b)\s*\)?\s*$",
    re.IGNORECASE,
)
_ENDS = " \t\r\n-\u2013\u2014|•·:;,_*~=+>/\\"


def _without_emoji(name: str) -> str:
    return "".join(
        " " if unicodedata.category(sign) in {"So", "Sk", "Cs", "Co", "Cf", "Cn"} and sign not in _KEPT else sign
        for sign in name
        if not unicodedata.name(sign, "").startswith("VARIATION SELECTOR")
    )


RULES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "emoji": ("take emoji and ornaments out", _without_emoji),
    "tags": ("take tags in brackets out, such as [VIP]", lambda name: _TAG.sub(" ", name)),
    "numbers": ("take numbers off the front, such as #101", lambda name: _NUMBER.sub("", name)),
    "prices": ("take prices out, such as $3.50", lambda name: _MONEY.sub(" ", name)),
    "times": ("take times off the end, such as 1-24 hours", lambda name: _TIME.sub(" ", name)),
}
"""The rules by name in the order in which they are used, each with what it does."""


def clean_name(name: str, rules: Collection[str]) -> str:
    """Return a name cleaned by these rules, with single blanks and no ornaments at its ends.

    A name of which nothing would be left is only trimmed. Of a longer one than any service has the end is left out:
    suppliers send what they like, and everybody would wait while it is looked through.
    """
    cleaned = _trimmed(name)[:MOST]
    for rule, (_, applied) in RULES.items():
        if rule in rules:
            cleaned = _trimmed(applied(cleaned))
    return _trimmed(cleaned) or " ".join(name.split())[:MOST]


def _trimmed(name: str) -> str:
    return " ".join(name.split()).strip(_ENDS)
