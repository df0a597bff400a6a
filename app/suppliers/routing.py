"""Which route an order takes next: a pure choice among the facts of the moment."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route as it stands now. ``cost`` is of one piece in ``currency``, that of the sale; None if it is not known or
    there is no rate; ``rank`` is where it stands by the service's way of routing, the lowest first, None with the cost;
    ``blocked`` says why it may not be used, None if it may;
    ``blocked_seconds`` when that ends by itself, None if it does not."""

    route_id: int
    service_id: int
    priority: int
    cost: int | None
    currency: str
    rank: int | None
    blocked: str | None
    blocked_seconds: float | None


def next_route(
    routes: Iterable[RouteFacts], *, refused: Collection[int], quantity: int, price: int, currency: str
) -> RouteFacts | None:
    """Return the best route that did not refuse, may be used now and costs no more than the price sold."""
    usable = [
        route
        for route in routes
        if route.route_id not in refused
        and route.blocked is None
        and route.cost is not None
        and route.currency == currency
        and route.cost * quantity <= price
    ]
    return min(usable, key=best_first, default=None)


def best_first(route: RouteFacts) -> tuple[bool, int, int, int]:
    """Sort routes by their rank, then by priority and age; what has no rank comes last."""
    return (route.rank is None, route.rank or 0, route.priority, route.route_id)
