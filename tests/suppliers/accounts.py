"""Writes down what moved an account at a supplier: attempts in any state, balances and deposits at any time."""

from datetime import datetime

from app.db import Database
from app.money import MICRO, Money
from app.suppliers.balances import store_balance
from tests.factories import Shop, imei
from tests.worker.test_order_path import buy

_WAYS: dict[str, tuple[str, ...]] = {
    "prepared": (),
    "sending": ("sending",),
    "unclear": ("sending", "unclear"),
    "abandoned": ("sending", "unclear", "abandoned"),
    "refused": ("sending", "refused"),
    "placed": ("sending", "placed"),
    "done": ("sending", "placed", "done"),
    "failed": ("sending", "placed", "failed"),
}


class Account:
    """A shop's account at its supplier."""

    def __init__(self, db: Database, shop: Shop) -> None:
        self.db, self.shop, self.devices = db, shop, 0

    async def attempt(
        self,
        state: str,
        sent_at: datetime | None,
        *,
        cost: int = MICRO,
        currency: str = "USD",
        placed_at: datetime | None = None,
        closed_at: datetime | None = None,
    ) -> int:
        """Return the id of an attempt that came to this state; answered at once and closed at once unless told."""
        self.devices += 1
        [placed] = await buy(self.db, self.shop, imei(self.devices))
        async with self.db.transaction() as conn:
            cursor = await conn.execute("SELECT id FROM attempts WHERE order_id = %s", (placed.order_id,))
            row = await cursor.fetchone()
            assert row is not None
            attempt_id: int = row["id"]
        await self.move(attempt_id, "prepared", state)
        known = state in ("placed", "done", "failed")
        async with self.db.transaction() as conn:
            await conn.execute(
                "UPDATE attempts SET sent_at = %s, placed_at = %s, closed_at = %s, cost = %s, cost_currency = %s"
                " WHERE id = %s",
                (
                    sent_at,
                    (placed_at or sent_at) if known else None,
                    (closed_at or placed_at or sent_at) if state in ("done", "failed") else None,
                    cost if sent_at else None,
                    currency if sent_at else None,
                    attempt_id,
                ),
            )
        return attempt_id

    async def move(self, attempt_id: int, before: str, state: str) -> None:
        """Bring an attempt from one state to another, over those between."""
        way = _WAYS[state]
        async with self.db.transaction() as conn:
            for step in way[way.index(before) + 1 if before in way else 0 :]:
                await conn.execute(
                    "UPDATE attempts SET state = %s, sent_at = COALESCE(sent_at, now()), lease_by = %s,"
                    " remote_id = CASE WHEN %s THEN id::text ELSE remote_id END WHERE id = %s",
                    (step, "w" if step == "sending" else None, step == "placed", attempt_id),
                )

    async def reads(self, amount: int, at: datetime, currency: str = "USD") -> bool:
        """Write down a balance of so many whole units that was asked for and answered at ``at``."""
        async with self.db.transaction() as conn:
            taken = await store_balance(conn, self.shop.supplier_id, Money(amount * MICRO, currency), asked_at=at)
            await conn.execute(
                "UPDATE supplier_balances SET at = %s WHERE id = (SELECT max(id) FROM supplier_balances)", (at,)
            )
        return taken

    async def pays_in(self, amount: int, at: datetime) -> None:
        """Write down a deposit of so many whole units that arrived at ``at``."""
        async with self.db.transaction() as conn:
            await conn.execute(
                "INSERT INTO supplier_deposits (supplier_id, amount, currency, reference, at)"
                " VALUES (%s, %s, 'USD', %s, %s)",
                (self.shop.supplier_id, amount * MICRO, at.isoformat(), at),
            )
