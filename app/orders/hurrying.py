"""Staff do not want to wait for the next question: a worker asks after these orders, or looks for them, now."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db import Connection


@dataclass(frozen=True, slots=True)
class Asked:
    """An attempt that is asked after (``placed``) or looked for (``unclear``) as soon as a worker gets to it."""

    order_id: int
    attempt_id: int
    state: str


async def ask_soon(conn: Connection, order_ids: Sequence[int], *, staff_id: int) -> list[Asked]:
    """Let the attempts of these orders that a supplier has, or may have, come due now, and write down who wanted it.

    One that a worker holds at this moment is being asked after already, and is not among those returned.
    """
    cursor = await conn.execute("SELECT * FROM ask_soon(%s, %s)", (list(order_ids), f"staff {staff_id}"))
    return [Asked(**row) for row in await cursor.fetchall()]
