"""The policy table: every way a call can end has its answer, and doubt never sends again."""

import pytest

from app.connectors.base import Placed, Report, ReportStatus, ServiceType
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.orders import policy
from app.orders.attempts import ClaimedAttempt, ClaimedPoll, Postponed, Write
from app.orders.states import ATTEMPT_MOVES, ORDER_MOVES, AttemptState, OrderState
from app.suppliers.routing import RouteFacts

CLAIM = ClaimedAttempt(
    attempt_id=7,
    order_id=3,
    service_id=1,
    number=1,
    route_id=10,
    remote_id="55",
    remote_type=ServiceType.IMEI,
    remote_fields=[],
    field_map={},
    fixed={},
    device="356557847079356",
    quantity=2,
    fields={},
    file_id=None,
    price=100,
    currency="USD",
    sent_at=None,
    blocked=None,
    blocked_seconds=None,
    refused_routes=[],
    cost=80,
    cost_currency="USD",
    remote_service_id=20,
    shaky=False,
    remote_paused_until=None,
    forced=False,
    max_cost=None,
    cancel_requested=False,
    may_be_bought=False,
    next_after_unclear_hours=None,
)
POLL = ClaimedPoll(7, 3, 1, 1, 10, "900", 0, 5.0, False, False, False, 2, 100, "USD")


def route(
    number: int, *, cost: int | None = 40, blocked: str | None = None, seconds: float | None = None
) -> RouteFacts:
    return RouteFacts(number, 1, number, cost, "USD", number, blocked, seconds)


def decide(outcome: policy.PlaceOutcome, *routes: RouteFacts) -> Write:
    return policy.after_place(CLAIM, outcome, routes)


def test_placed_is_in_process_and_asked_after() -> None:
    write = decide(Placed("900"))
    assert (write.new, write.order_to, write.remote_id) == (AttemptState.PLACED, OrderState.IN_PROGRESS, "900")
    assert write.due > 0


def test_an_answer_at_once_ends_the_order() -> None:
    done = decide(Placed("900", Report("900", ReportStatus.DONE, "Code 1")))
    assert (done.new, done.order_to, done.result) == (AttemptState.DONE, OrderState.COMPLETED, "Code 1")
    failed = decide(Placed("900", Report("900", ReportStatus.FAILED, "Not found")))
    assert (failed.new, failed.order_to, failed.reason) == (AttemptState.FAILED, OrderState.REJECTED, "Not found")


def test_pain_1_and_2_doubt_neither_sends_again_nor_gives_money_back() -> None:
    write = decide(Unclear("read time-out"), route(10), route(11))
    assert (write.new, write.order_to, write.next_route) == (AttemptState.UNCLEAR, OrderState.IN_PROGRESS, None)


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_refusal_has_a_rule(reason: RefusalReason) -> None:
    write = decide(Refused(reason, "their words"), route(10, blocked="paused", seconds=60.0), route(11))
    if reason is RefusalReason.BAD_INPUT:
        assert (write.order_to, write.reason, write.next_route) == (OrderState.REJECTED, "their words", None)
    else:
        assert (write.order_to, write.next_route) == (None, 11)
    assert write.new is AttemptState.REFUSED


@pytest.mark.parametrize("reason", [RefusalReason.NO_FUNDS, RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED])
def test_pain_10_our_trouble_with_a_supplier_is_never_the_customers(reason: RefusalReason) -> None:
    write = decide(Refused(reason, "no credit"), route(10, blocked="the supplier is paused", seconds=600.0))
    assert (write.order_to, write.next_route) == (None, 10)
    assert write.next_due >= 600
    assert policy.pause_after(Refused(reason, "no credit")) is not None


@pytest.mark.parametrize("reason", [RefusalReason.DUPLICATE, RefusalReason.SERVICE_OFF, RefusalReason.OTHER])
def test_the_last_definite_no_rejects_with_their_words(reason: RefusalReason) -> None:
    write = decide(Refused(reason, "gone"), route(10))
    assert (write.order_to, write.reason) == (OrderState.REJECTED, "gone")


def test_a_route_that_would_cost_more_than_the_price_sold_is_skipped() -> None:
    write = decide(NotSent("refused connection"), route(10, blocked="p", seconds=20.0), route(11, cost=51), route(12))
    assert write.next_route == 12  # 2 pieces at 51 are 102, above 100
    dear = decide(NotSent("refused connection"), route(10, blocked="p", seconds=20.0), route(11, cost=51))
    assert (dear.next_route, dear.order_to) == (10, None)


def test_no_bulk_call_is_proof_and_goes_again_over_the_same_route() -> None:
    write = decide(Unsupported("Command Not Found"), route(10), route(11))
    assert (write.new, write.next_route, write.next_due) == (AttemptState.NOT_SENT, 10, 0)
    assert policy.pause_after(Unsupported("Command Not Found")) is None


def test_pain_4_a_pending_report_changes_nothing_but_the_time_of_the_next_question() -> None:
    step = policy.after_report(POLL, Report("900", ReportStatus.PENDING, note="unknown status 7"))
    assert isinstance(step, Postponed)
    assert step.note == "unknown status 7"


def test_pain_33_a_failed_report_is_final_and_not_shopped_around() -> None:
    step = policy.after_report(POLL, Report("900", ReportStatus.FAILED, "Blacklisted"))
    assert isinstance(step, Write)
    assert (step.order_to, step.reason, step.next_route) == (OrderState.REJECTED, "Blacklisted", None)


def test_polling_grows_slower_with_age_and_never_stops() -> None:
    waits = [policy.next_poll_seconds(age) for age in (0, 30, 300, 2000, 10_000, 10**7)]
    assert waits == sorted(waits)
    assert waits[0] <= 1
    assert waits[-1] <= 3600


def test_every_write_is_a_move_that_the_tables_name() -> None:
    outcomes: list[policy.PlaceOutcome] = [
        Placed("9"),
        Placed("9", Report("9", ReportStatus.DONE, "x")),
        Placed("9", Report("9", ReportStatus.FAILED, "x")),
        NotSent("x"),
        Unclear("x"),
        Unsupported("x"),
        *(Refused(reason, "x") for reason in RefusalReason),
    ]
    for outcome in outcomes:
        write = decide(outcome, route(10))
        assert write.new in ATTEMPT_MOVES[write.old]
        assert write.order_to is None or write.order_to in ORDER_MOVES[OrderState.ACCEPTED]
