"""A simulated supplier that charges at placing and gives back at failure: what its balances prove is never wrong."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.suppliers.evidence import Deposit, Reading, Sent, Surroundings, Verdict, judge

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
SPAN = 7200
"""Seconds that are simulated, of which the attempt in question is sent in the middle."""


def at(seconds: float) -> datetime:
    """A moment of the simulation."""
    return START + timedelta(seconds=seconds)


class World:
    """What really happened at a supplier, drawn by chance, and what of it our books know."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.movements: list[tuple[float, int]] = []
        """(when, how much) the supplier really took, or gave if below zero."""
        self.costs = chance.choice([(1,), (1, 2), (1, 2, 3, 7)])
        sent = SPAN / 2
        self.arrived = chance.random() < 0.5
        cost = chance.choice(self.costs)
        self.attempt = Sent("unclear", cost, "USD", at(sent))
        if self.arrived:
            self.movements.append((sent + chance.uniform(0, 500), cost))
        self.deposits = [self.deposit() for _ in range(chance.choice([0, 0, 0, 1, 2]))]
        self.others = [self.other() for _ in range(chance.choice([0, 0, 1, 2, 4]))]
        self.readings = self.read()

    def deposit(self) -> Deposit:
        """Money that arrives at one time and is written down at another."""
        when, amount = self.chance.uniform(0, SPAN), self.chance.choice([1, 2, 3, 50, -2])
        self.movements.append((when, -amount))
        return Deposit(amount, "USD", at(when + self.chance.choice([0, 0, self.chance.uniform(-20_000, 20_000)])))

    def other(self) -> Sent:
        """Another attempt: what became of it there, and how much of that we know by now."""
        chance = self.chance
        sent, cost = chance.uniform(0, SPAN), chance.choice(self.costs)
        known = chance.choice(["done", "done", "placed", "failed", "unclear", "abandoned", "sending", "refused"])
        one = Sent(known, cost, "USD", at(sent))
        charged = sent + chance.uniform(0, 60)
        failed = charged + chance.uniform(0, SPAN)
        match known:
            case "refused":
                return one
            case "done":
                placed = charged + chance.uniform(0, 60)
                self.movements.append((charged, cost))
                return replace(one, placed_at=at(placed), closed_at=at(placed + chance.uniform(0, SPAN)))
            case "failed":
                self.movements += [(charged, cost), (failed, -cost)]
                placed = min(charged + chance.uniform(0, 60), failed)
                return replace(one, placed_at=at(placed), closed_at=at(failed + chance.uniform(0, 900)))
            case "placed":
                self.movements.append((charged, cost))
                if chance.random() < 0.5:  # failed there, which we have not heard yet
                    self.movements.append((failed, -cost))
                return replace(one, placed_at=at(charged + chance.uniform(0, 60)))
            case _:
                if chance.random() < 0.5:
                    self.movements.append((charged, cost))
                    if chance.random() < 0.5:
                        self.movements.append((failed, -cost))
                return one

    def read(self) -> list[Reading]:
        """The balance from time to time: it was so at some moment between question and note."""
        readings, moment = [], self.chance.uniform(0, SPAN / 2)
        while moment < SPAN:
            taken, end = moment + self.chance.uniform(0, 30), moment + self.chance.uniform(30, 60)
            balance = 1000 - sum(amount for when, amount in self.movements if when <= taken)
            readings.append(Reading(balance, "USD", at(moment), at(end)))
            moment = end + self.chance.choice([60, 600, 1800])
        return readings

    def surroundings(self) -> Surroundings:
        """What our books know."""
        before = [one for one in self.readings if one.at <= self.attempt.sent_at]
        after = [one for one in self.readings if one.at > self.attempt.sent_at]
        return Surroundings(before[-1] if before else None, after, self.deposits, self.others)


@settings(max_examples=2000, deadline=None)
@given(st.integers(0, 2**62))
def test_pain_1_the_verdict_of_the_balances_is_never_wrong(seed: int) -> None:
    world = World(random.Random(seed))
    evidence = judge(world.attempt, world.surroundings())
    if evidence.verdict is not Verdict.UNKNOWN:
        assert (evidence.verdict is Verdict.CHARGED) == world.arrived, evidence


def test_the_balances_decide_often_enough_to_be_of_use() -> None:
    verdicts = Counter(
        judge(world.attempt, world.surroundings()).verdict for world in (World(random.Random(n)) for n in range(3000))
    )
    assert verdicts[Verdict.CHARGED] > 300
    assert verdicts[Verdict.NOT_CHARGED] > 300


