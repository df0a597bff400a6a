"""What a supplier lets choose from service by service: kept for each, read in turns, lost to no broken list."""

from app.connectors.base import Brand, Choice, ChoicesOf, Device, DeviceCatalog, Network, RemoteField
from app.db import Database
from app.redis import Limiter
from app.sealing import Sealer
from app.suppliers.contact import sync_devices
from app.suppliers.device_rounds import begin_reading
from app.suppliers.devices import Counts, choices_of, store_devices, unknown_choices
from app.suppliers.service import add
from tests.factories import make_route, make_service
from tests.fakes.dhru_choices import FakeDhruChoices
from tests.fakes.faults import Fault, serving_fake
from tests.suppliers.catalogue import listed, read, rows

MOBILE, PROVIDER = RemoteField("Mobile", required=True), RemoteField("Provider", required=True)


def lists(**devices: str) -> DeviceCatalog:
    """A catalogue with a list of devices, each a letter, for each of the services."""
    names = sorted({name for one in devices.values() for name in one})
    return DeviceCatalog(
        brands=tuple(Brand(name.upper(), name) for name in names),
        devices=tuple(Device(name, name.upper(), f"Model {name}") for name in names),
        networks=(Network("1", "Spain", "Orange"),),
        choices=tuple(ChoicesOf(service[1:], Choice.DEVICE, tuple(one)) for service, one in devices.items()),
    )


async def store(db: Database, supplier_id: int, catalog: DeviceCatalog, **how: bool) -> Counts:
    asking = [one.remote_id for one in catalog.choices]
    async with db.transaction() as conn:
        return await store_devices(conn, supplier_id, catalog, asking=asking, **how)


async def sold(db: Database, remote_id: str, field: str = "Mobile") -> int:
    """Sell a remote service under one of ours that asks for a model."""
    [row] = await rows(db, "SELECT id FROM remote_services WHERE remote_id = %s", remote_id)
    async with db.transaction() as conn:
        service = await make_service(conn, name=f"Sells {remote_id}", fields=[{"name": field}])
        await make_route(conn, service, row["id"])
    return service


async def offered(db: Database, service: int) -> list[str]:
    async with db.pool.connection() as conn:
        return [entry.remote_id for entry in await choices_of(conn, service)]


async def test_each_service_has_its_own_list(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *(listed(name, fields=(MOBILE,)) for name in ("1", "2", "3")))
    await store(db, supplier_id, lists(_1="abc", _2="cd", _3=""))
    first, second, third = [await sold(db, name) for name in ("1", "2", "3")]
    assert await offered(db, first) == ["a", "b", "c"]
    assert await offered(db, second) == ["c", "d"]
    assert await offered(db, third) == [], "it has no list: anything may be written"
    wanted = {(service, "device", name) for service in (first, second) for name in "ad"}
    async with db.pool.connection() as conn:
        assert await unknown_choices(conn, wanted) == {(first, "device", "d"), (second, "device", "a")}
        cursor = await conn.execute("SELECT service_id FROM service_choices ORDER BY 1")
        assert [row["service_id"] for row in await cursor.fetchall()] == [first, second]


async def test_a_service_whose_list_was_not_read_yet_is_no_choice(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed("1", fields=(MOBILE,)), listed("2", fields=(MOBILE,)))
    await store(db, supplier_id, lists(_1="ab"))
    assert await offered(db, await sold(db, "2")) == []


async def test_a_list_that_lost_too_much_is_held(db: Database, supplier_id: int) -> None:
    await store(db, supplier_id, lists(_1="abcd"))

    async def ids() -> list[str]:
        [row] = await rows(db, "SELECT ids FROM remote_choices")
        found: list[str] = row["ids"]
        return found

    for broken in ("", "a", "xyz"):
        await store(db, supplier_id, lists(_1=broken))
        assert await ids() == ["a", "b", "c", "d"], broken
    await store(db, supplier_id, lists(_1="abx"))
    assert await ids() == ["a", "b", "x"]
    assert (await store(db, supplier_id, lists(_1="a"), believed=True)).devices == 1
    assert await ids() == ["a"]
    await store(db, supplier_id, lists(_1=""), believed=True)
    assert await ids() == ["a"], "an empty one never counts"


