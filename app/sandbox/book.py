"""The orders of sandbox keys, for the doors that know orders as a book."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from app.catalog.snapshot import Catalog, CatalogCache
from app.connectors.base import File
from app.customers.once import Once, forget, keep, recall
from app.customers.service import Identity
from app.db import Connection, Database
from app.errors import Invalid, TrunklineError
from app.orders.book import Book, RealOrders
from app.orders.own import OwnFilter, OwnOrder
from app.orders.placing import Placed, Placer, ReadWish
from app.orders.service import AnsweredBefore, Outcome
from app.orders.waiting import Waiters
from app.orders.wishes import Wish
from app.sandbox.devices import refuse_invalid
from app.sandbox.orders import cancel_sandbox, list_sandbox, place_sandbox, sandbox_orders

LOOK_SECONDS = 1.0


class SandboxPlacer(Placer):
    """Places in the sandbox; keys that count once are others there than for real orders."""

    async def _recall(self, identity: Identity, call: Once) -> list[Placed] | None:
        return await Placer._recall(self, identity, _apart(call))

    async def _check(self, catalog: Catalog, rows: Sequence[ReadWish]) -> list[Wish | TrunklineError]:
        checked = await Placer._check(self, catalog, rows)
        return [_judged(one) if isinstance(one, Wish) else one for one in checked]

    async def _write(
        self,
        conn: Connection,
        identity: Identity,
        ip: str | None,
        wishes: Sequence[Wish],
        *,
        version: int,
        call: Once | None,
        refused: object,
    ) -> list[Outcome]:
        customer = identity.customer_id
        async with conn.transaction():
            outcomes = await place_sandbox(
                conn, wishes, customer_id=customer, source=self.source, window_seconds=self.window_seconds
            )
            if call is None:
                return outcomes
            # Only now: placing is where two calls with one key wait for each other.
            if await recall(conn, customer, _apart(call)) is not None:
                raise AnsweredBefore
            if any(outcome.kind in ("placed", "repeated") for outcome in outcomes):
                told = [{"kind": outcome.kind, "order_id": outcome.order_id} for outcome in outcomes]
                await keep(conn, customer, _apart(call), {"refused": refused, "outcomes": told})
        return outcomes


def _apart(call: Once) -> Once:
    # A customer's key has no blank in it.
    return Once(f"sandbox {call.key}", call.request)


def _judged(wish: Wish) -> Wish | TrunklineError:
    try:
        refuse_invalid(wish)
    except Invalid as error:
        return Invalid(error.message, field="device")
    return wish


@dataclass(frozen=True, slots=True)
class SandboxOrders:
    """The orders that nobody is charged for."""

    db: Database
    placer: SandboxPlacer

    async def many(self, conn: Connection, customer_id: int, ids: Sequence[int]) -> dict[int, OwnOrder]:
        """Return those of ``ids`` that are the customer's, by id."""
        return await sandbox_orders(conn, customer_id, ids)

    async def listed(
        self, conn: Connection, customer_id: int, chosen: OwnFilter, *, before: int | None, limit: int
    ) -> list[OwnOrder]:
        """Return the customer's orders newest first, those with an id below ``before``."""
        return await list_sandbox(conn, customer_id, chosen, before=before, limit=limit)

    async def cancel(self, conn: Connection, customer_id: int, order_id: int) -> Literal["cancelled", "requested"]:
        """Cancel an order; NotFound, Conflict. ``conn`` is inside a transaction."""
        await cancel_sandbox(conn, customer_id, order_id)
        return "cancelled"

    async def wait(self, customer_id: int, ids: Collection[int], seconds: float) -> bool:
        """Return when all of these orders are over or the time is; each look asks after them once more."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            async with self.db.pool.connection() as conn:
                found = await sandbox_orders(conn, customer_id, list(ids))
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or all(order.closed_at is not None for order in found.values()):
                return True
            await asyncio.sleep(min(LOOK_SECONDS, left))

    async def file(self, conn: Connection, order_id: int) -> File | None:
        """Return no file: results of the sandbox are texts."""
        del conn, order_id
        return None

    async def forget(self, conn: Connection, customer_id: int, call: Once, order_id: int) -> None:
        """Let a key that an order was placed with be used anew."""
        await forget(conn, customer_id, _apart(call).key, order_id=order_id)


def orders_for(
    caller: Identity,
    *,
    db: Database,
    catalog: CatalogCache,
    placed: Callable[[], None],
    window_seconds: int,
    source: str,
    waiters: Waiters,
) -> Book:
    """Return the orders that the caller's key is for: the real ones, or those of the sandbox. See ``Placer``."""
    if caller.sandbox:
        return SandboxOrders(db, SandboxPlacer(db, catalog, placed, window_seconds, source))
    return RealOrders(Placer(db, catalog, placed, window_seconds, source), waiters)
