"""The way of a test from our machine to the supplier's account, step by step, and where on it a test ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.suppliers.diagnosis import Finding


class Verdict(StrEnum):
    """How one step went."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True)
class Step:
    """A step in plain words, and how it went."""

    text: str
    verdict: Verdict


_TLS = 2
_STEPS = (
    "The name of their host is known",
    "Their host takes our connection",
    "The connection is encrypted with a valid certificate",
    "Their server answers",
    "No firewall and no list of addresses keeps us out",
    "The answer is of this kind of supplier",
    "They accept our credentials",
    "Balance and catalogue can be read",
)

ENDS_AT: Mapping[Finding, int] = MappingProxyType(
    {
        Finding.UNRESOLVABLE: 0,
        Finding.CONNECTION_REFUSED: 1,
        Finding.UNREACHABLE: 1,
        Finding.TLS: _TLS,
        Finding.NO_ANSWER: 3,
        Finding.SERVER_ERROR: 3,
        Finding.FIREWALL: 4,
        Finding.ADDRESS_NOT_ALLOWED: 4,
        Finding.WRONG_PATH: 5,
        Finding.OTHER_DIALECT: 5,
        Finding.UNREADABLE: 5,
        Finding.BAD_CREDENTIALS: 6,
        Finding.THROTTLED: 7,
        Finding.REFUSED: 7,
        Finding.WORKS: len(_STEPS),
    }
)
"""The step that failed; all of them passed where the account works."""


def steps_of(finding: Finding, base_url: str) -> list[Step]:
    """Return the steps of a test that ended so; none for a supplier to which nothing is sent."""
    if not base_url:
        return []
    end = ENDS_AT[finding]
    steps = []
    for number, text in enumerate(_STEPS):
        verdict = Verdict.PASSED if number < end else Verdict.FAILED if number == end else Verdict.NOT_REACHED
        if number == _TLS and verdict is not Verdict.FAILED and not base_url.startswith("https:"):
            verdict = Verdict.NOT_NEEDED
        steps.append(Step(text, verdict))
    return steps
