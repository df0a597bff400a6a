"""What staff know of a supplier's wording: phrases and statuses that its kind's tables lack or read otherwise."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from app.connectors.base import ReportStatus, Wording
from app.connectors.errors import RefusalReason
from app.errors import Invalid

MAX_WORDS = 200
MAX_LENGTH = 200

Stored = Mapping[str, Mapping[str, str]]
"""As it is kept: ``{"refusals": {phrase: reason}, "statuses": {word: status}}``."""

MeaningT = TypeVar("MeaningT", bound=StrEnum)


def read_wording(stored: Stored) -> Wording:
    """Return stored words as a connector takes them."""
    return Wording(
        {phrase: RefusalReason(reason) for phrase, reason in stored.get("refusals", {}).items()},
        {word: ReportStatus(status) for word, status in stored.get("statuses", {}).items()},
    )


def checked_wording(refusals: Mapping[str, str], statuses: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return words as they are stored, in lower case; Invalid for an empty one, or a meaning that there is none of."""
    return {
        "refusals": _checked("wording.refusals", refusals, RefusalReason),
        "statuses": _checked("wording.statuses", statuses, ReportStatus),
    }


def _checked(field: str, words: Mapping[str, str], meanings: type[MeaningT]) -> dict[str, str]:
    if len(words) > MAX_WORDS:
        raise Invalid(f"There are {MAX_WORDS} of them at most.", field=field)
    found = {}
    for word, meaning in words.items():
        lowered = word.strip().lower()
        if not 1 <= len(lowered) <= MAX_LENGTH:
            raise Invalid(f"A phrase has 1 to {MAX_LENGTH} characters.", field=field)
        if meaning not in set(meanings):
            raise Invalid(f"A phrase means one of: {', '.join(meanings)}.", field=field)
        found[lowered] = str(meaning)
    return found
