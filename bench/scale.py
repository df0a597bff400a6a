"""How much one run does; everything is bounded by a count and by a time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts of one run. A turn is one measurement of one side; sides take turns ``turns`` times."""

    turns: int
    customers: int
    groups: int
    services: int
    old_orders: int
    """Orders placed before anything is measured; status calls ask after them."""
    connections: int
    placings: int
    """Orders of one turn of placing."""
    statuses: int
    bulk_statuses: int
    lists: int
    paced_seconds: float
    """How long the latency is looked at, at half the rate that was measured."""
    dispatches: int
    """Orders of one turn of dispatching."""
    catalogue: int
    """Services of the catalogue that is read from a supplier."""
    transfers: int
    """Transfers of the history that the audit goes over."""
    pgbench_seconds: int
    turns_seconds: float
    """How long the turns of one comparison may take together."""
    turn_seconds: float
    """A turn that takes longer is cut off there; its rate is of what was done by then."""


FULL = Scale(
    turns=7,
    customers=100,
    groups=200,
    services=5_000,
    old_orders=10_000,
    connections=16,
    placings=3_000,
    statuses=5_000,
    bulk_statuses=500,
    lists=300,
    paced_seconds=5.0,
    dispatches=5_000,
    catalogue=10_000,
    transfers=1_000_000,
    pgbench_seconds=2,
    turns_seconds=45.0,
    turn_seconds=15.0,
)

QUICK = Scale(
    turns=1,
    customers=10,
    groups=10,
    services=100,
    old_orders=1_000,
    connections=4,
    placings=100,
    statuses=100,
    bulk_statuses=10,
    lists=20,
    paced_seconds=0.5,
    dispatches=100,
    catalogue=200,
    transfers=5_000,
    pgbench_seconds=1,
    turns_seconds=20.0,
    turn_seconds=10.0,
)
