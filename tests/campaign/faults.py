"""What goes wrong at the suppliers of a campaign: each round scripts some faults, chosen by its own chance."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Fault = dict[str, Any]
"""A ``tests.fakes.faults.Fault`` as JSON."""

HANG_SECONDS = 4.0
"""Longer than the connectors' patience here, ``READ_SECONDS``."""
READ_SECONDS = 2

DOUBTFUL: Sequence[Fault] = (
    {"kind": "hang", "seconds": HANG_SECONDS},
    {"kind": "status", "status": 502, "accepts": True},
    {"kind": "status", "status": 502, "accepts": False},
    {"kind": "cut"},
    {"kind": "reset", "accepts": True},
    {"kind": "reset", "accepts": False},
    {"kind": "firewall"},
    {"kind": "garbage"},
    {"kind": "no_id"},
)
"""Nobody can tell from the answer whether the order was taken."""

CLEAR: Sequence[Fault] = ({"kind": "notices"}, {"kind": "refuse", "text": "Ask the admin"}, {"kind": "throttled"})
"""Ugly, but it says what happened."""

ASKING: Sequence[Fault] = (
    {"kind": "hang", "seconds": HANG_SECONDS},
    {"kind": "status", "status": 500},
    {"kind": "reset"},
    {"kind": "firewall"},
    {"kind": "garbage"},
    {"kind": "cut"},
)


@dataclass(frozen=True, slots=True)
class Actions:
    """What a fake calls placing and asking (empty: it is never asked), and how it says that money is out."""

    place: str
    check: str = ""
    no_funds: Mapping[str, Any] = field(default_factory=lambda: {"kind": "no_funds"})


def choose(chance: random.Random, actions: Actions) -> list[Fault]:
    """Return the faults of one round at one supplier."""
    placing = [*DOUBTFUL, *CLEAR, dict(actions.no_funds)]
    chosen = [
        {**chance.choice(placing), "action": actions.place, "times": chance.randint(1, 2)}
        for _ in range(chance.choice((0, 1, 1, 2, 3)))
    ]
    if actions.check and chance.random() < 0.5:
        chosen.append({**chance.choice(ASKING), "action": actions.check, "times": chance.randint(1, 3)})
    return chosen
