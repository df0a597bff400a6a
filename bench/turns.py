"""Both sides of a comparison, measured in turns, so that whatever else the machine does meets both alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.client import Load, Target
from bench.profiles import Cost, cost_line, measured
from bench.report import Line, against_floor
from bench.stage import Server, Stage

LEAST_TURNS = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One side: who answers, what a right reply has in it, and the requests of one turn."""

    server: Server
    marker: bytes
    requests: Callable[[], Sequence[bytes]]

    def target(self) -> Target:
        """Return where the requests go."""
        return Target(self.server.port, self.marker)


@dataclass(slots=True)
class Result:
    """What was measured: rates and costs of each turn."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    floor_costs: list[Cost] = field(default_factory=list)

    def lines(self, what: str, *, target: float, unit: str) -> list[Line]:
        """Return the line of the rates, and the one of the processor time."""
        return [
            against_floor(what, self.ours, self.floor, target=target, unit=unit),
            cost_line("  CPU of one, Python + PostgreSQL", self.costs, self.floor_costs),
        ]


def in_turns(stage: Stage, ours: Side, floor: Side, *, between: Callable[[], None] = lambda: None) -> Result:
    """Measure both sides ``turns`` times after one turn to warm up; ``between`` is called at the end of each turn.

    On a machine that is too busy for that there are fewer turns, but three at the least.
    """
    result = Result()
    until = time.monotonic() + stage.scale.turns_seconds
    for turn in range(stage.scale.turns + 1):
        if turn > LEAST_TURNS and time.monotonic() > until:
            break
        for side, rates, costs in (
            (floor, result.floor, result.floor_costs),
            (ours, result.ours, result.costs),
        ):
            load, cost = _measure(stage, side)
            if turn:
                rates.append(load.rate)
                costs.append(cost)
        if turn:
            between()
    return result


def _measure(stage: Stage, side: Side) -> tuple[Load, Cost]:
    requests = side.requests()
    load, cost = measured(side.server.pid, stage.database_url, lambda: stage.generator.closed(side.target(), requests))
    return whole(load), cost


def whole(load: Load) -> Load:
    """Return the load if every reply in it was right; RuntimeError otherwise, because errors have no rate."""
    if load.wrong or not load.done:
        raise RuntimeError(f"{load.wrong} replies were wrong, {load.done} right")
    return load
