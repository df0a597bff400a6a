"""Orders of sandbox keys: placed, asked after and cancelled like real ones, in a table of their own.

Nothing here reaches orders, attempts or the ledger. What happens to an order is told by its device; see ``devices.py``.
"""

from collections.abc import Sequence
from typing import LiteralString, cast

import orjson

from app.db import Connection
from app.errors import Conflict, NotFound
from app.orders.own import OwnFilter, OwnOrder
from app.orders.policy import CANCELLED
from app.orders.service import Outcome, OutcomeKind
from app.orders.wishes import Wish
from app.sandbox.devices import Refusing, Scenario, scenario_of

KEPT_DAYS = 30
MOST_A_DAY = 10_000
"""Orders of one customer within 24 hours; nobody pays for them, and each is kept and may be told to an address."""
MOST_AT_ONCE = 500

_REFUSED: dict[Refusing, OutcomeKind] = {Refusing.NO_CREDIT: "no_credit", Refusing.UNAVAILABLE: "unavailable"}


async def place_sandbox(
    conn: Connection, wishes: Sequence[Wish], *, customer_id: int, source: str, window_seconds: int
) -> list[Outcome]:
    """Place the wishes in their order, each for itself, and say what became of them; nothing is charged.

    ``conn`` is in autocommit, or in a transaction that keeps what was answered.
    """
    scenarios = [scenario_of(wish) for wish in wishes]
    room = MOST_A_DAY - await _placed_today(conn, customer_id)
    rows = [_row(n, wish, scenario) for n, (wish, scenario) in enumerate(zip(wishes, scenarios, strict=True))]
    cursor = await conn.execute(
        "SELECT n, outcome, order_id FROM place_sandbox(%s, make_interval(secs => %s), %s, %s::json)",
        (customer_id, window_seconds, source, orjson.dumps([row for row in rows if row is not None][:room]).decode()),
    )
    made = {row["n"]: row for row in await cursor.fetchall()}
    return [
        Outcome(cast("OutcomeKind", made[n]["outcome"]), made[n]["order_id"])
        if n in made
        # Refused by its device, or one too many today.
        else Outcome(_REFUSED.get(scenario.refusing or Refusing.UNAVAILABLE, "unavailable"), None)
        for n, scenario in enumerate(scenarios)
    ]


async def _placed_today(conn: Connection, customer_id: int) -> int:
    cursor = await conn.execute(
        "SELECT count(*) FILTER (WHERE created_at > now() - interval '1 day') AS n FROM ("
        "SELECT created_at FROM sandbox_orders WHERE customer_id = %s ORDER BY id DESC LIMIT %s) o",
        (customer_id, MOST_A_DAY),
    )
    row = await cursor.fetchone()
    return int(row["n"]) if row else 0


def _row(n: int, wish: Wish, scenario: Scenario) -> dict[str, object] | None:
    if scenario.refusing in _REFUSED:
        return None
    return {
        "n": n,
        "service": wish.service_id,
        "device": wish.device,
        "quantity": wish.quantity,
        "fields": wish.fields,
        "fingerprint": wish.fingerprint,
        "reference": wish.reference,
        "callback": wish.callback_url,
        "outcome": scenario.outcome,
        "text": scenario.text,
        "checked": scenario.checked,
        "seconds": scenario.seconds,
        "asked": scenario.asked,
        "duplicate": scenario.refusing is Refusing.DUPLICATE,
    }


_ORDERS: LiteralString = """
SELECT o.id, o.state, o.service_id, s.name AS service, o.device, o.quantity, NULL AS delivered, o.price,
       CASE WHEN o.state = 'rejected' THEN o.price ELSE 0 END AS refunded, o.currency::text AS currency, o.fields,
       o.reference, CASE WHEN o.state = 'completed' THEN o.text END AS result,
       CASE WHEN o.state = 'rejected' THEN o.text END AS reason, NULL AS file, o.callback_url, o.source,
       NULL::timestamptz AS cancel_requested_at, o.created_at, o.updated_at, o.closed_at
FROM sandbox_orders o JOIN services s ON s.id = o.service_id
WHERE o.customer_id = %(customer)s
"""


async def sandbox_orders(conn: Connection, customer_id: int, ids: Sequence[int]) -> dict[int, OwnOrder]:
    """Return those of ``ids`` that are the customer's, by id; each was asked after once more by it."""
    values = {"customer": customer_id, "ids": [number for number in ids if 0 < number < 2**63]}
    await conn.execute(
        "SELECT advance_sandbox(array_agg(id), 1) FROM sandbox_orders"
        " WHERE customer_id = %(customer)s AND id = ANY (%(ids)s) AND closed_at IS NULL"
        # Nothing is written where nothing changes: who waits for many asks after each of them every second.
        " AND (state = 'accepted' OR closes_after IS NOT NULL OR closes_at <= clock_timestamp())",
        values,
    )
    cursor = await conn.execute(_ORDERS + " AND o.id = ANY (%(ids)s)", values)
    return {row["id"]: OwnOrder(**row) for row in await cursor.fetchall()}


async def list_sandbox(
    conn: Connection, customer_id: int, chosen: OwnFilter, *, before: int | None = None, limit: int
) -> list[OwnOrder]:
    """Return the customer's orders newest first, those with an id below ``before``."""
    cursor = await conn.execute(
        _ORDERS + " AND o.id < %(before)s AND (%(state)s::text IS NULL OR o.state = %(state)s)"
        " AND (%(service)s::bigint IS NULL OR o.service_id = %(service)s)"
        " AND (%(device)s::text IS NULL OR o.device = %(device)s)"
        " AND (%(reference)s::text IS NULL OR o.reference = %(reference)s)"
        " AND (%(since)s::timestamptz IS NULL OR o.created_at >= %(since)s)"
        " AND (%(until)s::timestamptz IS NULL OR o.created_at < %(until)s)"
        " ORDER BY o.id DESC LIMIT %(limit)s",
        chosen.parameters(customer_id, before=before, limit=limit),
    )
    return [OwnOrder(**row) for row in await cursor.fetchall()]


async def cancel_sandbox(conn: Connection, customer_id: int, order_id: int) -> None:
    """Reject an open order at once; NotFound, or Conflict for one that is over. ``conn`` is inside a transaction."""
    cursor = await conn.execute(
        "SELECT closed_at FROM sandbox_orders WHERE id = %s AND customer_id = %s FOR NO KEY UPDATE",
        (order_id, customer_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such order.")
    if row["closed_at"] is not None:
        raise Conflict("The order is over already.")
    await conn.execute(
        "UPDATE sandbox_orders SET outcome = 'rejected', text = %s, closes_at = clock_timestamp(), closes_after = NULL"
        " WHERE id = %s",
        (CANCELLED, order_id),
    )
    await conn.execute("SELECT advance_sandbox(ARRAY[%s::bigint], 0)", (order_id,))


async def close_due(conn: Connection) -> int:
    """Close orders whose time has come although nobody asks, and return how many those were."""
    row = await (await conn.execute("SELECT close_sandbox(%s) AS closed", (MOST_AT_ONCE,))).fetchone()
    return int(row["closed"]) if row else 0


async def forget_sandbox(conn: Connection) -> int:
    """Remove orders of more than 30 days ago, and return how many those were."""
    cursor = await conn.execute(
        "DELETE FROM sandbox_orders WHERE created_at < now() - make_interval(days => %s)", (KEPT_DAYS,)
    )
    return cursor.rowcount
