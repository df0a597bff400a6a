"""What happens next, as one pure table: from how a call to a supplier ended to what is written down.

=================  ========================================================================================
Placed             the order is in process, the poller asks after it; done or failed if they answered at once
NotSent            the supplier is left alone for a moment, the order takes the next route or waits
Unsupported        they know no bulk call, which proves that nothing was bought; it is sent again, singly
Refused
  NO_FUNDS         the supplier is paused, the order takes the next route or waits; the customer notices nothing
  BAD_CREDENTIALS  the same
  BLOCKED          the same
  THROTTLED        the same, for a minute
  SERVICE_OFF      the route is paused; the next route, else the order is rejected with their words
  BAD_INPUT        the order is rejected with their words: another supplier would say the same
  DUPLICATE OTHER  the next route, else the order is rejected with their words
Unclear            the order is in process and waits for evidence or a person; nothing is sent again
FAILED report      the order is rejected with their words: answers are final
=================  ========================================================================================
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.orders.attempts import ClaimedAttempt, ClaimedPoll, Postponed, Write
from app.orders.states import AttemptState, OrderState
from app.suppliers.routing import RouteFacts, next_route

PlaceOutcome = Placed | NotSent | Refused | Unclear | Unsupported

FIRST_POLL_SECONDS = 1.0
FIRST_FIND_SECONDS = 30.0
HOLD_SECONDS = 300.0
"""How long an order waits when nothing says when its route may be used again."""

ORDER_CLOSED = "the order is closed"
"""What claim_attempts() says of an attempt whose order needs none any more."""

NOT_TAKEN = "The supplier did not take the order."


@dataclass(frozen=True, slots=True)
class Rule:
    """What a refusal leads to: whom to pause for how long, whether this order may try other routes."""

    pause: str | None = None
    seconds: int = 0
    moves_on: bool = True
    waits: bool = False
    """The no is of the moment: the same route may serve the order later."""


REFUSALS: dict[RefusalReason, Rule] = {
    RefusalReason.BAD_INPUT: Rule(moves_on=False),
    RefusalReason.DUPLICATE: Rule(),
    RefusalReason.NO_FUNDS: Rule("supplier", 600, waits=True),
    RefusalReason.SERVICE_OFF: Rule("route", 1800),
    RefusalReason.BAD_CREDENTIALS: Rule("supplier", 600, waits=True),
    RefusalReason.BLOCKED: Rule("supplier", 600, waits=True),
    RefusalReason.THROTTLED: Rule("supplier", 60, waits=True),
    RefusalReason.OTHER: Rule(),
}
UNREACHABLE = Rule("supplier", 20, waits=True)
AGAIN = Rule(waits=True)


@dataclass(frozen=True, slots=True)
class Pause:
    """A supplier or route to leave alone for a while, and why."""

    target: str
    seconds: int
    reason: str


def pause_after(outcome: PlaceOutcome) -> Pause | None:
    """Return whom this outcome pauses, if anybody."""
    rule = _rule(outcome)
    if rule is None or rule.pause is None or not isinstance(outcome, NotSent | Refused):
        return None
    what = outcome.reason.value if isinstance(outcome, Refused) else "unreachable"
    return Pause(rule.pause, rule.seconds, f"{what}: {outcome.text}"[:300])


def _rule(outcome: PlaceOutcome) -> Rule | None:
    if isinstance(outcome, NotSent):
        return UNREACHABLE
    if isinstance(outcome, Unsupported):
        return AGAIN
    return REFUSALS[outcome.reason] if isinstance(outcome, Refused) else None


def needs_route(outcome: PlaceOutcome) -> bool:
    """Whether the facts of the service's routes are needed to decide what follows."""
    rule = _rule(outcome)
    return rule is not None and rule.moves_on


def after_place(
    claim: ClaimedAttempt, outcome: PlaceOutcome, routes: Iterable[RouteFacts], *, place_exchange: int | None = None
) -> Write:
    """Decide what is written after a call to place; ``routes`` are the service's, as they stand after any pause."""
    base = Write(claim.attempt_id, AttemptState.SENDING, AttemptState.UNCLEAR, place_exchange=place_exchange)
    if isinstance(outcome, Placed):
        return _placed(base, outcome)
    if isinstance(outcome, Unclear):
        return replace(base, text=outcome.text, order_to=OrderState.IN_PROGRESS, due=FIRST_FIND_SECONDS)
    if isinstance(outcome, NotSent | Unsupported):
        write = replace(base, new=AttemptState.NOT_SENT, text=outcome.text)
        return _move_on(write, claim, routes, claim.refused_routes)
    write = replace(base, new=AttemptState.REFUSED, refusal=outcome.reason.value, text=outcome.text)
    rule = REFUSALS[outcome.reason]
    if not rule.moves_on:
        return _reject(write, outcome.text)
    refused = claim.refused_routes if rule.waits else [*claim.refused_routes, claim.route_id]
    return _move_on(write, claim, routes, refused)


