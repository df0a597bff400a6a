"""What the order path tells a person, and when it is over."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from app.alarms.service import AlarmRow, list_alarms
from app.db import Database
from app.orders.resolution import resolve_attempt
from app.sealing import Sealer
from app.staff.service import create_staff
from app.suppliers.service import change
from tests.factories import Shop, imei, make_shop
from tests.fakes.dhru import FakeDhru, Fault, serving_fake
from tests.worker.test_order_path import assert_sound, attempts_in, buy, rows, until, working


async def alarms(db: Database) -> list[AlarmRow]:
    async with db.pool.connection() as conn:
        return await list_alarms(conn, limit=50)


async def raised(db: Database, kind: str) -> bool:
    return any(alarm.kind == kind for alarm in await alarms(db))


@contextlib.asynccontextmanager
async def shop_at(db: Database, sealer: Sealer, fake: FakeDhru) -> AsyncIterator[Shop]:
    async with serving_fake(fake) as url:
        shop = await make_shop(db, sealer, base_url=url)
        async with db.transaction() as conn:
            await change(conn, sealer, shop.supplier_id, config=fake.config(url))
            await conn.execute("UPDATE remote_services SET remote_id = '101' WHERE remote_id = '1'")
        yield shop


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("no_funds", "place", -1), "low_balance"),
        (Fault("refuse", "place", -1, text="Authentication Failed"), "supplier_credentials"),
        (Fault("refuse", "place", -1, text="Invalid IP Request"), "supplier_blocked"),
    ],
)
async def test_a_supplier_that_is_left_alone_raises_an_alarm_until_staff_resume_it(
    db: Database, sealer: Sealer, fault: Fault, kind: str
) -> None:
    fake = FakeDhru()
    fake.script(fault)
    async with shop_at(db, sealer, fake) as shop, working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: raised(db, kind))
    [alarm] = await alarms(db)
    assert (alarm.subject, alarm.count) == (f"supplier {shop.supplier_id}", 1)
    assert alarm.text.startswith("Reseller's upstream: ")
    async with db.transaction() as conn:
        await change(conn, sealer, shop.supplier_id, state="active")
    assert await alarms(db) == []
    await assert_sound(db)


async def test_a_supplier_that_cannot_be_reached_raises_an_alarm(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)  # nothing listens there
    async with working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: raised(db, "supplier_down"))


async def test_unclear_attempts_raise_one_alarm_until_the_last_is_resolved(db: Database, sealer: Sealer) -> None:
    fake = FakeDhru()
    fake.script(Fault("status", "place", -1))
    async with shop_at(db, sealer, fake) as shop, working(db, sealer):
        await buy(db, shop, imei(1), imei(2))
        await until(lambda: attempts_in(db, "unclear", 2))
    [alarm] = await alarms(db)
    assert (alarm.kind, alarm.subject) == ("unclear_order", f"supplier {shop.supplier_id}")
    assert "HTTP 502" in alarm.text
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="a@b.c", name="A", role="owner")
        for number, row in enumerate(await rows(db, "SELECT id FROM attempts ORDER BY id")):
            assert len(await list_alarms(conn, limit=9)) == 1
            await resolve_attempt(conn, row["id"], found=True, remote_id=f"900{number}", staff_id=staff_id)
    assert await alarms(db) == []
    await assert_sound(db)


async def test_an_orphaned_send_raises_the_alarm_of_its_supplier(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    async with db.transaction() as conn:
        await conn.execute("SELECT * FROM claim_attempts(%s, 'a dead worker', interval '0', 10)", (shop.supplier_id,))
    async with working(db, sealer):
        await until(lambda: raised(db, "unclear_order"))


async def test_pain_17_an_unknown_status_raises_an_alarm_and_changes_nothing(db: Database, sealer: Sealer) -> None:
    fake = FakeDhru()
    fake.script(Fault("refuse", "getimeiorder", -1, text="Hold on"))
    async with shop_at(db, sealer, fake) as shop, working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: raised(db, "unknown_status"))
    [alarm] = await alarms(db)
    assert "Hold on" in alarm.text
    [attempt] = await rows(db, "SELECT state, note FROM attempts")
    assert attempt["state"] == "placed"
    assert "Hold on" in attempt["note"]
    await assert_sound(db)


async def test_a_key_refused_while_asking_raises_an_alarm_and_changes_nothing(db: Database, sealer: Sealer) -> None:
    fake = FakeDhru()
    fake.script(Fault("refuse", "getimeiorder", -1, text="Authentication Failed"))
    async with shop_at(db, sealer, fake) as shop, working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: raised(db, "supplier_credentials"))
    assert await attempts_in(db, "placed")