async def test_what_no_list_has_any_more_goes(db: Database, supplier_id: int) -> None:
    assert await store(db, supplier_id, lists(_1="abcd", _2="cde")) == Counts(5, 5, 1, 0)
    assert await store(db, supplier_id, lists(_1="abc", _2="cd")) == Counts(4, 4, 1, 0), "e, and its brand"
    assert await store(db, supplier_id, lists(_1="abc")) == Counts(3, 3, 1, 0), "d with the service that had it"


async def test_the_same_list_in_another_order_is_not_written(db: Database, supplier_id: int) -> None:
    await store(db, supplier_id, lists(_1="abc"))
    [before] = await rows(db, "SELECT version FROM catalog_version")
    await store(db, supplier_id, lists(_1="cba"))
    assert await rows(db, "SELECT version FROM catalog_version") == [before]


async def test_those_that_ask_are_those_with_a_field_of_the_name_and_the_sold_ones_come_first(
    db: Database, supplier_id: int
) -> None:
    dropdown = RemoteField("Provider", options=("Orange", "SFR"))
    await read(
        db,
        supplier_id,
        listed("1", fields=(MOBILE, RemoteField("MEP"))),
        listed("2"),
        listed("3", fields=(dropdown,)),
        listed("4", fields=(MOBILE, PROVIDER)),
    )
    await sold(db, "4")
    async with db.transaction() as conn:
        found = await begin_reading(conn, supplier_id)
    assert list(found.asking.items()) == [
        ("4", frozenset({Choice.DEVICE, Choice.NETWORK})),
        ("1", frozenset({Choice.DEVICE, Choice.MEP})),
    ]
    assert list(found.done) == []


async def state(db: Database) -> tuple[int, list[str]]:
    [row] = await rows(db, "SELECT devices_left, devices_done FROM suppliers")
    return row["devices_left"], row["devices_done"]


async def test_a_round_goes_on_where_a_reading_ended(db: Database, sealer: Sealer) -> None:
    fake = FakeDhruChoices()
    async with serving_fake(fake) as url:
        async with db.transaction() as conn:
            supplier = await add(conn, sealer, name="A", kind="dhru", config=fake.config(url), currency="USD")
        await read(db, supplier, listed("702", fields=(MOBILE,)), listed("701", fields=(MOBILE, PROVIDER)))
        fake.script(Fault("throttled", "providerlist"))
        found = await sync_devices(db, sealer, supplier)
        assert (found.devices, found.networks, found.left) == (4, 0, 1)
        assert await state(db) == (1, ["702"])
        found = await sync_devices(db, sealer, supplier)
        assert found == Counts(brands=2, devices=4, networks=3, meps=0)
        assert await state(db) == (0, [])
        assert fake.requests == {"modellist": 3, "providerlist": 2}, "702 was not asked for again"


async def test_a_reading_takes_half_of_what_a_minute_has_room_for(db: Database, sealer: Sealer) -> None:
    fake = FakeDhruChoices()
    limiter = Limiter()
    async with serving_fake(fake) as url:
        async with db.transaction() as conn:
            supplier = await add(conn, sealer, name="A", kind="dhru", config=fake.config(url), currency="USD")
            await conn.execute("UPDATE suppliers SET requests_per_minute = 20")
        await read(db, supplier, *(listed(str(number), fields=(MOBILE,)) for number in range(100, 130)))
        found = await sync_devices(db, sealer, supplier, limiter=limiter)
        assert found.left == 20
        assert fake.requests == {"modellist": 10}
        taken = [await limiter.hit(f"supplier {supplier}", 20) for _ in range(20)]
        assert sum(taken) <= 10, "they count with those of orders"
