"""How much a campaign does, and who is killed in which round: decided by the seed, unlike the moments."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Victim(StrEnum):
    """What a round kills with SIGKILL."""

    API = "API process"
    WORKER = "worker"
    DATABASE = "database"
    """The postmaster and all its children."""
    BACKEND = "database connection"
    """One child of the postmaster, which then restarts all of itself."""


WEIGHTS = {Victim.API: 5, Victim.WORKER: 7, Victim.DATABASE: 5, Victim.BACKEND: 1}
TWO_AT_ONCE = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign; times in seconds."""

    rounds: int
    seed: int
    resellers: int = 6
    load: tuple[float, float] = (1.0, 3.5)
    """How long a round runs before it kills, from and to."""
    storm: tuple[float, float] = (0.1, 0.4)
    """How long before the kill everybody places at once."""
    away: tuple[float, float] = (0.0, 0.8)
    """How long what was killed stays away."""
    lease: int = 10
    drain: float = 180.0
    """How long the end may take until nothing moves any more."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round does; ``chance`` is its own source of further choices."""

    number: int
    victims: Sequence[Victim]
    load_seconds: float
    storm_seconds: float
    away_seconds: float
    chance: random.Random


def rounds(plan: Plan) -> Iterator[Round]:
    """Yield the rounds of a plan; the same seed yields the same ones."""
    for number in range(1, plan.rounds + 1):
        chance = random.Random(f"{plan.seed} {number}")
        count = 2 if chance.random() < TWO_AT_ONCE else 1
        victims: list[Victim] = []
        while len(victims) < count:
            [victim] = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            # Both workers may go at once; of the others there is one.
            if victim not in victims or victim is Victim.WORKER:
                victims.append(victim)
        yield Round(
            number,
            tuple(victims),
            chance.uniform(*plan.load),
            chance.uniform(*plan.storm),
            chance.uniform(*plan.away),
            chance,
        )
