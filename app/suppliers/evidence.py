"""What our balance at a supplier proves about one attempt that may have arrived there: read, never acted on.

The balance before the attempt was sent, less what is known to have been taken since, is compared with the balance
after. Where that could be read in two ways, the verdict is unknown. What is believed of a supplier: it charges within
ten minutes of being sent an order, the cost we keep, and gives all of it back if it fails. Staff say for which supplier
that is good enough to act on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import LiteralString

from app.db import Connection
from app.errors import NotFound

SETTLED = timedelta(minutes=10)
"""By then a supplier has charged what it was sent, and given back what it failed."""
HORIZON = timedelta(hours=2)
"""Readings so long after sending are looked at; if there is none, the first one later."""
DEPOSIT_SLACK = timedelta(days=1)
"""So far may the time at which a deposit was written down be from the one at which it arrived."""
MAX_DEPOSITS = 8
MAX_OTHERS = 5000
_IN_DOUBT = frozenset({"sending", "unclear", "abandoned"})
_BOUGHT = frozenset({"placed", "done", "failed"})


class Verdict(StrEnum):
    """Whether the supplier took our money for the attempt."""

    CHARGED = "charged"
    NOT_CHARGED = "not_charged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BalanceEvidence:
    """The balances around an attempt, in micro-units of ``currency``, and what they prove.

    ``unexplained`` is what left the account between the two readings beyond ``other_costs`` and ``deposits``, None
    without both. ``others_in_doubt`` counts other attempts that could account for any of it. ``reason`` is a sentence.
    """

    currency: str
    before: int | None
    before_at: datetime | None
    after: int | None
    after_at: datetime | None
    deposits: int
    other_costs: int
    unexplained: int | None
    others_in_doubt: int
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A balance that was asked for at ``asked_at`` and written down at ``at``: it was so at some moment between."""

    amount: int
    currency: str
    asked_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money paid in, when it was written down."""

    amount: int
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt as far as the supplier's balance is concerned; ``in_part`` if less was delivered than ordered."""

    state: str
    cost: int | None
    currency: str | None
    sent_at: datetime
    placed_at: datetime | None = None
    closed_at: datetime | None = None
    in_part: bool = False


_SENT: LiteralString = """
SELECT supplier_id, state, cost, currency, sent_at, placed_at, closed_at, in_part FROM attempt_charges
WHERE attempt_id = %s
"""
_BEFORE: LiteralString = """
SELECT amount, currency, asked_at, at FROM balance_readings
WHERE supplier_id = %(supplier)s AND at <= %(sent)s ORDER BY at DESC LIMIT 1
"""
_AFTER: LiteralString = """
(SELECT amount, currency, asked_at, at FROM balance_readings
 WHERE supplier_id = %(supplier)s AND at > %(sent)s ORDER BY at LIMIT 1)
UNION
(SELECT amount, currency, asked_at, at FROM balance_readings
 WHERE supplier_id = %(supplier)s AND at > %(sent)s AND at <= %(sent)s + %(horizon)s ORDER BY at LIMIT 500)
ORDER BY at
"""
_DEPOSITS: LiteralString = """
SELECT amount, currency::text AS currency, at FROM supplier_deposits
WHERE supplier_id = %(supplier)s AND at > %(from)s - %(slack)s AND at <= %(to)s + %(slack)s ORDER BY at
"""
# Sent in that time; or failed in it, or delivered in part, however long ago they were sent.
_OTHERS: LiteralString = """
SELECT state, cost, currency, sent_at, placed_at, closed_at, in_part FROM attempt_charges
WHERE supplier_id = %(supplier)s AND attempt_id <> %(attempt)s AND sent_at >= %(from)s AND sent_at < %(to)s
  AND state IN ('sending', 'unclear', 'abandoned', 'placed', 'done', 'failed')
UNION ALL
SELECT state, cost, currency, sent_at, placed_at, closed_at, in_part FROM attempt_charges
WHERE supplier_id = %(supplier)s AND attempt_id <> %(attempt)s AND sent_at < %(from)s
  AND state = 'failed' AND closed_at >= %(from)s
UNION ALL
SELECT s.state, s.cost, s.currency, s.sent_at, s.placed_at, s.closed_at, s.in_part
FROM orders o JOIN attempt_charges s ON s.order_id = o.id
WHERE o.delivered IS NOT NULL AND o.closed_at >= %(from)s AND s.supplier_id = %(supplier)s
  AND s.attempt_id <> %(attempt)s AND s.sent_at < %(from)s AND s.state = 'done'
LIMIT %(most)s
"""
_LINGERING: LiteralString = """
SELECT COALESCE(sum(cost), 0)::bigint AS cost FROM attempts
WHERE supplier_id = %(supplier)s AND id <> %(attempt)s AND sent_at < %(from)s
  AND state IN ('sending', 'unclear', 'abandoned', 'placed')
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that moved, or may have moved, the balance around an attempt.

    ``readings`` are those after it was sent, the oldest first; ``lingering`` is what others cost that were sent long
    before and are still open.
    """

    before: Reading | None
    readings: Sequence[Reading]
    deposits: Sequence[Deposit]
    others: Sequence[Sent]
    lingering: int = 0


