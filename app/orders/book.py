"""What the doors for programs do with orders, so that a sandbox can stand in the place of the real ones."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from app.connectors.base import File
from app.customers.once import Once, forget
from app.db import Connection
from app.errors import NotFound
from app.orders.cancelling import cancel_order
from app.orders.files import result_file
from app.orders.own import OwnFilter, OwnOrder, list_own, own_orders
from app.orders.placing import Placer
from app.orders.waiting import Waiters


class Book(Protocol):
    """The orders of customers, as their keys may see and place them."""

    @property
    def placer(self) -> Placer:
        """What places orders."""

    async def many(self, conn: Connection, customer_id: int, ids: Sequence[int]) -> dict[int, OwnOrder]:
        """Return those of ``ids`` that are the customer's, by id."""

    async def listed(
        self, conn: Connection, customer_id: int, chosen: OwnFilter, *, before: int | None, limit: int
    ) -> list[OwnOrder]:
        """Return the customer's orders newest first, those with an id below ``before``."""

    async def cancel(self, conn: Connection, customer_id: int, order_id: int) -> Literal["cancelled", "requested"]:
        """Cancel an order, or pass the wish on; NotFound, Conflict. ``conn`` is inside a transaction."""

    async def wait(self, customer_id: int, ids: Collection[int], seconds: float) -> bool:
        """Return when all of these orders are over or the time is, and say whether it was waited at all."""

    async def file(self, conn: Connection, order_id: int) -> File | None:
        """Return the file that came with a result, None if there is none."""

    async def forget(self, conn: Connection, customer_id: int, call: Once, order_id: int) -> None:
        """Let a key that an order was placed with be used anew."""


@dataclass(frozen=True, slots=True)
class RealOrders:
    """The orders that are bought and paid for."""

    placer: Placer
    waiters: Waiters

    async def many(self, conn: Connection, customer_id: int, ids: Sequence[int]) -> dict[int, OwnOrder]:
        """Return those of ``ids`` that are the customer's, by id."""
        return await own_orders(conn, customer_id, ids)

    async def listed(
        self, conn: Connection, customer_id: int, chosen: OwnFilter, *, before: int | None, limit: int
    ) -> list[OwnOrder]:
        """Return the customer's orders newest first, those with an id below ``before``."""
        return await list_own(conn, customer_id, chosen, before=before, limit=limit)

    async def cancel(self, conn: Connection, customer_id: int, order_id: int) -> Literal["cancelled", "requested"]:
        """Cancel an order, or pass the wish on; NotFound, Conflict. ``conn`` is inside a transaction."""
        return await cancel_order(conn, order_id, actor=f"customer {customer_id}", customer_id=customer_id)

    async def wait(self, customer_id: int, ids: Collection[int], seconds: float) -> bool:
        """Return when all of these orders are over or the time is, and say whether it was waited at all."""
        del customer_id
        return await self.waiters.wait(ids, seconds)

    async def file(self, conn: Connection, order_id: int) -> File | None:
        """Return the file that came with a result, None if there is none."""
        return await result_file(conn, order_id)

    async def forget(self, conn: Connection, customer_id: int, call: Once, order_id: int) -> None:
        """Let a key that an order was placed with be used anew."""
        await forget(conn, customer_id, call.key, order_id=order_id)


async def one_order(orders: Book, conn: Connection, customer_id: int, order_id: int) -> OwnOrder:
    """Return an order of the customer's; NotFound if it is none of theirs."""
    order = (await orders.many(conn, customer_id, [order_id])).get(order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order
