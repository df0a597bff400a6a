"""The simulator's orders in one SQLite file, fast rather than safe against power cuts."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIRST_REFERENCE = 500_001

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
  reference INTEGER PRIMARY KEY,
  service   INTEGER NOT NULL,
  device    TEXT    NOT NULL,
  quantity  INTEGER NOT NULL,
  fields    TEXT    NOT NULL,
  cost      INTEGER NOT NULL,
  rejected  INTEGER NOT NULL,
  created   REAL    NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_device ON orders (device);
CREATE INDEX IF NOT EXISTS orders_rejected ON orders (created) WHERE rejected = 1;
"""


@dataclass(frozen=True, slots=True)
class Order:
    """One accepted order; ``cost`` in micro-units for the whole quantity, ``created`` in seconds of the epoch."""

    reference: int
    service: int
    device: str
    quantity: int
    fields: str
    cost: int
    rejected: bool
    created: float


class Orders:
    """Every order that was ever accepted, across restarts."""

    def __init__(self, path: str | Path) -> None:
        """Open or create the file; ``":memory:"`` keeps nothing."""
        # The server answers from one thread, but a test may build it in another one than it is closed in.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)
        last, spent = self._db.execute("SELECT max(reference), coalesce(sum(cost), 0) FROM orders").fetchone()
        self._next = (last or FIRST_REFERENCE - 1) + 1
        self._spent: int = spent

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def next_reference(self) -> int:
        """Return a reference that no order has."""
        reference = self._next
        self._next += 1
        return reference

    def add(self, orders: Sequence[Order]) -> None:
        """Keep new orders, all or none."""
        rows = [(o.reference, o.service, o.device, o.quantity, o.fields, o.cost, o.rejected, o.created) for o in orders]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")
        self._spent += sum(order.cost for order in orders)

    def find(self, references: Sequence[int]) -> dict[int, Order]:
        """Return the orders that exist among ``references``."""
        marks = ",".join("?" * len(references))
        rows = self._db.execute(f"SELECT * FROM orders WHERE reference IN ({marks})", references)  # noqa: S608  only marks
        return {row[0]: _order(row) for row in rows}

    def of_device(self, device: str) -> list[Order]:
        """Return the orders for ``device``, oldest first."""
        rows = self._db.execute("SELECT * FROM orders WHERE device = ? ORDER BY reference", (device,))
        return [_order(row) for row in rows]

    def spent(self, rejected_before: float) -> int:
        """Return what all orders cost, without those rejected ones that were created before that time."""
        query = "SELECT coalesce(sum(cost), 0) FROM orders WHERE rejected = 1 AND created <= ?"
        refunded: int = self._db.execute(query, (rejected_before,)).fetchone()[0]
        return self._spent - refunded

    def stats(self) -> dict[str, int]:
        """Return how many orders there are, for how many devices, and how many of them repeat service and device."""
        query = """
            SELECT count(*), count(DISTINCT nullif(device, '')),
                   (SELECT coalesce(sum(n - 1), 0) FROM
                     (SELECT count(*) AS n FROM orders WHERE device <> '' GROUP BY service, device HAVING n > 1))
            FROM orders"""
        accepted, devices, twice = self._db.execute(query).fetchone()
        return {"accepted": accepted, "distinct_devices": devices, "bought_twice": twice}


def _order(row: Sequence[Any]) -> Order:
    reference, service, device, quantity, fields, cost, rejected, created = row
    return Order(reference, service, device, quantity, fields, cost, bool(rejected), created)
