"""What settles an unclear order without a person: the supplier's balance, a duplicate there, a call of theirs."""

from datetime import timedelta

import pytest

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.db import Database
from app.money import MICRO, Money
from app.orders.attempts import look_now
from app.sealing import Sealer
from app.suppliers.balances import store_balance
from tests.factories import Shop, imei, make_customer, make_shop
from tests.orders.test_place import assert_sound, balance
from tests.worker.scripted import Scripted, look, send
from tests.worker.test_order_path import buy, rows


async def read(db: Database, shop: Shop, amount: int, *, ago: timedelta) -> None:
    """Their balance as it was said some time ago."""
    async with db.transaction() as conn:
        await store_balance(conn, shop.supplier_id, Money(amount, "USD"))
        await conn.execute(
            "UPDATE supplier_balances SET at = now() - %(ago)s, asked_at = now() - %(ago)s"
            " WHERE id = (SELECT max(id) FROM supplier_balances)",
            {"ago": ago},
        )


async def unclear(db: Database, sealer: Sealer, *, proof: bool, after: int) -> tuple[Shop, Scripted]:
    """An order of cost 1.00 that was sent 30 minutes ago and lost; the balance was 50.00, later it is ``after``."""
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET balance_is_proof = %s", (proof,))
    await read(db, shop, 50 * MICRO, ago=timedelta(minutes=31))
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Unclear("read time-out"), found=Unsupported("no list"))
    await send(db, shop, connector)
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET sent_at = now() - interval '30 minutes'")
    await read(db, shop, after, ago=timedelta(minutes=5))
    return shop, connector


async def state(db: Database) -> str:
    [attempt] = await rows(db, "SELECT state FROM attempts")
    return str(attempt["state"])


async def test_a_balance_that_did_not_move_proves_that_it_is_not_there(db: Database, sealer: Sealer) -> None:
    shop, connector = await unclear(db, sealer, proof=True, after=50 * MICRO)
    await look(db, shop, connector, later="30 minutes")
    assert await state(db) == "refused"
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


@pytest.mark.parametrize(("proof", "after"), [(True, 49 * MICRO), (False, 50 * MICRO), (True, 48 * MICRO)])
async def test_a_balance_that_moved_or_is_no_proof_gives_nothing_back(
    db: Database, sealer: Sealer, proof: bool, after: int
) -> None:
    shop, connector = await unclear(db, sealer, proof=proof, after=after)
    await look(db, shop, connector, later="30 minutes")
    assert await state(db) == "unclear"
    assert await balance(db, shop) == 998 * MICRO
    await assert_sound(db)


async def test_a_duplicate_is_a_hint_at_the_order_that_was_lost(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        customer, username, key, key_id = await make_customer(conn, sealer, name="Other")
    other = Shop(customer, username, key, key_id, shop.supplier_id, shop.imei_service, shop.server_service)
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Unclear("read time-out"), found=Unsupported("no list"))
    await send(db, shop, connector)
    await look(db, shop, connector)
    [lost] = await rows(db, "SELECT id, due_at > now() + interval '1 hour' AS resting FROM attempts")
    assert lost["resting"]
    await buy(db, other, imei(1))
    connector.placed = Refused(RefusalReason.DUPLICATE, "IMEI already submitted")
    await send(db, shop, connector)
    [hinted] = await rows(db, "SELECT state, note, due_at <= now() AS due FROM attempts WHERE id = %s", lost["id"])
    assert hinted == {
        "state": "unclear",
        "note": "They have an order for this device: IMEI already submitted",
        "due": True,
    }
    events = await rows(db, "SELECT kind FROM order_events WHERE attempt_id = %s AND kind = 'evidence'", lost["id"])
    assert len(events) == 1
    await assert_sound(db)


async def test_a_call_about_an_order_that_nobody_knows_lets_the_lost_ones_be_looked_for(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Unclear("read time-out"), found=Placed("r7"))
    await send(db, shop, connector)
    async with db.pool.connection() as conn:
        assert await look_now(conn, shop.supplier_id) == 1
        assert await look_now(conn, shop.supplier_id + 1) == 0
    [lost] = await rows(db, "SELECT due_at <= now() AS due FROM attempts")
    assert lost["due"]
    await look(db, shop, connector)
    assert await state(db) == "placed"


async def test_found_at_last_it_is_delivered_once(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    found = Placed("r7", Report("r7", ReportStatus.DONE, "ok"))
    connector = Scripted(placed=Unclear("read time-out"), found=found)
    await send(db, shop, connector)
    await look(db, shop, connector)
    assert await state(db) == "placed", "the poller reads the result, from one place for all"
