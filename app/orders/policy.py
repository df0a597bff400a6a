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
  SERVICE_OFF      their service is paused; the next route, else the order is rejected with their words
  BAD_INPUT        the order is rejected with their words: another supplier would say the same
  DUPLICATE        the next route; else a person decides, if this supplier can be told to take it all the same
  OTHER            the next route, else the order is rejected with their words
Unclear            the order is in process and waits for evidence or a person; nothing is sent again
FAILED report      the order is rejected with their words: answers are final. Of an unlock whose service says so, the
                   next route that may be used now tries
=================  ========================================================================================

An order that is to be cancelled goes nowhere else: with proof that no supplier has it, it is rejected and refunded. An
attempt that staff ordered never moves on by itself, and an order of which an earlier attempt may have been bought is
never rejected for want of another route: a person decides.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.orders.attempts import ClaimedAttempt, ClaimedPoll, Postponed, Write
from app.orders.states import AttemptState, OrderState
from app.suppliers.routing import RouteFacts, best_first, next_route

PlaceOutcome = Placed | NotSent | Refused | Unclear | Unsupported

FIRST_POLL_SECONDS = 1.0
FIRST_FIND_SECONDS = 30.0
HOLD_SECONDS = 300.0
"""How long an order waits when nothing says when its route may be used again."""
LATE_POLL_SECONDS = 60.0
"""An order that is later than was promised is asked after this often at least."""

ORDER_CLOSED = "the order is closed"
"""What claim_attempts() says of an attempt whose order needs none any more."""
ORDER_CANCELLED = "the order is to be cancelled"
"""What it says of one that nobody wants any more and that was not sent yet."""

NOT_TAKEN = "The supplier did not take the order."
CANCELLED = "Cancelled."


@dataclass(frozen=True, slots=True)
class Rule:
    """What a refusal leads to: whose circuit opens for how long, whether this order may try other routes."""

    pause: str | None = None
    seconds: int = 0
    moves_on: bool = True
    waits: bool = False
    """The no is of the moment: the same route may serve the order later."""


REFUSALS: dict[RefusalReason, Rule] = {
    RefusalReason.BAD_INPUT: Rule(moves_on=False),
    RefusalReason.DUPLICATE: Rule(),
    RefusalReason.NO_FUNDS: Rule("supplier", 600, waits=True),
    RefusalReason.SERVICE_OFF: Rule("remote service", 1800),
    RefusalReason.BAD_CREDENTIALS: Rule("supplier", 600, waits=True),
    RefusalReason.BLOCKED: Rule("supplier", 600, waits=True),
    RefusalReason.THROTTLED: Rule("supplier", 60, waits=True),
    RefusalReason.OTHER: Rule(),
}
UNREACHABLE = Rule("supplier", 20, waits=True)
AGAIN = Rule(waits=True)


@dataclass(frozen=True, slots=True)
class Pause:
    """A supplier or remote service to leave alone for a while, and why."""

    target: str
    seconds: int
    reason: str


def pause_after(outcome: PlaceOutcome) -> Pause | None:
    """Return whose circuit this outcome opens, if anybody's."""
    rule = _rule(outcome)
    if rule is None or rule.pause is None or not isinstance(outcome, NotSent | Refused):
        return None
    what = outcome.reason.value if isinstance(outcome, Refused) else "unreachable"
    return Pause(rule.pause, rule.seconds, f"{what}: {outcome.text}"[:300])


def shows_it_works(outcome: PlaceOutcome) -> bool:
    """Whether the supplier read this order and answered for itself, which closes a half-open circuit."""
    rule = _rule(outcome)
    return isinstance(outcome, Placed) or (isinstance(outcome, Refused) and rule is not None and rule.pause is None)


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
    claim: ClaimedAttempt,
    outcome: PlaceOutcome,
    routes: Iterable[RouteFacts],
    *,
    place_exchange: int | None = None,
    can_force: bool = False,
) -> Write:
    """Decide what is written after a call to place; ``routes`` are the service's, as they stand after any pause.

    ``can_force`` says that this supplier takes a duplicate if a person insists.
    """
    base = Write(claim.attempt_id, AttemptState.SENDING, AttemptState.UNCLEAR, place_exchange=place_exchange)
    if isinstance(outcome, Placed):
        return _placed(base, outcome)
    if isinstance(outcome, Unclear):
        return replace(base, text=outcome.text, order_to=OrderState.IN_PROGRESS, due=FIRST_FIND_SECONDS)
    if isinstance(outcome, NotSent | Unsupported):
        write = replace(base, new=AttemptState.NOT_SENT, text=outcome.text)
        return _move_on(write, claim, routes, claim.refused_routes, waits=True)
    write = replace(base, new=AttemptState.REFUSED, refusal=outcome.reason.value, text=outcome.text)
    rule = REFUSALS[outcome.reason]
    if not rule.moves_on:
        return _nobody(write, claim)
    refused = claim.refused_routes if rule.waits else [*claim.refused_routes, claim.route_id]
    moved = _move_on(write, claim, routes, refused, waits=rule.waits)
    duplicate = outcome.reason is RefusalReason.DUPLICATE and can_force and not claim.cancel_requested
    if duplicate and moved.order_to is OrderState.REJECTED:
        return replace(write, hold=f"The supplier calls it a duplicate: {outcome.text}")
    return moved


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


