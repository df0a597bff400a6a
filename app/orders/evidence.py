"""Evidence of one order for a dispute: one document, for staff (and a supplier) in full, for the customer without ours.

The customer's version is not the full one with parts cut out: it is made from the order and its transfers alone, so
what it must not show was never in it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from app.alarms.service import AlarmRow
from app.clock import now
from app.db import Connection
from app.money import format_amount
from app.orders.hidden import hidden, open_fields, private_values
from app.orders.reading import AttemptRow, OrderStory, exchanges_of, read_order
from app.orders.timeline import Entry, Known, facts, in_time, money, stamp, timeline
from app.sealing import Sealer
from app.suppliers.hiding import hiding

Audience = Literal["staff", "customer"]

FORMAT = "trunkline-evidence/1"

_TOLD = ("order", "parties", "attempts", "timeline")
"""The parts of the document that hold what others said."""

_READING = (
    "Times are UTC. Requests bear the clock of the worker that sent them, everything else that of the database.",
    "The list is in the order of time; what happened in one transaction may bear one time.",
    "sha256 is that of this document without sha256 and generated_at, as JSON with sorted keys, no blanks between"
    " tokens, UTF-8: the same facts give the same sum whenever the document is made.",
    "*** stands where a secret was.",
)
HOW_TO_READ: Mapping[Audience, tuple[str, ...]] = {
    "staff": (
        *_READING,
        "An order is accepted, in_progress, completed or rejected. An attempt is one try at one supplier: prepared,"
        " sending (written down before the request leaves), placed (they have it), done, failed, not_sent (it never"
        " left us), refused (they would not take it), unclear (it may be there, and is not sent again).",
        "Money leaves the customer's account for escrow when the order is placed. From there it goes to sales when the"
        " order is completed, or back when it is rejected; it never moves otherwise.",
        "One request may carry several orders; then its text names all of them.",
        "Status questions that changed nothing are counted, not listed.",
        "Alarms about a supplier are listed if they were live while the order was; their text is the last one.",
    ),
    "customer": (
        *_READING,
        "The price is set aside when the order is placed. It becomes final when the order is completed, and is given"
        " back when the order is rejected.",
    ),
}

# An alarm belongs here if it is about the order, or about a supplier or route of it while the order was open.
_ALARMS = """
SELECT id, kind, subject, text, count, state, first_seen, last_seen, acknowledged_by, closed_at FROM alarms
WHERE subject = %(order)s
   OR (subject = ANY (%(others)s) AND first_seen <= COALESCE(%(closed)s, now()) AND last_seen >= %(opened)s)
ORDER BY id
"""


async def read_evidence(conn: Connection, sealer: Sealer, order_id: int, audience: Audience) -> dict[str, Any]:
    """Return the document: JSON values only, the same for the same rows but for ``generated_at``; NotFound.

    ``conn`` is inside a transaction that did nothing yet, and sees one moment of the database from here on.
    """
    await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    story = await read_order(conn, order_id)
    key = await _key(conn, order_id)
    hide = await hiding(
        conn, sealer, [attempt.supplier_id for attempt in story.attempts], private_values(story.order.fields)
    )
    if audience == "customer":
        parties, attempts, entries = _customers_parties(key), [], _customers_timeline(story, key)
    else:
        known = Known(
            story, key, await exchanges_of(conn, order_id), await _alarms(conn, story), await _staff(conn, story)
        )
        parties, entries = await _parties(conn, known), timeline(known)
        attempts = [_attempt(attempt) for attempt in story.attempts]
    document = {
        "format": FORMAT,
        "audience": audience,
        "order": _order(story, key, audience),
        "parties": parties,
        "attempts": attempts,
        "timeline": [_shown(number, entry) for number, entry in enumerate(entries, start=1)],
        "how_to_read": list(HOW_TO_READ[audience]),
    }
    clean = {**document, **{name: hidden(document[name], hide) for name in _TOLD}}
    return {**clean, "sha256": digest(clean), "generated_at": stamp(now())}


def digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document in canonical form, in hexadecimal; its sum and time are left out."""
    bare = {name: value for name, value in document.items() if name not in ("sha256", "generated_at")}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _order(story: OrderStory, key: Mapping[str, Any], audience: Audience) -> dict[str, Any]:
    order = story.order
    shown = facts(
        id=order.id,
        state=order.state,
        service=order.service,
        device=order.device,
        quantity=order.quantity,
        delivered=key["delivered"],
        price=format_amount(order.price),
        currency=order.currency,
        reference=order.reference,
        file=key["file"],
        result=order.result if order.state == "completed" or audience == "staff" else None,
        result_file=key["result_file"] if order.state == "completed" or audience == "staff" else None,
        reason=order.reason if order.state == "rejected" or audience == "staff" else None,
        placed_at=order.created_at,
        closed_at=order.closed_at,
    )
    return {**shown, "fields": [{"name": name, "value": value} for name, value in open_fields(order.fields).items()]}