def quiet(*balances: int, **changes: object) -> tuple[Sent, Surroundings]:
    """An attempt of 5 sent at zero, a balance six minutes before it and every six minutes after it."""
    moments = (-360, *range(360, 36_000, 360))
    readings = [Reading(amount, "USD", at(when), at(when + 1)) for amount, when in zip(balances, moments, strict=False)]
    attempt = Sent("unclear", 5, "USD", at(0))
    return attempt, replace(Surroundings(readings[0], readings[1:], (), ()), **changes)  # type: ignore[arg-type]  # named by the tests


def verdict(*balances: int, **changes: object) -> Verdict:
    """What such balances prove."""
    return judge(*quiet(*balances, **changes)).verdict


def test_a_fall_by_the_cost_proves_it_and_none_proves_the_opposite_after_ten_minutes() -> None:
    assert verdict(20, 15) is Verdict.CHARGED
    assert verdict(20, 20) is Verdict.UNKNOWN, "six minutes are too early"
    assert verdict(20, 20, 20) is Verdict.NOT_CHARGED
    assert verdict(20, 20, 15) is Verdict.CHARGED, "it was charged late"
    assert verdict(20, 14) is Verdict.UNKNOWN
    assert verdict(20, 20, 19) is Verdict.UNKNOWN


def test_a_later_balance_that_does_not_fit_takes_the_proof_away() -> None:
    assert verdict(20, 15, 14) is Verdict.UNKNOWN
    assert verdict(20, 20, 20, 15) is Verdict.UNKNOWN, "another order's, or very late"
    assert verdict(20, 15, 15, 65) is Verdict.CHARGED, "paid in, and not yet written down"
    assert verdict(20, 20, 20, 18) is Verdict.UNKNOWN


def test_orders_beside_it_count_by_what_is_certain_of_them() -> None:
    done = Sent("done", 3, "USD", at(30), at(40), at(50))
    assert verdict(20, 12, 12, others=[done]) is Verdict.CHARGED
    assert verdict(20, 17, 17, others=[done]) is Verdict.NOT_CHARGED
    for state in ("unclear", "sending", "abandoned", "failed"):
        assert verdict(20, 12, 12, others=[done, replace(done, state=state, cost=4)]) is Verdict.UNKNOWN, state
    placed = replace(done, state="placed", closed_at=None)
    assert verdict(20, 12, 12, others=[placed]) is Verdict.CHARGED
    assert verdict(20, 17, 17, others=[placed]) is Verdict.UNKNOWN, "its money may have been given back unheard"
    assert verdict(20, 20, 20, lingering=5) is Verdict.UNKNOWN
    assert verdict(20, 15, 15, lingering=5) is Verdict.CHARGED
    afterwards = replace(done, state="unclear", sent_at=at(362))
    assert verdict(20, 15, others=[afterwards]) is Verdict.CHARGED, "sent after the only balance"
    at_the_reading = replace(done, sent_at=at(-361), placed_at=at(-355))
    assert verdict(20, 15, 15, others=[at_the_reading]) is Verdict.UNKNOWN, "before or after the first balance"
    assert verdict(20, 12, 12, others=[replace(done, currency="EUR")]) is Verdict.UNKNOWN
    assert verdict(20, 12, 12, others=[replace(done, in_part=True)]) is Verdict.UNKNOWN


def test_deposits_count_unless_their_time_could_make_the_difference() -> None:
    assert verdict(20, 65, 65, deposits=[Deposit(50, "USD", at(20))]) is Verdict.CHARGED
    assert verdict(20, 70, 70, deposits=[Deposit(50, "USD", at(20))]) is Verdict.NOT_CHARGED
    assert verdict(20, 20, 20, deposits=[Deposit(5, "USD", at(20))]) is Verdict.UNKNOWN, "written down too late?"
    six = [Deposit(6, "USD", at(20))]
    assert verdict(20, 21, 21, deposits=six) is Verdict.CHARGED
    assert verdict(20, 21, 21, deposits=six, lingering=1) is Verdict.UNKNOWN, "or paid in earlier, and one given back"
    assert verdict(20, 70, 65, 65) is Verdict.UNKNOWN, "a rise that nobody wrote down"
    assert verdict(20, 65, 65, deposits=[Deposit(50, "EUR", at(20))]) is Verdict.UNKNOWN


def test_what_is_not_in_doubt_or_costs_nothing_is_not_judged() -> None:
    attempt, around = quiet(20, 15)
    assert judge(replace(attempt, state="refused"), around).verdict is Verdict.UNKNOWN
    assert judge(replace(attempt, state="abandoned"), around).verdict is Verdict.CHARGED
    for cost in (0, None):
        assert judge(replace(attempt, cost=cost), around).verdict is Verdict.UNKNOWN
    assert judge(attempt, replace(around, before=None)).verdict is Verdict.UNKNOWN
    assert judge(attempt, replace(around, readings=())).verdict is Verdict.UNKNOWN
