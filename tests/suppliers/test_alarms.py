"""Readings that a person should hear of: a price that leaves nothing, and the end of it."""

from app.alarms.service import AlarmRow, list_alarms
from app.db import Database
from app.money import MICRO
from tests.suppliers.catalogue import decide, listed, many, map_to, read, waiting


async def live(db: Database) -> list[AlarmRow]:
    """The alarms that are not over."""
    async with db.pool.connection() as conn:
        return await list_alarms(conn, limit=100)


async def test_a_price_above_what_we_sell_for_raises_an_alarm_until_it_is_over(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(3))
    service_id = await map_to(db, price=11 * MICRO // 10)
    await map_to(db, "2", price=9 * MICRO)
    dearer = [listed(str(number), cost=12 * MICRO // 10) for number in (1, 2, 3)]
    await read(db, supplier_id, *dearer)
    [alarm] = await live(db)
    assert (alarm.kind, alarm.text) == (
        "price_above_margin",
        "Upstream asks more for Remote 1 than somebody pays us for IMEI check.",
    )
    await read(db, supplier_id, *dearer)
    assert [alarm.count for alarm in await live(db)] == [2]
    # Our own price makes up for it.
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET price = %s WHERE id = %s", (2 * MICRO, service_id))
    await read(db, supplier_id, *dearer)
    assert await live(db) == []


async def test_a_price_that_nobody_agreed_to_yet_is_looked_at_too(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(2))
    await map_to(db, price=2 * MICRO)
    await read(db, supplier_id, listed(cost=5 * MICRO), listed("2"))
    [alarm] = await live(db)
    assert alarm.kind == "price_above_margin"
    [change] = await waiting(db, supplier_id)
    await decide(db, change.id, "reject")
    await read(db, supplier_id, *many(2))
    assert await live(db) == []


async def test_prices_with_a_margin_raise_none(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(2))
    await map_to(db, price=2 * MICRO)
    await read(db, supplier_id, listed(cost=2 * MICRO), listed("2", cost=100 * MICRO))
    assert await live(db) == []
    await read(db, supplier_id, listed(cost=None), listed("2"))
    assert await live(db) == []
