"""What a price becomes from a cost by a mark-up rule, and whether it may change by that much by itself: pure, exact.

All amounts are whole micro-units of one currency and every division rounds up, so that no price is below the cost, or
by a fraction of a micro-unit below what its rule says.
"""

from collections.abc import Iterable
from dataclasses import dataclass

HUNDRED_PERCENT = 10_000
"""A hundred percent in basis points."""


@dataclass(frozen=True, slots=True)
class Markup:
    """How a price is made from a cost: ``basis_points`` of the cost and ``fixed`` are added to it.

    The price is at least ``floor``, and at least the cost plus ``least_margin``. Then it is rounded up to the next
    amount that ends as wanted: a multiple of ``rounding_step`` plus ``rounding_ending`` (1.00 and 0.99 make 3.99).
    """

    basis_points: int = 0
    fixed: int = 0
    floor: int = 0
    least_margin: int = 0
    rounding_step: int = 1
    rounding_ending: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A mark-up with what it is for: the list prices or a price group's, of a service, of a service group, or of all.

    ``up_percent`` and ``down_percent`` are how far a price may move by itself, in percent of what was paid so far, None
    for any. ``cost_basis`` names the route that the cost is of: ``first`` by priority, or the ``dearest``.
    """

    id: int
    price_group_id: int | None
    service_group_id: int | None
    service_id: int | None
    currency: str
    markup: Markup
    up_percent: int | None
    down_percent: int | None
    cost_basis: str


class Rules:
    """The rules there are, asked for the one that makes a price: the service's, else its group's, else the default."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Scopes are unique, in each currency and for each price group."""
        self._rules = {
            (rule.currency, rule.price_group_id, rule.service_group_id, rule.service_id): rule for rule in rules
        }

    def rule_for(
        self, *, service_id: int, service_group_id: int, price_group_id: int | None, currency: str
    ) -> Rule | None:
        """Return the nearest rule for a service's price in ``currency``; ``price_group_id`` None is the list price."""
        for scope in ((None, service_id), (service_group_id, None), (None, None)):
            rule = self._rules.get((currency, price_group_id, *scope))
            if rule is not None:
                return rule
        return None


def price_from_cost(cost: int, markup: Markup) -> int:
    """Return the price of one piece that costs ``cost`` (zero or more); ValueError for a cost below zero."""
    if cost < 0:
        raise ValueError("a cost is not below zero")
    marked_up = cost - (-cost * markup.basis_points // HUNDRED_PERCENT) + markup.fixed
    return round_up(
        max(marked_up, cost + markup.least_margin, markup.floor), markup.rounding_step, markup.rounding_ending
    )


def round_up(amount: int, step: int, ending: int) -> int:
    """Return the lowest amount that is not below ``amount`` and is a multiple of ``step`` plus ``ending``."""
    return max(-((ending - amount) // step), 0) * step + ending


def may_move(old: int | None, new: int, *, up_percent: int | None, down_percent: int | None) -> bool:
    """Whether a price may go from ``old`` to ``new`` by itself; the first price of all is not a change of one."""
    if old is None or new == old:
        return True
    if new > old:
        return up_percent is None or (new - old) * 100 <= old * up_percent
    return down_percent is None or (old - new) * 100 <= old * down_percent
