"""What a supplier's word is worth: partial delivery, files, looked-for orders, rates, hours and field maps."""

import asyncio
from decimal import Decimal

from app.connectors.base import (
    File,
    Placed,
    Report,
    ReportStatus,
)
from app.connectors.errors import Unclear
from app.db import Database
from app.ledger.rates import set_rate
from app.ledger.service import account_of
from app.money import MICRO
from app.orders.files import result_file
from app.sealing import Sealer
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import assert_sound
from tests.worker.scripted import Scripted, ask, look, send
from tests.worker.test_order_path import buy, rows


async def balance(db: Database, shop: Shop) -> int:
    async with db.pool.connection() as conn:
        return (await account_of(conn, shop.customer_id)).balance


async def set_fields(db: Database, statement: str, *values: object) -> None:
    async with db.transaction() as conn:
        await conn.execute(statement, values)


async def order_of_ten(db: Database, shop: Shop) -> None:
    """Ten pieces at 2.00."""
    await set_fields(
        db,
        "UPDATE services SET takes_quantity = true, min_quantity = 10, max_quantity = 10 WHERE id = %s",
        shop.imei_service,
    )
    await buy(db, shop, imei(1))


async def test_pain_12_of_an_order_delivered_in_part_that_part_is_paid(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await order_of_ten(db, shop)
    assert await balance(db, shop) == 980 * MICRO
    report = Report("", ReportStatus.DONE, "3 codes", cost=3 * MICRO, delivered=3)
    connector = Scripted(placed=Placed("r1"), report=report)
    await send(db, shop, connector)
    await ask(db, shop, connector)
    [order] = await rows(db, "SELECT state, delivered, result FROM orders")
    assert order == {"state": "completed", "delivered": 3, "result": "3 codes"}
    assert await balance(db, shop) == 994 * MICRO
    [attempt] = await rows(db, "SELECT state, cost, cost_currency FROM attempts")
    assert attempt == {"state": "done", "cost": 3 * MICRO, "cost_currency": "USD"}
    await assert_sound(db)


async def test_nothing_delivered_is_a_failure_and_refunded(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await order_of_ten(db, shop)
    connector = Scripted(placed=Placed("r1", Report("r1", ReportStatus.DONE, "none of them", delivered=0)))
    await send(db, shop, connector)
    [order] = await rows(db, "SELECT state, reason FROM orders")
    assert order == {"state": "rejected", "reason": "none of them"}
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


async def test_a_binary_result_is_kept_for_its_customer(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    file = File("cpid.bin", b"\x00\x01binary", "application/octet-stream")
    await send(db, shop, Scripted(placed=Placed("r1", Report("r1", ReportStatus.DONE, file=file))))
    [order] = await rows(db, "SELECT id, state, result FROM orders")
    assert order["state"] == "completed"
    assert "cpid.bin" in order["result"]
    async with db.pool.connection() as conn:
        assert await result_file(conn, order["id"]) == file


async def test_done_without_a_result_is_not_an_end(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    connector = Scripted(
        placed=Placed("r1", Report("r1", ReportStatus.DONE)), report=Report("", ReportStatus.DONE, " ")
    )
    await send(db, shop, connector)
    await ask(db, shop, connector)
    [attempt] = await rows(db, "SELECT state, note FROM attempts")
    assert attempt == {"state": "placed", "note": "done, but without a result"}


async def test_a_lost_order_that_is_found_goes_on(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Unclear("read time-out"), found=Placed("r9"))
    await send(db, shop, connector)
    await look(db, shop, connector)
    [attempt] = await rows(db, "SELECT state, remote_id FROM attempts")
    assert attempt == {"state": "placed", "remote_id": "r9"}
    assert connector.requests[1].sent_at is not None


async def test_silence_is_proof_only_after_a_while(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Unclear("read time-out"), found=None)
    await send(db, shop, connector)
    await look(db, shop, connector, later="9 minutes")
    [attempt] = await rows(db, "SELECT state FROM attempts")
    assert attempt == {"state": "unclear"}
    assert await balance(db, shop) == 998 * MICRO
    await look(db, shop, connector, later="11 minutes")
    [attempt] = await rows(db, "SELECT state FROM attempts")
    assert attempt == {"state": "refused"}
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


async def test_fields_take_the_names_of_the_route_and_its_fixed_values(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await set_fields(
        db,
        'UPDATE routes SET field_map = \'{"Email": "customer_mail "}\', fixed = \'{"region": "EU"}\''
        " WHERE service_id = %s",
        shop.server_service,
    )
    await buy(db, shop, "", service=shop.server_service, Email="a@example.com")
    connector = Scripted(placed=Placed("r1"))
    await send(db, shop, connector)
    assert dict(connector.requests[0].fields) == {"customer_mail ": "a@example.com", "region": "EU"}


async def in_rupiah(db: Database, cost: int) -> None:
    await set_fields(db, "UPDATE suppliers SET currency = 'IDR'")
    await set_fields(db, "UPDATE remote_services SET cost = %s", cost)


async def test_the_margin_between_two_currencies_needs_both_rates(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await in_rupiah(db, 30_000 * MICRO)
    assert [outcome.kind for outcome in await buy(db, shop, imei(1))] == ["unavailable"]
    async with db.transaction() as conn:
        await set_rate(conn, currency="IDR", rate=Decimal("0.00006"), base="USD", staff_id=None)
    assert [outcome.kind for outcome in await buy(db, shop, imei(1))] == ["placed"]  # 30000 IDR are 1.80 of 2.00
    connector = Scripted(placed=Placed("r1"))
    await send(db, shop, connector)
    [attempt] = await rows(db, "SELECT state, cost, cost_currency FROM attempts")
    assert attempt == {"state": "placed", "cost": 30_000 * MICRO, "cost_currency": "IDR"}


async def test_a_rate_that_turned_the_margin_holds_the_order(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await in_rupiah(db, 30_000 * MICRO)
    async with db.transaction() as conn:
        await set_rate(conn, currency="IDR", rate=Decimal("0.00006"), base="USD", staff_id=None)
    await buy(db, shop, imei(1))
    await asyncio.sleep(0.01)
    async with db.transaction() as conn:
        await set_rate(conn, currency="IDR", rate=Decimal("0.000067"), base="USD", staff_id=None)
    connector = Scripted(placed=Placed("r1"))
    await send(db, shop, connector)
    assert connector.requests == []
    [attempt] = await rows(db, "SELECT state, note FROM attempts")
    assert attempt == {"state": "prepared", "note": "the supplier's price is above the price sold"}


async def test_a_closed_supplier_gets_nothing_until_it_opens(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    opens_in_two_hours = (
        "UPDATE remote_services SET zone = 'UTC', opens = to_char(now() + interval '2 hours', 'HH24:MI')"
    )
    opened_two_hours_ago = "UPDATE remote_services SET opens = to_char(now() - interval '2 hours', 'HH24:MI')"
    await set_fields(db, opens_in_two_hours)
    await set_fields(db, "UPDATE remote_services SET closes = to_char(now() + interval '3 hours', 'HH24:MI')")
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Placed("r1"))
    await send(db, shop, connector)
    [attempt] = await rows(db, "SELECT state, note FROM attempts")
    assert attempt == {"state": "prepared", "note": "the supplier is closed at this hour"}
    await set_fields(db, opened_two_hours_ago)
    await set_fields(db, "UPDATE attempts SET due_at = now()")
    await send(db, shop, connector)
    assert len(connector.requests) == 1
