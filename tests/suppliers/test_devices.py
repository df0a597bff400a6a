"""Suppliers' devices and networks: kept as read, searched, and never lost to a broken reading."""

import pytest

from app.connectors.base import Brand, Device, DeviceCatalog, Network
from app.db import Database
from app.errors import NotFound
from app.suppliers.devices import Counts, check_pair, list_entries, store_devices
from app.suppliers.sync import apply_on_demand
from tests.suppliers.catalogue import found, listed, many, read, rows

WHOLE = DeviceCatalog(
    brands=(Brand("1", "Alcatel"), Brand("29", "iPhone")),
    devices=(Device("10", "1", "OT-255"), Device("11", "29", "iPhone 6"), Device("12", "29", "iPhone 100%")),
    networks=(Network("3", "Spain", "Orange"), Network("4", "France", "Orange"), Network("5", "France", "SFR")),
    meps=(("1", "MEP-1"),),
)


async def store(db: Database, supplier_id: int, catalog: DeviceCatalog) -> Counts:
    async with db.transaction() as conn:
        return await store_devices(conn, supplier_id, catalog)


async def versions(db: Database) -> tuple[int, set[str]]:
    """The catalogue's version, and which rows were written when: a row that was written anew has another xmin."""
    [version] = await rows(db, "SELECT version FROM catalog_version")
    written = await rows(db, "SELECT id || '/' || xmin::text AS row FROM device_entries")
    return version["version"], {row["row"] for row in written}


async def test_what_is_read_is_kept_and_written_only_where_it_differs(db: Database, supplier_id: int) -> None:
    assert await store(db, supplier_id, WHOLE) == Counts(2, 3, 3, 1)
    before = await versions(db)
    assert await store(db, supplier_id, WHOLE) == Counts(2, 3, 3, 1)
    assert await versions(db) == before
    renamed = DeviceCatalog(WHOLE.brands, (*WHOLE.devices[:2], Device("12", "29", "iPhone 7")), WHOLE.networks, ())
    assert await store(db, supplier_id, renamed) == Counts(2, 3, 3, 1), "an empty list takes nothing away"
    version, written = await versions(db)
    assert version > before[0], "what customers may choose is part of what is on sale"
    assert len(written - before[1]) == 1


async def test_what_is_gone_goes_unless_too_much_is(db: Database, supplier_id: int) -> None:
    await store(db, supplier_id, WHOLE)
    fewer = DeviceCatalog(WHOLE.brands, WHOLE.devices[:2], WHOLE.networks[:1], WHOLE.meps)
    assert await store(db, supplier_id, fewer) == Counts(2, 2, 3, 1), "one of three networks is not believed"
    assert await store(db, supplier_id, DeviceCatalog()) == Counts(2, 2, 3, 1)


async def test_names_that_no_database_keeps_are_mended_and_ids_come_once(db: Database, supplier_id: int) -> None:
    odd = DeviceCatalog(devices=(Device("1", "", "A\x00B\ud800"), Device("1", "", "again"), Device("", "", "none")))
    assert (await store(db, supplier_id, odd)).devices == 1


async def test_search(db: Database, supplier_id: int) -> None:
    await store(db, supplier_id, WHOLE)
    async with db.pool.connection() as conn:

        async def names(kind: str, **how: str) -> list[str]:
            return [entry.name for entry in await list_entries(conn, supplier_id, kind, limit=10, **how)]  # type: ignore[arg-type]

        assert await names("device", search="IPHONE") == ["iPhone 6", "iPhone 100%"]
        assert await names("device", search="100%") == ["iPhone 100%"]
        assert await names("device", search="10") == ["OT-255", "iPhone 100%"], "an id is found too"
        assert await names("device", parent="1") == ["OT-255"]
        assert await names("network", search="france") == ["Orange", "SFR"]
        [device] = await list_entries(conn, supplier_id, "device", search="OT", limit=10)
        assert (device.parent, device.parent_name) == ("1", "Alcatel")
        after = await list_entries(conn, supplier_id, "device", after=device.id, limit=1)
        assert [entry.name for entry in after] == ["iPhone 6"]
        with pytest.raises(NotFound):
            await list_entries(conn, supplier_id + 1, "device", limit=10)
        await check_pair(conn, supplier_id, "10", "3")
        for device_id, network_id in (("99", "3"), ("10", "99")):
            with pytest.raises(NotFound):
                await check_pair(conn, supplier_id, device_id, network_id)


async def test_what_was_read_on_demand_is_missed_by_no_list(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(2))
    async with db.transaction() as conn:
        await apply_on_demand(conn, supplier_id, [listed("10/3/500"), listed("2")])
    marked = await rows(db, "SELECT remote_id FROM remote_services WHERE on_demand")
    assert [row["remote_id"] for row in marked] == ["10/3/500"], "2 is in the list"
    for _ in range(4):
        result = await read(db, supplier_id, listed("1"))
        assert result.held <= 1
    gone = await rows(db, "SELECT remote_id FROM remote_services WHERE removed_at IS NOT NULL")
    assert [row["remote_id"] for row in gone] == ["2"]
    async with db.transaction() as conn:
        await apply_on_demand(conn, supplier_id, [listed("10/3/500", cost=10_000_000)])
    assert await found(db, state="waiting") == [("10/3/500", "price", "waiting")], "the limits hold for them too"
