"""A choice by the ids of one supplier is never sent to another, where the same id is something else."""

from app.connectors.base import Device, DeviceCatalog
from app.db import Database
from app.sealing import Sealer
from app.suppliers.devices import store_devices
from tests.factories import imei, make_remote_service, make_route, make_service, make_supplier
from tests.worker.test_order_path import (
    assert_sound,
    attempts_in,
    buy,
    closed,
    open_shop,
    rows,
    simulated,
    stats,
    until,
    working,
)


async def test_the_next_route_is_for_orders_without_a_choice(db: Database, sealer: Sealer) -> None:
    async with simulated() as url:
        shop = await open_shop(db, sealer, url)
        async with db.transaction() as conn:
            first = await make_supplier(conn, sealer, base_url="http://127.0.0.1:9", name="First")
            await store_devices(conn, first, DeviceCatalog(devices=(Device("11", "", "iPhone 6"),)))
            service = await make_service(conn, name="Unlock", fields=[{"name": "Mobile"}])
            await make_route(conn, service, await make_remote_service(conn, first), priority=1)
            theirs = await make_remote_service(conn, shop.supplier_id, remote_id="102")
            await make_route(conn, service, theirs, priority=2)
            await conn.execute("UPDATE suppliers SET state = 'paused' WHERE id = %s", (first,))
        async with working(db, sealer):
            await buy(db, shop, imei(1), service=service, Mobile="11")
            await buy(db, shop, imei(2), service=service)
            await until(lambda: closed(db, 1))
            await until(lambda: attempts_in(db, "refused"))
        assert (await stats(url))["accepted"] == 1
    [done] = await rows(db, "SELECT device FROM orders WHERE state = 'completed'")
    assert done["device"] == imei(2)
    await assert_sound(db)
