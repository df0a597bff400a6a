"""What a price becomes from a cost, for any cost and any rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.markup import Markup, Rule, Rules, may_move, price_from_cost, round_up
from app.money import MICRO

CENT = MICRO // 100

costs = st.integers(0, 10**12)
amounts = st.integers(0, 10**9)


@st.composite
def markups(draw: st.DrawFn) -> Markup:
    step = draw(st.one_of(st.sampled_from([1, CENT, 5 * CENT, MICRO]), st.integers(1, 10**9)))
    return Markup(
        basis_points=draw(st.integers(0, 1_000_000)),
        fixed=draw(amounts),
        floor=draw(amounts),
        least_margin=draw(amounts),
        rounding_step=step,
        rounding_ending=draw(st.integers(0, step - 1)),
    )


@given(costs, markups())
def test_a_price_keeps_every_promise_of_its_rule(cost: int, markup: Markup) -> None:
    price = price_from_cost(cost, markup)
    assert price >= markup.floor
    assert price >= cost + markup.least_margin
    # In whole numbers: price >= cost * (1 + percent) + fixed.
    assert (price - markup.fixed) * 10_000 >= cost * (10_000 + markup.basis_points)
    assert price % markup.rounding_step == markup.rounding_ending


@given(costs, markups())
def test_a_price_is_the_lowest_that_keeps_them(cost: int, markup: Markup) -> None:
    lower = price_from_cost(cost, markup) - markup.rounding_step
    assert lower < 0 or not (
        lower >= markup.floor
        and lower >= cost + markup.least_margin
        and (lower - markup.fixed) * 10_000 >= cost * (10_000 + markup.basis_points)
    )


@given(costs, costs, markups())
def test_what_costs_more_is_never_sold_for_less(one: int, other: int, markup: Markup) -> None:
    low, high = sorted((one, other))
    assert price_from_cost(low, markup) <= price_from_cost(high, markup)


@given(costs, markups())
def test_a_rounded_price_is_rounded_no_further(amount: int, markup: Markup) -> None:
    once = round_up(amount, markup.rounding_step, markup.rounding_ending)
    assert round_up(once, markup.rounding_step, markup.rounding_ending) == once


def test_percent_and_fixed_and_an_ending() -> None:
    markup = Markup(basis_points=2500, fixed=10 * CENT, rounding_step=MICRO, rounding_ending=99 * CENT)
    assert price_from_cost(2 * MICRO, markup) == 2_990_000  # 2.60, up to .99
    assert price_from_cost(2 * MICRO, Markup(basis_points=1, rounding_step=5 * CENT)) == 2_050_000
    assert price_from_cost(0, Markup(floor=3)) == 3
    assert price_from_cost(3, Markup(basis_points=1)) == 4, "a fraction of a micro-unit is one"
    with pytest.raises(ValueError, match="below zero"):
        price_from_cost(-1, Markup())


@given(st.integers(0, 10**12), costs, st.integers(0, 1000), st.integers(0, 100))
def test_a_price_moves_by_itself_only_within_its_limits(old: int, new: int, up: int, down: int) -> None:
    within = old * (100 - down) <= new * 100 <= old * (100 + up)
    assert may_move(old, new, up_percent=up, down_percent=down) == within
    assert may_move(old, new, up_percent=None, down_percent=None)
    assert may_move(None, new, up_percent=0, down_percent=0)


def rule(rule_id: int, **scope: int | None) -> Rule:
    """Return a rule for a scope."""
    full = {"price_group_id": None, "service_group_id": None, "service_id": None, **scope}
    return Rule(
        id=rule_id, currency="USD", markup=Markup(), up_percent=None, down_percent=None, cost_basis="dearest", **full
    )


def test_the_nearest_rule_makes_the_price() -> None:
    rules = Rules([rule(1), rule(2, service_group_id=7), rule(3, service_id=70), rule(4, price_group_id=9)])

    def made_by(service_id: int, group: int, *, price_group_id: int | None = None, currency: str = "USD") -> int | None:
        found = rules.rule_for(
            service_id=service_id, service_group_id=group, price_group_id=price_group_id, currency=currency
        )
        return found.id if found else None

    assert [made_by(70, 7), made_by(71, 7), made_by(80, 8)] == [3, 2, 1]
    assert made_by(70, 7, price_group_id=9) == 4, "a price group has its own rules"
    assert made_by(70, 7, price_group_id=10) is None
    assert made_by(70, 7, currency="EUR") is None
