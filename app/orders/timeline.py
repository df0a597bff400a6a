"""What happened to an order as one list in the order of time, for staff: pure, from the rows that were kept.

Every entry has a kind: order, attempt, request, asking, money, staff, alarm.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.alarms.service import AlarmRow
from app.money import format_amount
from app.orders.reading import AttemptRow, EventRow, ExchangeRow, OrderRow, OrderStory, OrderTransfer

ACCOUNTS = {
    "charge": ("customer", "escrow"),
    "settle": ("escrow", "sales"),
    "refund": ("escrow", "customer"),
    "reverse": ("sales", "customer"),
}
"""Which account a transfer of an order leaves and which it enters."""

_STAFF = "staff "
# Of what bears the same time: the wish, the calls, what was written of them, the money, the next try, the alarms.
_WISH, _CALL, _EVENT, _MONEY, _TRY, _ALARM = range(6)


_HAPPENED = {
    "cancel": "somebody wants it cancelled",
    "held": "it waits for a person, or goes on",
    "late": "it is later than was promised",
    "result": "its result was replaced",
    "recheck": "the supplier was asked once more",
    "asked": "the supplier was asked",
    "ask_soon": "it was to be asked after or looked for at once",
}
"""Kinds of events that change no state, in words."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: ``attempt`` is the number of the try it belongs to, ``facts`` hold what is known of it,
    without names for what is not known. Amounts are decimal strings."""

    at: datetime
    kind: str
    who: str
    what: str
    attempt: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    place: tuple[int, int] = (_WISH, 0)
    """Where it stands among those of the same time: what kind of row it is, and the row's id."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of an order: its story, the ``key`` (id, label, hint) it was placed with, the exchanges kept
    for its attempts by the attempt's number, alarms about it or its suppliers while it was open, names of staff by
    id."""

    story: OrderStory
    key: Mapping[str, Any]
    exchanges: Sequence[tuple[int, ExchangeRow]]
    alarms: Sequence[AlarmRow]
    staff: Mapping[int, str]


def stamp(at: datetime) -> str:
    """Return a time as it is written everywhere in evidence: UTC, microseconds, Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def facts(**values: Any) -> dict[str, Any]:
    """Return the values that are known, times as text."""
    return {
        name: stamp(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None and value != ""
    }


def timeline(known: Known) -> list[Entry]:
    """Return everything that happened, in the order of time."""
    numbers = {attempt.id: attempt.number for attempt in known.story.attempts}
    entries = [_placed(known)]
    for attempt in known.story.attempts:
        kept = any(number == attempt.number for number, _ in known.exchanges)
        entries += _attempt(attempt, wire_kept=kept)
    entries += [_request(number, exchange) for number, exchange in known.exchanges]
    entries += [_event(event, numbers, known.staff) for event in known.story.events]
    entries += money(known.story.transfers, known.staff)
    entries += [entry for alarm in known.alarms for entry in _alarm(alarm, known.story.order)]
    return in_time(entries)


def in_time(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries sorted by time; what bears the same time stands in the order in which one led to the other."""
    return sorted(entries, key=lambda entry: (entry.at, entry.place))


def _placed(known: Known) -> Entry:
    order = known.story.order
    return Entry(
        order.created_at,
        "order",
        f"customer {order.customer}",
        "The order was placed and charged in one transaction, committed before the reply.",
        facts=facts(
            source=order.source,
            key=known.key.get("id"),
            key_label=known.key.get("label"),
            key_ends_with=known.key.get("hint"),
            reference=order.reference,
        ),
    )


def _attempt(attempt: AttemptRow, *, wire_kept: bool) -> Iterator[Entry]:
    yield Entry(
        attempt.created_at,
        "attempt",
        "trunkline",
        f"Attempt {attempt.number} was prepared over route {attempt.route_id} to {attempt.supplier}.",
        attempt.number,
        facts(
            attempt_id=attempt.id,
            route_id=attempt.route_id,
            supplier_id=attempt.supplier_id,
            supplier=attempt.supplier,
            remote_service=attempt.remote_service,
            why_this_route=attempt.chosen,
        ),
        (_TRY, attempt.id),
    )
    if attempt.sent_at is not None:
        yield Entry(
            attempt.sent_at,
            "attempt",
            "worker",
            "That it is being sent was written down and committed; only then did the request leave.",
            attempt.number,
            facts(
                cost=None if attempt.cost is None else format_amount(attempt.cost),
                currency=attempt.currency,
                wire=None if wire_kept else "no request is kept: the worker ended first, or its time was over",
            ),
            (_CALL, 0),
        )
    if attempt.polls:
        yield Entry(
            attempt.placed_at or attempt.sent_at or attempt.created_at,
            "asking",
            "worker",
            f"From here on the supplier was asked {attempt.polls} times.",
            attempt.number,
            facts(
                times=attempt.polls,
                since=attempt.placed_at or attempt.sent_at,
                until=attempt.closed_at,
                next=attempt.due_at if attempt.closed_at is None else None,
                remote_id=attempt.remote_id,
                said_last=attempt.note,
            ),
            (_EVENT, 2**63),
        )


def _request(number: int, exchange: ExchangeRow) -> Entry:
    ended = f"HTTP {exchange.status}" if exchange.status is not None else "no reply"
    return Entry(
        exchange.at,
        "request",
        "worker",
        f"Request to {exchange.call} and its reply: {ended} after {exchange.milliseconds} ms.",
        number,
        facts(
            exchange_id=exchange.id,
            call=exchange.call,
            method=exchange.method,
            url=exchange.url,
            request=exchange.request,
            status=exchange.status,
            reply=exchange.reply,
            milliseconds=exchange.milliseconds,
            error=exchange.error,
        ),
        (_CALL, exchange.id),
    )


def _event(event: EventRow, numbers: Mapping[int, int], staff: Mapping[int, str]) -> Entry:
    number = numbers.get(event.attempt_id) if event.attempt_id is not None else None
    subject = "The order" if number is None else f"Attempt {number}"
    if event.new_state is None or event.old_state == event.new_state:
        what = f"{subject}: {_HAPPENED.get(event.kind, event.kind)}."
    elif event.old_state is None:
        what = f"{subject} became {event.new_state}."
    else:
        what = f"{subject} went from {event.old_state} to {event.new_state}."
    by_staff = event.actor.startswith(_STAFF)
    kind = "staff" if by_staff else "attempt" if number is not None else "order"
    return Entry(
        event.at, kind, named(event.actor, staff), what, number, facts(detail=event.detail), (_EVENT, event.id)
    )


def money(transfers: Sequence[OrderTransfer], staff: Mapping[int, str]) -> list[Entry]:
    """Return the transfers of an order, each with what escrow holds for it afterwards."""
    held, entries = 0, []
    for transfer in transfers:
        debit, credit = ACCOUNTS[transfer.kind]
        held += transfer.amount * ((credit == "escrow") - (debit == "escrow"))
        amount = format_amount(transfer.amount)
        entries.append(
            Entry(
                transfer.created_at,
                "money",
                "trunkline" if transfer.staff_id is None else named(f"{_STAFF}{transfer.staff_id}", staff),
                f"{transfer.kind.capitalize()}: {amount} {transfer.currency} from {debit} to {credit}.",
                facts=facts(
                    transfer_id=transfer.id,
                    transfer=transfer.kind,
                    amount=amount,
                    currency=transfer.currency,
                    effect_on_customer=_effect(transfer.amount, debit, credit, "customer"),
                    effect_on_escrow=_effect(transfer.amount, debit, credit, "escrow"),
                    effect_on_sales=_effect(transfer.amount, debit, credit, "sales"),
                    in_escrow_for_this_order=format_amount(held),
                    reason=transfer.reason,
                ),
                place=(_MONEY, transfer.id),
            )
        )
    return entries


def _effect(amount: int, debit: str, credit: str, account: str) -> str | None:
    if account == credit:
        return f"+{format_amount(amount)}"
    return f"-{format_amount(amount)}" if account == debit else None


def named(actor: str, staff: Mapping[int, str]) -> str:
    """Return who did it; staff with their name."""
    number = actor.removeprefix(_STAFF)
    if actor.startswith(_STAFF) and number.isdigit() and int(number) in staff:
        return f"{actor} ({staff[int(number)]})"
    return actor


def _alarm(alarm: AlarmRow, order: OrderRow) -> Iterator[Entry]:
    direct = alarm.subject == f"order {order.id}"
    yield Entry(
        alarm.first_seen,
        "alarm",
        "trunkline",
        f"Alarm {alarm.kind} about {alarm.subject}{'' if direct else ', while this order was open'}.",
        facts=facts(
            alarm_id=alarm.id,
            about=alarm.subject,
            text=alarm.text,
            seen=alarm.count,
            last_seen=alarm.last_seen,
            state=alarm.state,
            closed_at=alarm.closed_at,
        ),
        place=(_ALARM, alarm.id),
    )
