"""Trunkline's own book, read straight from its database: orders, attempts, money."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

OPEN = ("accepted", "in_progress")
MOVING = ("prepared", "sending", "placed")


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order; ``key`` is its device, or its e-mail address where it has none."""

    id: int
    customer_id: int
    service: str
    key: str
    quantity: int
    price: int
    state: str
    result: str | None
    reason: str | None

    @property
    def open(self) -> bool:
        """Whether it is not closed."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt with the reply to its placing, as far as it was kept; ``unclear_at`` is when it became so last."""

    id: int
    order_id: int
    supplier: str
    state: str
    remote_id: str | None
    text: str
    sent_at: datetime | None
    unclear_at: datetime | None
    status: int | None
    reply: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Book:
    """Everything that the database says at one moment; ``transfers`` are kinds and amounts by order."""

    orders: Mapping[int, OrderRow]
    attempts: Sequence[AttemptRow]
    transfers: Mapping[int, Sequence[tuple[str, int]]]
    balances: Mapping[int, int]
    topped_up: Mapping[int, int]
    ever_unclear: int

    def attempts_of(self) -> Mapping[int, Sequence[AttemptRow]]:
        """The attempts by order."""
        found: defaultdict[int, list[AttemptRow]] = defaultdict(list)
        for attempt in self.attempts:
            found[attempt.order_id].append(attempt)
        return found


def read(database_url: str) -> Book:
    """Read everything in one snapshot."""
    with psycopg.connect(database_url) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with conn.cursor(row_factory=class_row(OrderRow)) as orders:
            orders.execute(
                "SELECT o.id, o.customer_id, s.name AS service, COALESCE(nullif(o.device, ''), o.fields->>'Email') AS"
                " key, o.quantity, o.price, o.state, o.result, o.reason"
                " FROM orders o JOIN services s ON s.id = o.service_id"
            )
            order_rows = {row.id: row for row in orders}
        with conn.cursor(row_factory=class_row(AttemptRow)) as attempts:
            attempts.execute(
                "SELECT a.id, a.order_id, s.name AS supplier, a.state, a.remote_id,"
                " concat_ws(' | ', a.text, a.note) AS text, a.sent_at,"
                " (SELECT max(v.at) FROM order_events v WHERE v.order_id = a.order_id AND v.attempt_id = a.id"
                " AND v.new_state = 'unclear')"
                " AS unclear_at, e.status, e.reply, e.error"
                " FROM attempts a JOIN suppliers s ON s.id = a.supplier_id"
                " LEFT JOIN exchanges e ON e.id = a.place_exchange_id ORDER BY a.id"
            )
            attempt_rows = attempts.fetchall()
        transfers: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for row in _rows(conn, "SELECT order_id, kind, amount FROM transfers WHERE order_id IS NOT NULL ORDER BY id"):
            transfers[row["order_id"]].append((row["kind"], row["amount"]))
        balances = _rows(conn, "SELECT customer_id, balance FROM accounts WHERE customer_id IS NOT NULL")
        topups = _rows(
            conn,
            "SELECT a.customer_id, sum(t.amount)::bigint AS amount FROM transfers t JOIN accounts a"
            " ON a.id = t.credit_id WHERE t.kind = 'topup' GROUP BY a.customer_id",
        )
        [unclear] = _rows(conn, "SELECT count(DISTINCT attempt_id) AS n FROM order_events WHERE new_state = 'unclear'")
    return Book(
        order_rows,
        attempt_rows,
        transfers,
        {row["customer_id"]: row["balance"] for row in balances},
        {row["customer_id"]: row["amount"] for row in topups},
        unclear["n"],
    )


def moving(database_url: str) -> int:
    """Return how many attempts still want work, and let what waits for a later time come due now.

    An order that was set aside while its supplier was paused waits for minutes; nothing else is changed by that.
    """
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "UPDATE attempts SET due_at = now() WHERE state IN ('prepared', 'placed') AND lease_by IS NULL"
            " AND due_at > now() + interval '2 seconds'"
        )
        [row] = _rows(conn, "SELECT count(*) AS n FROM attempts WHERE state IN ('prepared', 'sending', 'placed')")
    return int(row["n"])


def _rows(conn: psycopg.Connection[Any], statement: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode()).fetchall()
