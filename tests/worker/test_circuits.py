"""Circuit breakers: trouble opens them, one order tries, an answer closes them; the customer notices nothing."""

import asyncio
from datetime import datetime, timedelta

import pytest

from app.connectors.base import Placed
from app.connectors.errors import ConnectorError, NotSent, RefusalReason, Refused, Unclear
from app.db import Database
from app.money import MICRO
from app.orders.attempts import ClaimedAttempt
from app.sealing import Sealer
from app.suppliers.circuits import REMOTE_DOUBTS, SUPPLIER_DOUBTS
from app.suppliers.records import get_supplier
from app.suppliers.service import change, get
from app.worker.dispatch import Sender
from tests.factories import Shop, imei, make_remote_service, make_route, make_shop, make_supplier
from tests.orders.test_place import assert_sound, balance
from tests.worker.scripted import Scripted, claimed, send
from tests.worker.test_order_path import buy, rows


async def circuit(db: Database, shop: Shop) -> tuple[str, int]:
    async with db.pool.connection() as conn:
        row = await get_supplier(conn, shop.supplier_id)
    return row.circuit, row.trips


async def time_passes(db: Database) -> None:
    """Every open circuit becomes half open, every waiting attempt due."""
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET paused_until = now() - interval '1 s' WHERE paused_until IS NOT NULL")
        await conn.execute(
            "UPDATE remote_services SET paused_until = now() - interval '1 s' WHERE paused_until IS NOT NULL"
        )
        await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'prepared'")


async def moment(db: Database) -> datetime:
    [row] = await rows(db, "SELECT clock_timestamp() AS at")
    at: datetime = row["at"]
    return at


async def opened_until(db: Database) -> datetime:
    [row] = await rows(db, "SELECT max(paused_until) AS at FROM suppliers")
    at: datetime = row["at"]
    return at


async def test_half_open_one_order_tries_and_its_answer_lets_the_others_through(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, *(imei(n) for n in range(5)))
    connector = Scripted(placed=NotSent("refused connection"))
    [first, *_] = await claimed(db, shop.supplier_id, limit=1)
    await send_one(db, shop, connector, first.attempt_id)
    assert await circuit(db, shop) == ("open", 1)
    await time_passes(db)
    assert await circuit(db, shop) == ("half_open", 1)
    tries = await claimed(db, shop.supplier_id)
    assert [one.blocked is None for one in tries].count(True) == 1
    assert {one.blocked for one in tries if one.blocked} == {"another order tries this way first"}
    assert await claimed(db, shop.supplier_id, by="another worker") == [], "they are put aside by the first"
    canary = next(one for one in tries if one.blocked is None)
    connector.placed = Placed("r1")
    await send_one(db, shop, connector, canary.attempt_id)
    assert await circuit(db, shop) == ("closed", 0)
    await time_passes(db)
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET lease_by = NULL, lease_until = NULL WHERE state = 'prepared'")
    rest = await claimed(db, shop.supplier_id)
    assert [one.blocked for one in rest] == [None] * 4


async def send_one(db: Database, shop: Shop, connector: Scripted, attempt_id: int) -> None:
    """Send one attempt that was claimed by ``w`` before."""
    async with db.pool.connection() as conn:
        account = await get(conn, shop.supplier_id)
        cursor = await conn.execute("SELECT * FROM attempt_work WHERE attempt_id = %s", (attempt_id,))
        row = await cursor.fetchone()
    assert row is not None
    await Sender(db, account, connector, "w").send([ClaimedAttempt(**row)])


async def test_two_workers_at_one_half_open_circuit_send_one_canary(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, *(imei(n) for n in range(20)))
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET paused_until = now() - interval '1 s', trips = 1")
    found = await asyncio.gather(*(claimed(db, shop.supplier_id, limit=4, by=f"w{n}") for n in range(5)))
    sent = [one for claims in found for one in claims if one.blocked is None]
    assert len(sent) == 1


