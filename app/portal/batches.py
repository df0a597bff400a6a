"""The orders of a batch in an address: ids in ascending order, neighbours as a range, ``100-149.152``."""

import re
from collections.abc import Sequence

from app.errors import NotFound

MAX_ORDERS = 500
_FORM = re.compile(r"\d{1,18}(-\d{1,18})?(\.\d{1,18}(-\d{1,18})?)*")


def written_batch(ids: Sequence[int]) -> str:
    """Return ids as they stand in an address; empty for none."""
    parts: list[list[int]] = []
    for number in sorted(set(ids)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ".".join("-".join(str(number) for number in part) for part in parts)


def read_batch(text: str) -> list[int]:
    """Return the ids of an address; NotFound for what is none, or too many."""
    if not _FORM.fullmatch(text):
        raise NotFound("There is no such batch.")
    ids: list[int] = []
    for part in text.split("."):
        first, _, last = part.partition("-")
        span = range(int(first), int(last or first) + 1)
        if len(span) + len(ids) > MAX_ORDERS:
            raise NotFound("There is no such batch.")
        ids.extend(span)
    return ids
