"""Files on the order path: bought with the supplier's own action, one by one, whatever else is sent with them."""

from dataclasses import replace

from app.catalog.snapshot import load_catalog
from app.connectors.base import File
from app.db import Database
from app.money import MICRO
from app.orders.attempts import ClaimedAttempt
from app.orders.files import store_file
from app.orders.service import place
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.worker.dispatch import in_calls
from tests.factories import Shop, imei, make_remote_service, make_route, make_service
from tests.worker.test_order_path import assert_sound, buy, closed, open_shop, rows, simulated, stats, until, working


async def buy_files(db: Database, shop: Shop, number: int) -> None:
    """Sell the simulator's file service and place orders with a file each, as the door does."""
    async with db.transaction() as conn:
        service = await make_service(conn, name="Code from file", type="file", price=3 * MICRO)
        remote = await make_remote_service(conn, shop.supplier_id, remote_id="file:601", type="file", cost=2 * MICRO)
        await make_route(conn, service, remote)
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        wishes = []
        for content in range(number):
            file = File("a.bcl", bytes([content]) * 1000)
            wish = make_wish(catalog.services[service], device="", quantity=None, fields={}, file=file)
            wishes.append(replace(wish, file_id=await store_file(conn, file)))
        outcomes = await place(
            conn,
            wishes,
            key_id=shop.key_id,
            ip=None,
            catalog_version=catalog.version,
            source="dhru",
            window_seconds=30,
        )
    assert {outcome.kind for outcome in outcomes} == {"placed"}


async def test_files_and_devices_are_bought_side_by_side(db: Database, sealer: Sealer) -> None:
    async with simulated() as url:
        shop = await open_shop(db, sealer, url)
        await buy(db, shop, *(imei(number) for number in range(5)))
        await buy_files(db, shop, 7)
        async with working(db, sealer):
            await until(lambda: closed(db, 12))
        assert (await stats(url))["accepted"] == 12
        assert (await stats(url))["bought_twice"] == 0
    orders = await rows(db, "SELECT state, result FROM orders WHERE file_id IS NOT NULL")
    assert [order["state"] for order in orders] == ["completed"] * 7
    assert len({order["result"] for order in orders}) == 7, "each has the code of its own file"
    attempts = await rows(db, "SELECT remote_id FROM attempts WHERE remote_id LIKE 'file:%%'")
    assert len(attempts) == 7
    await assert_sound(db)


def claimed(number: int, file_id: int | None) -> ClaimedAttempt:
    values = dict.fromkeys(ClaimedAttempt.__dataclass_fields__)
    return ClaimedAttempt(**{**values, "attempt_id": number, "file_id": file_id})  # type: ignore[arg-type]


def test_a_file_goes_alone_and_the_others_in_bulk() -> None:
    claims = [claimed(number, 9 if number in (2, 5) else None) for number in range(1, 8)]
    assert [[one.attempt_id for one in call] for call in in_calls(claims, 3)] == [[1, 3, 4], [6, 7], [2], [5]]
    assert in_calls([], 3) == []
