"""``Prefer: wait=20`` (RFC 7240): the answer waits for the result, for so many seconds at most."""

import re
from typing import Annotated

from fastapi import Depends, Header

MAX_WAIT = 30

_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?=$|[,;])', re.IGNORECASE)


def _wait(
    prefer: Annotated[
        str,
        Header(
            description=f"`wait=N`: wait for the result, {MAX_WAIT} seconds at most; `Preference-Applied` says so.",
            examples=["wait=20"],
            max_length=200,
        ),
    ] = "",
) -> int:
    found = _WAIT.search(prefer)
    return min(int(found[1]), MAX_WAIT) if found else 0


WaitSeconds = Annotated[int, Depends(_wait)]
"""How long the caller would like to wait; 0 for one who would not."""


def applied(seconds: int) -> dict[str, str]:
    """Return the header that says so."""
    return {"Preference-Applied": f"wait={seconds}"}
