"""All that helps a person decide about one attempt of which nobody knows whether it arrived: read, never acted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from app.db import Connection
from app.orders import policy
from app.orders.attempts import ClaimedAttempt, Write
from app.orders.reading import AttemptRow, ExchangeRow, exchanges_of, read_attempt
from app.orders.states import AttemptState, OrderState
from app.suppliers.evidence import BalanceEvidence, balance_evidence
from app.suppliers.routing import RouteFacts
from app.suppliers.service import route_facts

MAX_OTHERS = 20


@dataclass(frozen=True, slots=True)
class OtherAttempt:
    """Another attempt for the same device at the same supplier: perhaps the one that is found there."""

    id: int
    order_id: int
    customer: str
    state: str
    remote_service: str
    remote_id: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one answer leads to. ``cost`` is for all pieces, ``refund`` what the customer gets back, both in micro-units
    of the order's currency; ``extra_cost`` is what may be paid for nothing, in those of the attempt's."""

    answer: str
    text: str
    route_id: int | None = None
    supplier: str | None = None
    remote_service: str | None = None
    cost: int | None = None
    waits_seconds: float | None = None
    refund: int | None = None
    extra_cost: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """An attempt with everything that was said to the supplier, and what a person needs beside it.

    ``panel`` is where staff look the order up; ``price`` is for all pieces, in micro-units of ``currency``.
    ``finds`` is how often it was looked for, ``find_next`` when it is again, None if it is not. ``outcomes`` are empty
    for an attempt of which the truth is known.
    """

    attempt: AttemptRow
    panel: str
    price: int
    currency: str
    order_state: str
    fields: Mapping[str, Any]
    cancel_requested_at: datetime | None
    finds: int
    find_said: str | None
    find_next: datetime | None
    exchanges: Sequence[ExchangeRow]
    balance: BalanceEvidence
    others: Sequence[OtherAttempt]
    outcomes: Sequence[Outcome]


_AROUND = """
SELECT o.price, o.currency::text AS currency, o.state AS order_state, o.fields, o.cancel_requested_at, s.panel_url,
       COALESCE(s.config ->> 'base_url', '') AS base_url
FROM attempts a JOIN orders o ON o.id = a.order_id JOIN suppliers s ON s.id = a.supplier_id WHERE a.id = %s
"""
_OTHERS = """
SELECT t.id, t.order_id, c.username AS customer, t.state, m.name AS remote_service, t.remote_id, t.created_at, t.sent_at
FROM attempts a JOIN orders o ON o.id = a.order_id
JOIN orders p ON p.device = o.device AND p.device <> ''
JOIN attempts t ON t.order_id = p.id AND t.supplier_id = a.supplier_id AND t.id <> a.id
JOIN customers c ON c.id = p.customer_id JOIN remote_services m ON m.id = t.remote_service_id
WHERE a.id = %s ORDER BY t.id DESC LIMIT %s
"""
_NAMES = """
SELECT r.id, s.name AS supplier, m.name AS remote_service
FROM routes r JOIN remote_services m ON m.id = r.remote_service_id JOIN suppliers s ON s.id = m.supplier_id
WHERE r.service_id = ANY (%s)
"""


async def read_facts(conn: Connection, attempt_id: int) -> AttemptFacts:
    """Return what is known around an attempt; NotFound if there is none."""
    attempt = await read_attempt(conn, attempt_id)
    around = await (await conn.execute(_AROUND, (attempt_id,))).fetchone()
    assert around is not None  # noqa: S101  the attempt was read above, and rows of orders are never removed
    others = await conn.execute(_OTHERS, (attempt_id, MAX_OTHERS))
    unclear = attempt.state == AttemptState.UNCLEAR
    return AttemptFacts(
        attempt=attempt,
        panel=around.pop("panel_url") or _origin(around["base_url"]),
        price=around["price"],
        currency=around["currency"],
        order_state=around["order_state"],
        fields=around["fields"],
        cancel_requested_at=around["cancel_requested_at"],
        finds=attempt.polls if unclear else 0,
        find_said=attempt.note if unclear else None,
        find_next=attempt.due_at if unclear else None,
        exchanges=[exchange for _, exchange in await exchanges_of(conn, attempt.order_id, attempt_id=attempt_id)],
        balance=await balance_evidence(conn, attempt_id),
        others=[OtherAttempt(**row) for row in await others.fetchall()],
        outcomes=(await outcomes_of(conn, [attempt]))[attempt.id] if unclear else [],
    )


def _origin(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    # Without what an address may carry beside the host: a user, a password, a path of the API.
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}/" if parts.scheme and host else ""


async def outcomes_of(conn: Connection, attempts: Sequence[AttemptRow]) -> dict[int, list[Outcome]]:
    """Return, by their id, what each answer about these unclear attempts leads to as things stand now: it is asked of
    the same table that decides when the answer is given."""
    by_id = {attempt.id: attempt for attempt in attempts}
    cursor = await conn.execute("SELECT * FROM attempt_work WHERE attempt_id = ANY (%s)", (sorted(by_id),))
    claims = [ClaimedAttempt(**row) for row in await cursor.fetchall()]
    routes = await route_facts(conn, {(claim.service_id, claim.currency) for claim in claims})
    names = await conn.execute(_NAMES, (sorted({claim.service_id for claim in claims}),))
    ways = {name["id"]: name for name in await names.fetchall()}
    return {
        claim.attempt_id: _outcomes(by_id[claim.attempt_id], claim, routes[claim.service_id, claim.currency], ways)
        for claim in claims
    }


def _outcomes(
    attempt: AttemptRow, claim: ClaimedAttempt, routes: Sequence[RouteFacts], names: Mapping[int, Mapping[str, Any]]
) -> list[Outcome]:
    ways = {route.route_id: {**names[route.route_id], "cost": route.cost} for route in routes}
    found = Outcome(
        "found",
        "The order goes on: the supplier is asked after it under the id you enter.",
        attempt.route_id,
        attempt.supplier,
        attempt.remote_service,
    )
    there = policy.not_there(claim, policy.NOT_TAKEN, routes)
    outcomes = [found, _led_to(Outcome("not_found", "It provably is not there."), there, claim, ways)]
    without = policy.without_it(claim, routes)
    if without is not None:
        risk = Outcome("go_on_without", "It may have been bought, and then is paid twice.", extra_cost=attempt.cost)
        outcomes.append(_led_to(risk, without, claim, ways))
    return outcomes


def _led_to(base: Outcome, write: Write, claim: ClaimedAttempt, ways: Mapping[int, Mapping[str, Any]]) -> Outcome:
    if write.next_route is not None:
        way = ways[write.next_route]
        when = "is sent again as soon as that route may be used" if write.next_due else "takes the next route"
        return replace(
            base,
            text=f"{base.text} The order {when}.",
            route_id=write.next_route,
            supplier=way["supplier"],
            remote_service=way["remote_service"],
            cost=None if way["cost"] is None else way["cost"] * claim.quantity,
            waits_seconds=write.next_due or None,
        )
    if write.order_to is OrderState.REJECTED:
        return replace(base, text=f"{base.text} The order is rejected and refunded.", refund=claim.price)
    return replace(base, text=f"{base.text} The order waits for a person: {write.hold or ''}")
