"""Asking after one order, and after a hundred in one call."""

from collections.abc import Iterator, Sequence

from bench import wire
from bench.report import Line
from bench.shop import Buyer
from bench.stage import Stage
from bench.turns import Side, in_turns

TARGET = 0.7
BULK = 100


def measure(stage: Stage) -> list[Line]:
    """Return calls per second of both sides, for one order and for a hundred."""
    one = list(_asked(stage, stage.scale.statuses, 1))
    many = list(_asked(stage, stage.scale.bulk_statuses, BULK))
    return [
        *_compare(stage, "status of one order", [wire.status(buyer, ids[0]) for buyer, ids in one], one),
        *_compare(stage, f"status of {BULK} orders", [wire.bulk_status(buyer, ids) for buyer, ids in many], many),
    ]


def _asked(stage: Stage, count: int, orders: int) -> Iterator[tuple[Buyer, Sequence[int]]]:
    """Yield customers and orders of theirs: in turn all that they had before."""
    for number, buyer in enumerate(stage.buyers(count)):
        theirs = stage.old_orders[buyer.key_id]
        start = number * orders % len(theirs)
        yield buyer, (theirs[start:] + theirs[:start])[:orders]


def _compare(
    stage: Stage, what: str, requests: Sequence[bytes], asked: Sequence[tuple[Buyer, Sequence[int]]]
) -> list[Line]:
    floor_requests = [wire.floor_status(buyer, ids) for buyer, ids in asked]
    ours = Side(stage.server, b'"STATUS"', lambda: requests)
    floor = Side(stage.floor, b'"state"', lambda: floor_requests)
    return in_turns(stage, ours, floor).lines(what, target=TARGET, unit="calls/s")