def _attempt(attempt: AttemptRow) -> dict[str, Any]:
    return facts(
        n=attempt.number,
        id=attempt.id,
        state=attempt.state,
        supplier=attempt.supplier,
        route_id=attempt.route_id,
        remote_service=attempt.remote_service,
        remote_id=attempt.remote_id,
        cost=None if attempt.cost is None else format_amount(attempt.cost),
        currency=attempt.currency,
        refusal=attempt.refusal,
        text=attempt.text,
        note=attempt.note,
        sent_at=attempt.sent_at,
        placed_at=attempt.placed_at,
        closed_at=attempt.closed_at,
    )


def _shown(number: int, entry: Entry) -> dict[str, Any]:
    return {
        "n": number,
        "at": stamp(entry.at),
        "kind": entry.kind,
        "who": entry.who,
        "what": entry.what,
        "attempt": entry.attempt,
        "facts": entry.facts,
    }


async def _key(conn: Connection, order_id: int) -> dict[str, Any]:
    cursor = await conn.execute(
        "SELECT k.id, k.label, k.hint, c.id AS customer_id, c.username, c.name, o.delivered,"
        " (SELECT f.name FROM files f WHERE f.id = o.file_id) AS file,"
        " (SELECT f.name FROM files f WHERE f.id = o.result_file_id) AS result_file"
        " FROM orders o JOIN customers c ON c.id = o.customer_id LEFT JOIN api_keys k ON k.id = o.key_id"
        " WHERE o.id = %s",
        (order_id,),
    )
    return dict(await cursor.fetchone() or {})


async def _alarms(conn: Connection, story: OrderStory) -> list[AlarmRow]:
    others = {f"supplier {attempt.supplier_id}" for attempt in story.attempts}
    others |= {f"route {attempt.route_id}" for attempt in story.attempts}
    others |= {f"remote service {attempt.remote_service_id}" for attempt in story.attempts}
    others |= {f"attempt {attempt.id}" for attempt in story.attempts} | {f"service {story.order.service_id}"}
    cursor = await conn.execute(
        _ALARMS,
        {
            "order": f"order {story.order.id}",
            "others": sorted(others),
            "opened": story.order.created_at,
            "closed": story.order.closed_at,
        },
    )
    return [AlarmRow(**row) for row in await cursor.fetchall()]


async def _staff(conn: Connection, story: OrderStory) -> dict[int, str]:
    words = [event.actor.removeprefix("staff ") for event in story.events if event.actor.startswith("staff ")]
    ids = {int(word) for word in words if word.isdigit()}
    ids |= {transfer.staff_id for transfer in story.transfers if transfer.staff_id is not None}
    cursor = await conn.execute("SELECT id, name FROM staff WHERE id = ANY (%s) ORDER BY id", (sorted(ids),))
    return {row["id"]: row["name"] for row in await cursor.fetchall()}


async def _parties(conn: Connection, known: Known) -> dict[str, Any]:
    ids = sorted({attempt.supplier_id for attempt in known.story.attempts})
    cursor = await conn.execute(
        "SELECT id, name, kind, currency FROM suppliers WHERE id = ANY (%s) ORDER BY id", (ids,)
    )
    return {
        "customer": facts(id=known.key["customer_id"], username=known.key["username"], name=known.key["name"]),
        "key": facts(id=known.key["id"], label=known.key["label"], ends_with=known.key["hint"]),
        "suppliers": [dict(row) for row in await cursor.fetchall()],
        "staff": [{"id": number, "name": name} for number, name in known.staff.items()],
    }


def _customers_parties(key: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "customer": facts(username=key["username"], name=key["name"]),
        "key": facts(label=key["label"], ends_with=key["hint"]),
    }


_CUSTOMERS_STATES = {
    "in_progress": "The order is in process.",
    "completed": "The order was completed and its result delivered.",
    "rejected": "The order was rejected.",
}
_CUSTOMERS_MONEY = {
    "charge": "{} was taken from the account and set aside for this order.",
    "settle": "{} of it became final: the order was delivered.",
    "refund": "{} was given back to the account.",
    "reverse": "{} was given back to the account: the completed order was taken back.",
}


def _customers_timeline(story: OrderStory, key: Mapping[str, Any]) -> list[Entry]:
    """Return what the customer saw and paid; nothing here reads attempts, requests or actors."""
    order = story.order
    entries = [
        Entry(
            order.created_at,
            "order",
            "customer",
            "The order was placed.",
            facts=facts(source=order.source, key_label=key["label"], key_ends_with=key["hint"]),
        )
    ]
    entries += [
        Entry(event.at, "order", "we", _CUSTOMERS_STATES[event.new_state], place=(1, event.id))
        for event in story.events
        if event.attempt_id is None and event.new_state in _CUSTOMERS_STATES
    ]
    entries += [
        Entry(event.at, "order", "we", "It was asked that the order be cancelled.", place=(1, event.id))
        for event in story.events
        if event.kind == "cancel"
    ]
    for transfer, entry in zip(story.transfers, money(story.transfers, {}), strict=True):
        amount = format_amount(transfer.amount)
        what = _CUSTOMERS_MONEY[transfer.kind].format(f"{amount} {transfer.currency}")
        effect = facts(
            amount=amount,
            currency=transfer.currency,
            effect_on_account=entry.facts.get("effect_on_customer"),
            set_aside_for_this_order=entry.facts["in_escrow_for_this_order"],
        )
        entries.append(Entry(transfer.created_at, "money", "we", what, facts=effect, place=(2, transfer.id)))
    return in_time(entries)