def _placed(base: Write, placed: Placed) -> Write:
    write = replace(base, new=AttemptState.PLACED, remote_id=placed.remote_id, cost=placed.cost)
    report = placed.report
    if report is not None and report.status is not ReportStatus.PENDING and not is_empty(report):
        return _reported(write, report)
    return replace(write, due=FIRST_POLL_SECONDS, order_to=OrderState.IN_PROGRESS, note=report.note if report else None)


def _reported(write: Write, report: Report) -> Write:
    write = replace(write, note=report.note, cost=write.cost if report.cost is None else report.cost)
    if report.status is ReportStatus.DONE and report.delivered != 0:
        return replace(
            write,
            new=AttemptState.DONE,
            order_to=OrderState.COMPLETED,
            result=report.text if report.text.strip() or report.file is None else f"File: {report.file.name}",
            delivered=report.delivered,
        )
    return _reject(replace(write, new=AttemptState.FAILED), report.text)


def is_empty(report: Report) -> bool:
    """Whether a report says done without anything to deliver, which is not yet an end."""
    return report.status is ReportStatus.DONE and not report.text.strip() and report.file is None


def after_report(poll: ClaimedPoll, report: Report, *, report_exchange: int | None = None) -> Write | Postponed:
    """Decide what is written after a supplier's word on a placed attempt; nothing but DONE and FAILED ends it."""
    if report.status is ReportStatus.PENDING or is_empty(report):
        note = "done, but without a result" if is_empty(report) else report.note
        return Postponed(poll.attempt_id, next_poll_seconds(poll.age_seconds), note or None)
    write = Write(poll.attempt_id, AttemptState.PLACED, AttemptState.PLACED, report_exchange=report_exchange)
    return _reported(write, report)


def aside(claim: ClaimedAttempt, routes: Iterable[RouteFacts]) -> Write | Postponed:
    """Decide what becomes of a claimed attempt whose route may not be used now: the next route, or it waits."""
    if claim.blocked == ORDER_CLOSED:
        return Write(claim.attempt_id, AttemptState.PREPARED, AttemptState.NOT_SENT, text=claim.blocked)
    other = next_route(
        routes, refused=claim.refused_routes, quantity=claim.quantity, price=claim.price, currency=claim.currency
    )
    if other is None or other.route_id == claim.route_id:
        return Postponed(claim.attempt_id, _hold(claim.blocked_seconds), claim.blocked)
    return Write(
        claim.attempt_id,
        AttemptState.PREPARED,
        AttemptState.NOT_SENT,
        text=claim.blocked,
        next_route=other.route_id,
    )


def found(claim: ClaimedAttempt, placed: Placed, *, report_exchange: int | None = None) -> Write:
    """Decide what follows when an unclear attempt proved to be at the supplier."""
    base = Write(
        claim.attempt_id, AttemptState.UNCLEAR, AttemptState.PLACED, remote_id=placed.remote_id, cost=placed.cost
    )
    return replace(base, order_to=OrderState.IN_PROGRESS, report_exchange=report_exchange)


def not_there(claim: ClaimedAttempt, text: str, routes: Iterable[RouteFacts]) -> Write:
    """Decide what follows when an unclear attempt proved not to be at the supplier: the next route, else rejected."""
    write = Write(
        claim.attempt_id, AttemptState.UNCLEAR, AttemptState.REFUSED, refusal=RefusalReason.OTHER.value, text=text
    )
    return _move_on(write, claim, routes, [*claim.refused_routes, claim.route_id])


def _move_on(write: Write, claim: ClaimedAttempt, routes: Iterable[RouteFacts], refused: Collection[int]) -> Write:
    known = [route for route in routes if route.route_id not in refused]
    usable = next_route(known, refused=(), quantity=claim.quantity, price=claim.price, currency=claim.currency)
    if usable is not None:
        return replace(write, next_route=usable.route_id)
    waiting = min(known, key=lambda route: (route.blocked_seconds is None, route.priority), default=None)
    if waiting is not None:
        return replace(write, next_route=waiting.route_id, next_due=_hold(waiting.blocked_seconds))
    return _reject(write, write.text or NOT_TAKEN)


def _reject(write: Write, words: str) -> Write:
    return replace(write, text=words, order_to=OrderState.REJECTED, reason=words.strip() or NOT_TAKEN)


def _hold(blocked_seconds: float | None) -> float:
    return HOLD_SECONDS if blocked_seconds is None else max(blocked_seconds, 0) + 0.5


def next_poll_seconds(age_seconds: float) -> float:
    """Return when to ask again: often while young, seldom when old, never not at all."""
    for up_to, interval in ((10, 1.0), (60, 3.0), (600, 10.0), (3600, 60.0), (21_600, 300.0)):
        if age_seconds < up_to:
            return interval
    return 900.0