def may_be_tried_elsewhere(poll: ClaimedPoll, report: Report) -> bool:
    """Whether this answer is one that another route may try to better: only an unlock's, where its service says so."""
    return poll.next_after_rejection and report.status is ReportStatus.FAILED


def after_report(
    poll: ClaimedPoll,
    report: Report,
    *,
    report_exchange: int | None = None,
    others: Iterable[RouteFacts] = (),
) -> Write | Postponed:
    """Decide what is written after a supplier's word on a placed attempt; nothing but DONE and FAILED ends it.

    ``others`` are the routes that did not refuse this order yet, for a report that ``may_be_tried_elsewhere``.
    """
    if report.status is ReportStatus.PENDING or is_empty(report):
        note = "done, but without a result" if is_empty(report) else report.note
        return Postponed(poll.attempt_id, next_poll_seconds(poll.age_seconds, late=poll.late), note or None)
    write = _reported(
        Write(poll.attempt_id, AttemptState.PLACED, AttemptState.PLACED, report_exchange=report_exchange), report
    )
    if write.new is AttemptState.FAILED and may_be_tried_elsewhere(poll, report):
        route = next_route(
            others, refused=[poll.route_id], quantity=poll.quantity, price=poll.price, currency=poll.currency
        )
        if route is not None:
            return replace(write, order_to=None, reason=None, next_route=route.route_id)
    return write


def aside(claim: ClaimedAttempt, routes: Iterable[RouteFacts]) -> Write | Postponed:
    """Decide what becomes of a claimed attempt whose route may not be used now: the next route, or it waits."""
    write = Write(claim.attempt_id, AttemptState.PREPARED, AttemptState.NOT_SENT, text=claim.blocked)
    if claim.blocked == ORDER_CLOSED:
        return write
    if claim.cancel_requested:
        return _reject(write, CANCELLED)
    other = next_route(
        () if claim.max_cost is not None else routes,
        refused=[*claim.refused_routes, claim.route_id],
        quantity=claim.quantity,
        price=claim.price,
        currency=claim.currency,
    )
    if other is None:
        return Postponed(claim.attempt_id, _hold(claim.blocked_seconds), claim.blocked)
    return replace(write, next_route=other.route_id)


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


def without_it(claim: ClaimedAttempt, routes: Iterable[RouteFacts]) -> Write | None:
    """Decide what follows when staff's patience with an unclear attempt is at its end, as their route says: the order
    goes on over the next route that may be used now, although it may be bought twice. None: there is no such route."""
    if claim.cancel_requested or claim.max_cost is not None:
        return None
    other = next_route(
        routes,
        refused=[*claim.refused_routes, claim.route_id],
        quantity=claim.quantity,
        price=claim.price,
        currency=claim.currency,
    )
    if other is None:
        return None
    text = f"Nobody knew for {claim.next_after_unclear_hours} hours; the order goes on without it, as its route says."
    write = Write(claim.attempt_id, AttemptState.UNCLEAR, AttemptState.ABANDONED, text=text)
    return replace(write, next_route=other.route_id)


def _move_on(
    write: Write, claim: ClaimedAttempt, routes: Iterable[RouteFacts], refused: Collection[int], *, waits: bool = False
) -> Write:
    if claim.cancel_requested:
        return _reject(write, CANCELLED)
    if claim.max_cost is not None:
        if not waits:
            return _nobody(write, claim)
        again = replace(write, next_route=claim.route_id, next_due=_hold(claim.blocked_seconds))
        return replace(again, next_forced=claim.forced, next_max_cost=claim.max_cost)
    known = [route for route in routes if route.route_id not in refused]
    usable = next_route(known, refused=(), quantity=claim.quantity, price=claim.price, currency=claim.currency)
    if usable is not None:
        return replace(write, next_route=usable.route_id)
    waiting = min(known, key=lambda route: (route.blocked_seconds is None, best_first(route)), default=None)
    if waiting is not None:
        return replace(write, next_route=waiting.route_id, next_due=_hold(waiting.blocked_seconds))
    return _nobody(write, claim)


def _nobody(write: Write, claim: ClaimedAttempt) -> Write:
    """No supplier takes the order: it is rejected, or a person decides where more is at stake."""
    words = write.text or NOT_TAKEN
    if claim.max_cost is not None:
        return replace(write, hold=f"The supplier that staff chose did not take it: {words}")
    if claim.may_be_bought:
        return replace(write, hold=f"Nobody else took it, and an earlier attempt may have been bought: {words}")
    return _reject(write, words)


def _reject(write: Write, words: str) -> Write:
    text = write.text if words == CANCELLED else words
    return replace(write, text=text, order_to=OrderState.REJECTED, reason=words.strip() or NOT_TAKEN)


def _hold(blocked_seconds: float | None) -> float:
    return HOLD_SECONDS if blocked_seconds is None else max(blocked_seconds, 0) + 0.5


def next_poll_seconds(age_seconds: float, *, late: bool = False) -> float:
    """Return when to ask again: often while young, seldom when old, never not at all, and sooner when it is late."""
    for up_to, interval in ((10, 1.0), (60, 3.0), (600, 10.0), (3600, 60.0), (21_600, 300.0)):
        if age_seconds < up_to:
            return min(interval, LATE_POLL_SECONDS) if late else interval
    return LATE_POLL_SECONDS if late else 900.0
