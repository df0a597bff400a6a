"""What was said to suppliers goes when its time is over, and never while it may be needed as evidence."""

from typing import Any

import pytest

from app.clock import now
from app.connectors.http import Exchange
from app.db import Database
from app.orders import exchanges
from app.orders.exchanges import forget_exchanges
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from app.suppliers.service import keep_exchanges
from tests.admin.test_orders import order, send
from tests.factories import Shop, imei, make_shop

DONE = {"order_to": OrderState.COMPLETED, "text": "x", "result": "x"}


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop with credit of 1000."""
    return await make_shop(db, sealer)


async def run(db: Database, statement: str, *values: object) -> None:
    """Set the scene."""
    async with db.transaction() as conn:
        await conn.execute(statement, values)


async def say(db: Database, shop: Shop, said: str, *attempts: int) -> None:
    """Keep an exchange, linked to attempts or to none."""
    async with db.transaction() as conn:
        exchange = Exchange(now(), "POST", "http://x/", said, 200, "", 1, "")
        await keep_exchanges(conn, shop.supplier_id, "find", [exchange], attempts=attempts)


async def forget(db: Database, **bounds: int) -> int:
    """Remove what is older than 100 days."""
    async with db.pool.connection() as conn:
        return await forget_exchanges(conn, days=100, **bounds)


async def left(db: Database) -> list[str]:
    """The requests that are still kept."""
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT request FROM exchanges ORDER BY id")).fetchall()
    return [row["request"] for row in rows]


async def test_what_was_said_stays_while_its_order_is_open_or_may_be_disputed(db: Database, shop: Shop) -> None:
    cases: tuple[tuple[str, AttemptState, dict[str, Any], int | None, bool], ...] = (
        ("open", AttemptState.PLACED, {"order_to": OrderState.IN_PROGRESS}, None, True),
        ("closed yesterday", AttemptState.DONE, DONE, 1, True),
        ("closed in time", AttemptState.DONE, DONE, 99, True),
        ("closed long ago", AttemptState.DONE, DONE, 101, False),
        ("unclear though closed", AttemptState.UNCLEAR, {"order_to": OrderState.IN_PROGRESS}, None, True),
        ("held without an attempt", AttemptState.REFUSED, {"refusal": "other", "text": "no"}, None, True),
    )
    kept = []
    for number, (name, state, facts, closed_days, stays) in enumerate(cases):
        [order_id] = await order(db, shop, [imei(number)])
        ids = {} if state in (AttemptState.UNCLEAR, AttemptState.REFUSED) else {"remote_id": f"S{number}"}
        attempt = await send(db, shop, state, **ids, **facts)
        await run(db, "UPDATE exchanges SET request = %s WHERE request = 'key=***'", f"placing {name}")
        await say(db, shop, f"finding {name}", attempt)
        if closed_days is not None:
            await run(db, "UPDATE orders SET closed_at = now() - make_interval(days => %s) WHERE id = %s",
                      closed_days, order_id)  # fmt: skip
        if stays:
            kept += [f"placing {name}", f"finding {name}"]
    await say(db, shop, "of nobody")
    await run(db, "UPDATE exchanges SET at = now() - interval '101 days'")
    await say(db, shop, "new, of nobody")
    # This one's order is over, but its attempt may still cost money.
    closed = (
        "UPDATE orders SET state = 'rejected', reason = 'x', closed_at = now() - interval '300 days' WHERE device = %s"
    )
    await run(db, closed, imei(4))
    assert await forget(db) == 3
    assert await left(db) == [*kept, "new, of nobody"]
    assert await forget(db) == 0
    # The attempt itself is as it was, and so is its order's story.
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT count(*) AS n FROM attempts WHERE place_exchange_id IS NOT NULL")
        assert await cursor.fetchone() == {"n": 6}


async def test_a_run_is_bounded_and_the_next_goes_on_behind_what_stays(
    db: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "BATCH", 3)
    [_] = await order(db, shop)
    attempt = await send(db, shop, AttemptState.PLACED, remote_id="S", order_to=OrderState.IN_PROGRESS)
    for number in range(7):
        await say(db, shop, f"kept {number}", attempt)
    for number in range(8):
        await say(db, shop, f"old {number}")
    await run(db, "UPDATE exchanges SET at = now() - interval '101 days'")
    await say(db, shop, "new")
    stays = ["key=***", *(f"kept {number}" for number in range(7))]
    assert 0 < await forget(db, most=4) < 8
    assert (await left(db))[: len(stays)] == stays
    await forget(db)
    assert await left(db) == [*stays, "new"]
    assert await forget(db) == 0
