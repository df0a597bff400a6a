"""What a second order for the same device leads to: refused, the earlier one, another, or its result once more."""

from typing import Any

from app.connectors.base import Placed, Report, ReportStatus
from app.db import Database
from app.money import MICRO
from app.orders.cancelling import cancel_order
from app.orders.service import Outcome
from app.sealing import Sealer
from tests.audit.lives import send
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import assert_sound, balance, buy, wish
from tests.worker.test_order_path import rows


async def shop_with(db: Database, sealer: Sealer, **rules: Any) -> Shop:
    shop = await make_shop(db, sealer)
    for name, value in rules.items():
        async with db.transaction() as conn:
            await conn.execute(f"UPDATE services SET {name} = %s WHERE id = %s", (value, shop.imei_service))
    return shop


async def order(db: Database, shop: Shop, device: str) -> Outcome:
    [outcome] = await buy(db, shop, await wish(db, shop.imei_service, device), window=0)
    return outcome


async def deliver(db: Database, order_id: int | None, *, hours_ago: int = 0) -> None:
    """Complete an order, unless it is, as a worker would have done it that long ago."""
    assert order_id is not None
    for row in await rows(db, "SELECT supplier_id FROM attempts WHERE order_id = %s AND state = 'prepared'", order_id):
        remote_id = f"R{order_id}"
        done = Placed(remote_id, Report(remote_id, ReportStatus.DONE, "Find My: OFF"))
        await send(db, row["supplier_id"], {order_id: done})
    async with db.transaction() as conn:
        await conn.execute("UPDATE orders SET closed_at = now() - make_interval(hours => %s)", (hours_ago,))


async def test_pain_28_a_recheck_after_completion_is_allowed_unless_the_service_says_how_long_not(
    db: Database, sealer: Sealer
) -> None:
    shop = await shop_with(db, sealer)
    first = await order(db, shop, imei(1))
    assert await order(db, shop, imei(1)) == Outcome("duplicate", first.order_id)
    await deliver(db, first.order_id)
    second = await order(db, shop, imei(1))
    assert second.kind == "placed"
    assert second.order_id != first.order_id


async def test_pain_28_refused_for_so_many_hours_after_completion(db: Database, sealer: Sealer) -> None:
    shop = await shop_with(db, sealer, duplicate_hours=24)
    first = await order(db, shop, imei(1))
    await deliver(db, first.order_id, hours_ago=23)
    assert await order(db, shop, imei(1)) == Outcome("duplicate", first.order_id)
    await deliver(db, first.order_id, hours_ago=25)
    assert (await order(db, shop, imei(1))).kind == "placed"
    await assert_sound(db)


async def test_pain_28_the_earlier_order_is_returned_and_nothing_charged(db: Database, sealer: Sealer) -> None:
    shop = await shop_with(db, sealer, duplicates="return", duplicate_hours=24)
    first = await order(db, shop, imei(1))
    assert await order(db, shop, imei(1)) == Outcome("repeated", first.order_id)
    await deliver(db, first.order_id, hours_ago=1)
    assert await order(db, shop, imei(1)) == Outcome("repeated", first.order_id)
    assert await balance(db, shop) == 998 * MICRO


async def test_an_order_with_other_inputs_is_not_the_earlier_one(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET duplicates = 'return'")
    device = "C39ABCDEF0"
    first = await wish(db, shop.server_service, device, Email="a@example.com")
    other = await wish(db, shop.server_service, device, Email="b@example.com")
    [placed] = await buy(db, shop, first, window=0)
    assert await buy(db, shop, other, window=0) == [Outcome("duplicate", placed.order_id)]


async def test_pain_28_allowed_as_often_as_wanted(db: Database, sealer: Sealer) -> None:
    shop = await shop_with(db, sealer, duplicates="allow")
    assert [(await order(db, shop, imei(1))).kind for _ in range(3)] == ["placed"] * 3
    assert await balance(db, shop) == 994 * MICRO
    await assert_sound(db)


async def test_pain_28_a_recent_result_is_served_again_at_its_own_price_with_its_age(
    db: Database, sealer: Sealer
) -> None:
    shop = await shop_with(db, sealer, duplicates="recent", duplicate_hours=6, recent_price=MICRO // 2)
    first = await order(db, shop, imei(1))
    assert await order(db, shop, imei(1)) == Outcome("duplicate", first.order_id), "there is no result yet"
    await deliver(db, first.order_id, hours_ago=5)
    again = await order(db, shop, imei(1))
    assert again.kind == "placed"
    [row] = await rows(db, "SELECT state, price, result, repeats_id FROM orders WHERE id = %s", again.order_id)
    assert (row["state"], row["price"], row["repeats_id"]) == ("completed", MICRO // 2, first.order_id)
    assert "300 minutes old" in row["result"]
    assert row["result"].endswith("Find My: OFF")
    assert await rows(db, "SELECT 1 FROM attempts WHERE order_id = %s", again.order_id) == [], "nothing was bought"
    assert await balance(db, shop) == 1000 * MICRO - 2 * MICRO - MICRO // 2
    await assert_sound(db)


async def test_a_result_served_again_grows_old_all_the_same(db: Database, sealer: Sealer) -> None:
    shop = await shop_with(db, sealer, duplicates="recent", duplicate_hours=6)
    first = await order(db, shop, imei(1))
    await deliver(db, first.order_id)
    again = await order(db, shop, imei(1))
    [row] = await rows(db, "SELECT price FROM orders WHERE id = %s", again.order_id)
    assert row["price"] == 2 * MICRO, "without a price of its own it costs the usual one"
    async with db.transaction() as conn:
        await conn.execute("UPDATE orders SET closed_at = now() - interval '7 hours' WHERE id = %s", (first.order_id,))
    third = await order(db, shop, imei(1))
    [row] = await rows(db, "SELECT state, repeats_id FROM orders WHERE id = %s", third.order_id)
    assert row == {"state": "accepted", "repeats_id": None}, "the first is too old, and its echo does not count"


async def test_sent_again_within_the_window_it_is_the_first_order_even_if_that_was_rejected_meanwhile(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    same = await wish(db, shop.imei_service, imei(1))
    [first] = await buy(db, shop, same, window=30)
    assert first.order_id is not None
    async with db.transaction() as conn:
        await cancel_order(conn, first.order_id, actor="test")
    assert await buy(db, shop, same, window=30) == [Outcome("repeated", first.order_id)], "its reply may be lost"
    [second] = await buy(db, shop, same, window=0)
    assert second.kind == "placed"
    assert await balance(db, shop) == 998 * MICRO
    await assert_sound(db)


async def test_another_customers_result_is_not_served(db: Database, sealer: Sealer) -> None:
    shop = await shop_with(db, sealer, duplicates="recent", duplicate_hours=6)
    first = await order(db, shop, imei(1))
    await deliver(db, first.order_id)
    other = await make_shop(db, sealer, name="Other")
    stranger = Shop(
        other.customer_id,
        other.username,
        other.key,
        other.key_id,
        shop.supplier_id,
        shop.imei_service,
        shop.server_service,
    )
    placed = await order(db, stranger, imei(1))
    [row] = await rows(db, "SELECT state, repeats_id FROM orders WHERE id = %s", placed.order_id)
    assert row == {"state": "accepted", "repeats_id": None}
