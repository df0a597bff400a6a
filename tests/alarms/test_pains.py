"""Alarms beside the order path: trouble with a supplier reaches people, trouble with people reaches no order."""

import asyncio

from app.alarms.delivery import deliver
from app.alarms.kinds import AlarmKind
from app.alarms.service import end_alarms, raise_alarm
from app.db import Database
from app.sealing import Sealer
from app.suppliers.service import change
from tests.alarms.test_delivery import see, webhook
from tests.factories import imei
from tests.fakes.alarm_sinks import WebhookSink
from tests.fakes.dhru import FakeDhru, Fault
from tests.serving import serving
from tests.worker.test_alarming import raised, shop_at
from tests.worker.test_order_path import assert_sound, buy, rows, until, working


async def test_pain_10_an_empty_account_upstream_is_told_at_once_and_the_order_waits(
    db: Database, sealer: Sealer
) -> None:
    fake, sink = FakeDhru(), WebhookSink()
    fake.script(Fault("no_funds", "place", -1))
    async with serving(sink.app()) as url, shop_at(db, sealer, fake) as shop:
        await webhook(db, sealer, f"{url}/alarms")
        async with working(db, sealer):
            await buy(db, shop, imei(1))
            await until(lambda: raised(db, "low_balance"))
        await deliver(db, sealer)
        [told] = sink.sent
        assert (told["about"], told["alarm"]["kind"], told["alarm"]["severity"]) == (
            "opened",
            "low_balance",
            "critical",
        )
        assert "Pay in at the supplier" in told["text"]
        assert await rows(db, "SELECT state FROM orders") == [{"state": "accepted"}]
        async with db.transaction() as conn:
            await change(conn, sealer, shop.supplier_id, state="active")
        await deliver(db, sealer)
    assert [message["about"] for message in sink.sent] == ["opened", "ended"]
    await assert_sound(db)


async def test_an_alarm_is_raised_and_ended_while_a_channel_that_hangs_tells_of_it(
    db: Database, sealer: Sealer
) -> None:
    sink = WebhookSink(hold=asyncio.Event())
    await see(db, AlarmKind.SUPPLIER_DOWN)
    async with serving(sink.app()) as url:
        await webhook(db, sealer, f"{url}/alarms")
        telling = asyncio.create_task(deliver(db, sealer))
        async with asyncio.timeout(30):
            while not sink.asked:  # noqa: ASYNC110  what is waited for happens behind a socket
                await asyncio.sleep(0.01)
        # The order path does this at the end of its transactions; a delivery that held a lock would stop it here.
        async with asyncio.timeout(30), db.transaction() as conn:
            await conn.execute("SET LOCAL lock_timeout = '2s'")
            await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, "supplier 1", "again")
            await end_alarms(conn, [AlarmKind.SUPPLIER_DOWN], "supplier 1")
        assert not telling.done()
        assert sink.hold is not None
        sink.hold.set()
        assert await telling == 1
        await deliver(db, sealer)
    assert [message["about"] for message in sink.sent] == ["opened", "ended"]