async def balance_evidence(conn: Connection, attempt_id: int) -> BalanceEvidence:
    """Return what our balance at the supplier proves of an attempt; changes nothing. NotFound if there is none."""
    cursor = await conn.execute(_SENT, (attempt_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such attempt.")
    supplier_id = row.pop("supplier_id")
    if row["sent_at"] is None:
        return _nothing(row["currency"] or "", Surroundings(None, (), (), ()), "The attempt was not sent.")
    attempt = Sent(**row)
    values = {"supplier": supplier_id, "attempt": attempt_id, "sent": attempt.sent_at, "horizon": HORIZON}
    cursor = await conn.execute(_BEFORE, values)
    first = await cursor.fetchone()
    cursor = await conn.execute(_AFTER, values)
    readings = [Reading(**one) for one in await cursor.fetchall()]
    if first is None or not readings:
        return judge(attempt, Surroundings(Reading(**first) if first else None, readings, (), ()))
    before = Reading(**first)
    values |= {"from": before.asked_at - SETTLED, "to": readings[-1].at, "slack": DEPOSIT_SLACK, "most": MAX_OTHERS}
    cursor = await conn.execute(_DEPOSITS, values)
    deposits = [Deposit(**one) for one in await cursor.fetchall()]
    cursor = await conn.execute(_OTHERS, values)
    others = [Sent(**one) for one in await cursor.fetchall()]
    lingering = await (await conn.execute(_LINGERING, values)).fetchone()
    around = Surroundings(before, readings, deposits, others, lingering["cost"] if lingering else 0)
    if len(others) >= MAX_OTHERS:
        return _nothing(attempt.currency or "", around, "Too much was bought there at the same time.")
    return judge(attempt, around)


def judge(attempt: Sent, around: Surroundings) -> BalanceEvidence:
    """Return what the balances prove of ``attempt``: something only if every reading after it that proves anything
    proves the same, and none contradicts it."""
    currency = attempt.currency or ""
    if around.before is None or not around.readings:
        which = "before" if around.before is None else "after"
        return _nothing(currency, around, f"The supplier's balance was not read {which} the attempt was sent.")
    windows = [_window(attempt, around.before, number, around) for number in range(len(around.readings))]
    found = [window for window in windows if window.verdict is not Verdict.UNKNOWN]
    broken = [window for window in windows if window.reason == _BROKEN]
    if not found:
        return (broken or windows)[-1]
    if broken:
        return broken[-1]
    charged = {window.verdict is Verdict.CHARGED for window in found}
    if len(charged) > 1 or (charged == {True} and any(window.reason == _HIDDEN for window in windows)):
        return _but(found[-1], "The balance showed the cost at one time and did not at another.")
    if attempt.state not in ("unclear", "abandoned"):
        return _but(found[-1], "The attempt is not in doubt.")
    return found[-1]


_BROKEN = "The balances differ by what neither this attempt nor anything else that is known explains."
_HIDDEN = "Nothing is missing, but other orders are open there whose money may have been given back."


def _window(attempt: Sent, before: Reading, number: int, around: Surroundings) -> BalanceEvidence:
    """Return what the time from ``before`` to one of the readings after shows by itself."""
    after = around.readings[number]
    deposits = sum(one.amount for one in around.deposits if before.at < one.at <= after.at)
    effects = [_effect(one, before, after, attempt.currency) for one in around.others]
    other_costs = sum(effect.cost for effect in effects)
    doubts = sum(effect.doubt for effect in effects)
    returns = around.lingering + sum(effect.returns for effect in effects)
    unexplained = before.amount - after.amount + deposits - other_costs
    seen = (before, *around.readings[: number + 1])
    verdict, reason = Verdict.UNKNOWN, _BROKEN
    if not attempt.cost:
        reason = "The attempt costs nothing, so that no balance shows it."
    elif {one.currency for one in seen} | {one.currency for one in around.deposits} != {attempt.currency}:
        reason = "Balances, deposits and the attempt's cost are not all in one currency."
    elif doubts:
        reason = f"{doubts} other attempts at this supplier may account for the difference."
    elif _rises(seen, around.deposits):
        reason = "The balance rose between the readings by more than was written down as paid in."
    elif _could_hide(around.deposits, before, after, attempt.cost, returns):
        reason = "When money was paid in around that time is not known well enough."
    elif unexplained == attempt.cost:
        verdict, reason = Verdict.CHARGED, "The balance fell by exactly what this attempt costs."
    elif unexplained == 0 and after.asked_at < attempt.sent_at + SETTLED:
        reason = "Nothing is missing, but the reading is too early to prove that."
    elif unexplained == 0 and returns:
        # One of them may have failed there without our knowing, and its money hides what this attempt took.
        reason = _HIDDEN
    elif unexplained == 0:
        verdict, reason = (
            Verdict.NOT_CHARGED,
            "The balance shows all that was bought since, and this attempt is not in it.",
        )
    return BalanceEvidence(
        currency=attempt.currency or "",
        before=before.amount,
        before_at=before.at,
        after=after.amount,
        after_at=after.at,
        deposits=deposits,
        other_costs=other_costs,
        unexplained=unexplained,
        others_in_doubt=doubts,
        verdict=verdict,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class _Effect:
    """What another attempt did between two readings: ``cost`` for certain, ``doubt`` if that is not certain,
    ``returns`` if that may have been given back without our knowing."""

    cost: int = 0
    doubt: bool = False
    returns: int = 0


def _effect(one: Sent, before: Reading, after: Reading, currency: str | None) -> _Effect:
    if one.sent_at >= after.at or one.cost == 0 or one.state not in _IN_DOUBT | _BOUGHT:
        return _Effect()
    charged_by = one.sent_at + SETTLED
    if one.placed_at is not None:
        charged_by = min(charged_by, one.placed_at)
    earlier = charged_by <= before.asked_at
    if one.state in _IN_DOUBT:
        return _Effect(doubt=not earlier, returns=one.cost or 0)
    if one.state == "failed" or one.in_part:
        # Given back at some moment until we heard of it, or shortly after.
        over = one.closed_at is not None and one.closed_at + SETTLED <= before.asked_at
        return _Effect(doubt=not over)
    returns = (one.cost or 0) if one.state == "placed" else 0
    if earlier:
        return _Effect(returns=returns)
    if one.sent_at < before.at or charged_by > after.asked_at or one.cost is None or one.currency != currency:
        return _Effect(doubt=True)
    return _Effect(cost=one.cost, returns=returns)


def _rises(seen: Sequence[Reading], deposits: Sequence[Deposit]) -> bool:
    """Whether the balance rose from one reading to the next by more than the deposits written down between them."""
    return any(
        later.amount - earlier.amount > sum(one.amount for one in deposits if earlier.at < one.at <= later.at)
        and later.amount > earlier.amount
        for earlier, later in pairwise(seen)
    )


def _could_hide(deposits: Sequence[Deposit], before: Reading, after: Reading, cost: int, returns: int) -> bool:
    """Whether deposits that arrived at another time than written down could look like this cost, or make up for it,
    together with ``returns`` at most that were given back unheard."""
    near = [one for one in deposits if before.at - DEPOSIT_SLACK < one.at <= after.at + DEPOSIT_SLACK]
    if len(near) > MAX_DEPOSITS:
        return True
    sums = {0}
    for one in near:
        sums |= {known + change for known in sums for change in (one.amount, -one.amount)}
    return any(cost <= change <= cost + returns for change in sums)


def _but(evidence: BalanceEvidence, reason: str) -> BalanceEvidence:
    return replace(evidence, verdict=Verdict.UNKNOWN, reason=reason)


def _nothing(currency: str, around: Surroundings, reason: str) -> BalanceEvidence:
    before, after = around.before, around.readings[-1] if around.readings else None
    return BalanceEvidence(
        currency=currency,
        before=before.amount if before else None,
        before_at=before.at if before else None,
        after=after.amount if after else None,
        after_at=after.at if after else None,
        deposits=0,
        other_costs=0,
        unexplained=None,
        others_in_doubt=0,
        verdict=Verdict.UNKNOWN,
        reason=reason,
    )