async def test_each_opening_in_a_row_lasts_longer_up_to_ten_minutes(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    connector = Scripted(placed=NotSent("refused connection"))
    for planned in (20, 40, 80, 160, 320, *[600] * 5):
        before = await moment(db)
        await send(db, shop, connector)
        # It was opened after one moment and before the other.
        until, lasts = await opened_until(db), timedelta(seconds=planned)
        assert before + lasts <= until <= await moment(db) + lasts
        await time_passes(db)
    assert await balance(db, shop) == 998 * MICRO, "the order waits all the while"
    connector.placed = Placed("r1")
    await send(db, shop, connector)
    assert await circuit(db, shop) == ("closed", 0)
    await assert_sound(db)


@pytest.mark.parametrize("reason", [RefusalReason.NO_FUNDS, RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED])
async def test_pain_10_out_of_credit_pauses_and_tells_staff_and_never_rejects(
    db: Database, sealer: Sealer, reason: RefusalReason
) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    await send(db, shop, Scripted(placed=Refused(reason, "CreditprocessError")))
    assert await circuit(db, shop) == ("open", 1)
    [order] = await rows(db, "SELECT state FROM orders")
    assert order["state"] == "accepted"
    assert len(await rows(db, "SELECT 1 FROM alarms WHERE state = 'open'")) == 1
    await time_passes(db)
    await send(db, shop, Scripted(placed=Placed("r1")))
    assert await circuit(db, shop) == ("closed", 0)
    assert await rows(db, "SELECT 1 FROM alarms WHERE state = 'open'") == [], "it is over when they take orders again"


async def test_doubt_upon_doubt_stops_the_sending(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        # Each order of a remote service of its own, so that no single one of them is at fault.
        for number in range(SUPPLIER_DOUBTS + 2):
            remote = await make_remote_service(conn, shop.supplier_id, remote_id=f"9{number}")
            await make_route(conn, shop.imei_service, remote, priority=number)
    connector = Scripted(placed=Unclear("read time-out"))
    for number in range(SUPPLIER_DOUBTS + 2):
        await buy(db, shop, imei(number))
        async with db.transaction() as conn:
            await conn.execute("UPDATE routes SET priority = priority + 1000 WHERE priority = %s", (number,))
        await send(db, shop, connector)
    assert len(connector.requests) == SUPPLIER_DOUBTS, "the others were never at risk"
    assert await circuit(db, shop) == ("open", 1)
    kinds = {row["kind"] for row in await rows(db, "SELECT kind FROM alarms")}
    assert kinds == {"unclear_order", "supplier_down"}
    await assert_sound(db)


async def test_doubts_about_one_remote_service_stop_only_that_one(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    connector = Scripted(placed=Unclear("read time-out"))
    for number in range(REMOTE_DOUBTS + 1):
        await buy(db, shop, imei(number))
        await send(db, shop, connector)
    assert len(connector.requests) == REMOTE_DOUBTS
    assert await circuit(db, shop) == ("closed", 0)
    await buy(db, shop, "", service=shop.server_service, Email="a@example.com")
    connector.placed = Placed("r1")
    await send(db, shop, connector)
    assert len(connector.requests) == REMOTE_DOUBTS + 1
    [supplier] = await rows(db, "SELECT doubts FROM suppliers")
    assert supplier["doubts"] == 0, "an answer ends the doubts about the supplier"


@pytest.mark.parametrize("trouble", [Unclear("read time-out"), NotSent("refused connection")])
async def test_a_canary_in_trouble_opens_the_circuit_again_at_once(
    db: Database, sealer: Sealer, trouble: ConnectorError
) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1), imei(2))
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET paused_until = now() - interval '1 s', trips = 1")
    connector = Scripted(placed=trouble)
    await send(db, shop, connector)
    assert len(connector.requests) == 1
    assert await circuit(db, shop) == ("open", 2)


async def test_behind_an_open_circuit_orders_take_the_next_route(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        second = await make_supplier(conn, sealer, name="Second")
        remote = await make_remote_service(conn, second)
        await make_route(conn, shop.imei_service, remote, priority=200)
    await buy(db, shop, imei(1), imei(2), imei(3))
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE suppliers SET paused_until = now() - interval '1 s', trips = 1 WHERE id = %s", (shop.supplier_id,)
        )
    canary = Scripted(placed=Placed("r1"))
    await send(db, shop, canary)
    assert len(canary.requests) == 1
    others = await rows(db, "SELECT count(*) AS n FROM attempts WHERE supplier_id = %s AND state = 'prepared'", second)
    assert others[0]["n"] == 2, "nobody waits for the canary who can go another way"


async def test_staff_close_a_circuit(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    await send(db, shop, Scripted(placed=Refused(RefusalReason.NO_FUNDS, "no credit")))
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET paused_until = now() + interval '1 hour', doubts = 2")
        await change(conn, sealer, shop.supplier_id, state="active")
    assert await circuit(db, shop) == ("closed", 0)
    assert await rows(db, "SELECT 1 FROM remote_services WHERE paused_until IS NOT NULL OR doubts > 0") == []


async def test_taken_up_again_by_staff_what_waited_is_sent_at_once_but_not_before_its_customer_had_time(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Refused(RefusalReason.BLOCKED, "IP not allowed"))
    await send(db, shop, connector)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET confirm_seconds = 600")
    await buy(db, shop, imei(2))
    assert await claimed(db, shop.supplier_id) == []
    async with db.transaction() as conn:
        await change(conn, sealer, shop.supplier_id, state="active")
    [woken] = await claimed(db, shop.supplier_id)
    assert (woken.device, woken.blocked) == (imei(1), None)
