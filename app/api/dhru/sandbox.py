"""What keys of the sandbox get in the place of real orders; nothing is bought or charged."""

from collections.abc import Callable, Sequence

from app.api.dhru import replies
from app.api.dhru.call import Call
from app.api.dhru.inputs import Row
from app.catalog.snapshot import Catalog
from app.errors import Invalid
from app.orders.service import OrderStatus, Outcome
from app.orders.wishes import Wish
from app.sandbox.devices import refuse_invalid
from app.sandbox.orders import place_sandbox, sandbox_orders

ReadWish = Callable[[Row, Catalog, str], Wish]
"""Makes a wish of a row and the caller's own reference; raises Refusal."""


def refusing_invalid(read: ReadWish) -> ReadWish:
    """Return what reads wishes as ``read`` does, and refuses the magic device that stands for invalid input."""

    def checked(row: Row, catalog: Catalog, reference: str) -> Wish:
        wish = read(row, catalog, reference)
        try:
            refuse_invalid(wish)
        except Invalid as error:
            raise replies.invalid(error.message) from error
        return wish

    return checked


async def place_in_sandbox(call: Call, wishes: Sequence[Wish]) -> list[Outcome]:
    """Place wishes whose caller was confirmed."""
    async with call.door.db.pool.connection() as conn:
        return await place_sandbox(
            conn,
            wishes,
            customer_id=call.identity.customer_id,
            source="dhru",
            window_seconds=call.door.duplicate_window_seconds,
        )


async def sandbox_status(call: Call, numbers: Sequence[int]) -> dict[int, OrderStatus]:
    """Return the orders of a caller who was confirmed, by id; each was asked after once more."""
    async with call.door.db.pool.connection() as conn:
        found = await sandbox_orders(conn, call.identity.customer_id, numbers)
    return {
        number: OrderStatus(number, order.state, order.device, order.result or order.reason or "", None)
        for number, order in found.items()
    }
