"""Placing one order over HTTP, each for another device; then how long it takes at half that rate."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from statistics import median

from bench import pgbench, wire
from bench.client import Load
from bench.report import Line, latency, percentile, rate
from bench.shop import Buyer
from bench.stage import Stage
from bench.turns import Side, in_turns, whole

TARGET = 0.7
P99_SECONDS = 0.030
LATENCY_TURNS = 3


def measure(stage: Stage) -> list[Line]:
    """Return orders per second of both sides, the database's own limit, and the latency at half our rate."""
    count = stage.scale.placings
    limit: list[float] = []

    def database_alone() -> None:
        placed = pgbench.placings(stage)
        if placed is not None:
            limit.append(placed)

    result = in_turns(stage, _ours(stage, count), _floor(stage, count), between=database_alone)
    lines = result.lines("place one order", target=TARGET, unit="orders/s")
    if limit:
        lines.append(rate("  the same statement, pgbench -M prepared", limit, unit="orders/s"))
    return [*lines, *_latency(stage, median(result.ours) / 2)]


def _latency(stage: Stage, pace: float) -> list[Line]:
    count = max(int(pace * stage.scale.paced_seconds), 1)
    ours: list[Load] = []
    floor: list[Load] = []
    for _ in range(min(stage.scale.turns, LATENCY_TURNS)):
        for side, loads in ((_floor(stage, count), floor), (_ours(stage, count), ours)):
            loads.append(whole(stage.generator.paced(side.target(), side.requests(), pace)))
    return [
        latency(
            f"  latency at {pace:.0f} orders/s, {name}",
            [percentile(load.latencies, share) for load in ours],
            [percentile(load.latencies, share) for load in floor],
            below=below,
        )
        for name, share, below in (("median", 0.50, None), ("p99", 0.99, P99_SECONDS))
    ]


def _ours(stage: Stage, count: int) -> Side:
    def requests() -> Sequence[bytes]:
        return [wire.placing(buyer, service, device) for buyer, service, device in _wishes(stage, count)]

    return Side(stage.server, b'"REFERENCEID"', requests)


def _floor(stage: Stage, count: int) -> Side:
    def requests() -> Sequence[bytes]:
        return [
            wire.floor_placing(buyer, service, device, hashlib.sha256(device.encode()).hexdigest())
            for buyer, service, device in _wishes(stage, count)
        ]

    return Side(stage.floor, b'"placed"', requests)


def _wishes(stage: Stage, count: int) -> Iterator[tuple[Buyer, int, str]]:
    """Yield customers, services and devices; no device comes twice in a run."""
    return zip(stage.buyers(count), itertools.cycle(stage.shop.services), stage.imeis, strict=False)
