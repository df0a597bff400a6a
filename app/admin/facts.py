"""``/attempts/{id}/facts``: one screen's worth of facts about an attempt of which nobody knows whether it arrived."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.attempts import AttemptOut, ExchangeOut, attempt_out, exchange_out
from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader, Transaction
from app.admin.schemas import Decimals, PathId
from app.money import format_amount
from app.orders.facts import AttemptFacts, OtherAttempt, Outcome, read_facts
from app.orders.hidden import hidden, open_fields, private_values
from app.suppliers.evidence import BalanceEvidence
from app.suppliers.hiding import hiding

router = APIRouter(prefix="/attempts", tags=["orders"], route_class=ExactRoute)


class BalanceOut(BaseModel):
    """Our balance there before and after it was sent, and what that proves. ``unexplained`` is what left the account
    beyond what is known; ``others_in_doubt`` counts other attempts that could account for it."""

    currency: str
    before: Decimals | None
    before_at: datetime | None
    after: Decimals | None
    after_at: datetime | None
    deposits: Decimals
    other_costs: Decimals
    unexplained: Decimals | None
    others_in_doubt: int
    verdict: Literal["charged", "not_charged", "unknown"]
    reason: str


class OtherAttemptOut(BaseModel):
    """Another attempt for the same device at the same supplier: perhaps the one that is found there."""

    id: int
    order_id: int
    customer: str
    state: str
    remote_service: str
    remote_id: str | None
    created_at: datetime
    sent_at: datetime | None


class OutcomeOut(BaseModel):
    """What one answer leads to, as things stand now. ``cost`` and ``refund`` are in the order's currency,
    ``extra_cost``, what may be paid for nothing, in the attempt's."""

    answer: Literal["found", "not_found", "go_on_without"]
    text: str
    route_id: int | None
    supplier: str | None
    remote_service: str | None
    cost: Decimals | None
    waits_seconds: float | None
    refund: Decimals | None
    extra_cost: Decimals | None


class FactsOut(BaseModel):
    """An attempt with what was sent and what came back, and what a person needs beside it to find the truth."""

    attempt: AttemptOut
    order_state: str
    price: Decimals
    currency: str
    fields: dict[str, str]
    cancel_requested_at: datetime | None
    panel: str = Field(description="Where to look the order up; empty if nobody knows.")
    finds: int = Field(description="How often it was looked for.")
    find_said: str | None
    find_next: datetime | None
    exchanges: list[ExchangeOut] = Field(description="All that was said about it and is kept, oldest first.")
    balance: BalanceOut
    others: list[OtherAttemptOut]
    outcomes: list[OutcomeOut] = Field(description="Empty when the truth is known.")


@router.get("/{attempt_id}/facts", summary="What is known of an attempt, and what each answer would lead to")
async def get_facts(attempt_id: PathId, _: Reader, parts: Parts, conn: Transaction) -> FactsOut:
    """Read-only: the request and its reply, where to look it up, other attempts for the device, what follows."""
    facts = await read_facts(conn, attempt_id)
    hide = await hiding(conn, parts.sealer, [facts.attempt.supplier_id], private_values(facts.fields))
    return FactsOut.model_validate(hidden(facts_out(facts).model_dump(), hide))


def facts_out(facts: AttemptFacts) -> FactsOut:
    """Return facts as they are shown; what others said in them is not cleaned of secrets yet."""
    return FactsOut(
        attempt=attempt_out(facts.attempt),
        order_state=facts.order_state,
        price=format_amount(facts.price),
        currency=facts.currency,
        fields=open_fields(facts.fields),
        cancel_requested_at=facts.cancel_requested_at,
        panel=facts.panel,
        finds=facts.finds,
        find_said=facts.find_said,
        find_next=facts.find_next,
        exchanges=[exchange_out(exchange) for exchange in facts.exchanges],
        balance=_balance(facts.balance),
        others=[_other(other) for other in facts.others],
        outcomes=[_outcome(outcome) for outcome in facts.outcomes],
    )


def _balance(balance: BalanceEvidence) -> BalanceOut:
    shown: dict[str, Any] = {name: getattr(balance, name) for name in BalanceOut.model_fields}
    for name in ("before", "after", "deposits", "other_costs", "unexplained"):
        shown[name] = None if shown[name] is None else format_amount(shown[name])
    return BalanceOut(**shown)


def _other(other: OtherAttempt) -> OtherAttemptOut:
    return OtherAttemptOut(**{name: getattr(other, name) for name in OtherAttemptOut.model_fields})


def _outcome(outcome: Outcome) -> OutcomeOut:
    shown: dict[str, Any] = {name: getattr(outcome, name) for name in OutcomeOut.model_fields}
    for name in ("cost", "refund", "extra_cost"):
        shown[name] = None if shown[name] is None else format_amount(shown[name])
    return OutcomeOut(**shown)
