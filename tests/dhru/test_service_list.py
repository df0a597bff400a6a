"""The service list: priced for each customer, always current, rendered once and kept within bounds."""

import asyncio
from typing import Any

import pytest
import xmltodict

from app.api.dhru import service_list
from app.api.dhru.callers import Callers
from app.api.dhru.door import Door
from app.api.dhru.envelope import read_envelope
from app.api.dhru.service_list import ServiceLists
from app.catalog.snapshot import Catalog
from app.customers.service import Identity
from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.dhru.conftest import Panel
from tests.factories import Shop, make_customer, make_service


def credits(reply: dict[str, Any]) -> dict[str, str]:  # noqa: A001  the word on the wire
    return {
        service["SERVICENAME"]: service["CREDIT"]
        for group in reply["SUCCESS"][0]["LIST"].values()
        for service in group["SERVICES"].values()
    }


async def test_prices_are_the_customers(panel: Panel, db: Database, sealer: Sealer) -> None:
    assert credits(await panel.call("imeiservicelist")) == {"IMEI check": "2.00", "Activation": "5.00"}
    async with db.transaction() as conn:
        customer_id, username, key, _ = await make_customer(conn, sealer, name="Another")
        _, euro_name, euro_key, _ = await make_customer(conn, sealer, name="Euro", currency="EUR")
        await make_service(conn, name="Euro check", price=3 * MICRO, currency="EUR")
        cursor = await conn.execute("INSERT INTO price_groups (name, currency) VALUES ('Gold', 'USD') RETURNING id")
        row = await cursor.fetchone()
        assert row is not None
        await conn.execute(
            "INSERT INTO group_prices (price_group_id, service_id, price) VALUES (%s, %s, %s)",
            (row["id"], panel.shop.imei_service, 1_500_000),
        )
        await conn.execute("UPDATE customers SET price_group_id = %s WHERE id = %s", (row["id"], customer_id))
    theirs = {"username": username, "apiaccesskey": key}
    assert credits(await panel.call("imeiservicelist", **theirs)) == {"IMEI check": "1.50", "Activation": "5.00"}
    assert credits(await panel.call("imeiservicelist", username=euro_name, apiaccesskey=euro_key)) == {
        "Euro check": "3.00"
    }
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO customer_prices (customer_id, service_id, price) VALUES (%s, %s, 1)",
            (customer_id, panel.shop.server_service),
        )
    assert credits(await panel.call("imeiservicelist", **theirs)) == {"IMEI check": "1.50", "Activation": "0.000001"}
    assert credits(await panel.call("imeiservicelist")) == {"IMEI check": "2.00", "Activation": "5.00"}


async def test_every_change_shows_at_once(panel: Panel, db: Database) -> None:
    for price in (7, 8, 9):
        async with db.transaction() as conn:
            await conn.execute("UPDATE services SET price = %s WHERE id = %s", (price * MICRO, panel.shop.imei_service))
        assert credits(await panel.call("imeiservicelist"))["IMEI check"] == f"{price}.00"


async def test_all_names_of_the_action_give_the_same_list(panel: Panel) -> None:
    first = await panel.send("imeiservicelist")
    for name in ("servicelist", "GetServices", "serverservicelist", "remoteservicelist", "getallservicesandgroups"):
        assert (await panel.send(name)).content == first.content


async def test_an_empty_list_is_still_an_object(panel: Panel, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET state = 'hidden'")
    assert (await panel.call("imeiservicelist"))["SUCCESS"] == [{"MESSAGE": "IMEI Service List", "LIST": {}}]


async def test_the_list_survives_xml(panel: Panel, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET name = E'a <b> & \\x01 c', info = '<br> ]]> &amp;'")
    response = await panel.send("imeiservicelist", requestformat="XML")
    assert response.headers["content-type"] == "application/xml; charset=utf-8"
    reply = xmltodict.parse(response.content, force_list=("GROUP", "SERVICE"))["RESPONSE"]
    services = [one for group in reply["SUCCESS"]["LIST"]["GROUP"] for one in group["SERVICES"]["SERVICE"]]
    assert [service["SERVICENAME"] for service in services] == ["a <b> &  c"] * 2
    assert services[0]["INFO"] == "<br> ]]> &amp;"
    assert reply["apiversion"] == "6.1"


@pytest.fixture
async def identity(door: Door, shop: Shop) -> Identity:
    """Who the shop's reseller is."""
    return await Callers(door).confirm(read_envelope([("key", shop.key)]), None, None)


@pytest.fixture
async def catalog(door: Door, shop: Shop) -> Catalog:
    """The shop's catalogue."""
    return await door.catalog.at_least(0)


@pytest.fixture
def renderings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each rendering."""
    made: list[int] = []
    build = service_list.build_list

    def counted(catalog: Catalog, prices: dict[int, int], dialect: str) -> dict[str, Any]:
        made.append(1)
        return build(catalog, prices, dialect)

    monkeypatch.setattr(service_list, "build_list", counted)
    return made


async def test_many_at_once_are_one_rendering(
    db: Database, identity: Identity, catalog: Catalog, renderings: list[int]
) -> None:
    lists = ServiceLists(db)
    bodies = await asyncio.gather(*(lists.get(catalog, identity, "6.1", "JSON") for _ in range(20)))
    assert len(renderings) == 1
    assert all(body is bodies[0] for body in bodies)
    assert await lists.get(catalog, identity, "6.1", "JSON") is bodies[0]
    assert await lists.get(catalog, identity, "8.2", "JSON") != bodies[0]
    assert len(renderings) == 2


async def test_a_failed_rendering_is_tried_again(
    db: Database, identity: Identity, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = ServiceLists(db)
    with monkeypatch.context() as patched:
        patched.setattr(service_list, "build_list", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            await lists.get(catalog, identity, "6.1", "JSON")
    assert (await lists.get(catalog, identity, "6.1", "JSON")).startswith(b'{"SUCCESS"')


async def test_what_is_kept_is_bounded(
    db: Database, identity: Identity, catalog: Catalog, renderings: list[int]
) -> None:
    size = len(await ServiceLists(db).get(catalog, identity, "6.1", "JSON"))
    lists = ServiceLists(db, max_bytes=size * 2)
    renderings.clear()
    for dialect in ("6.1", "8.2", "6.1", "9.9", "6.1", "8.2"):
        await lists.get(catalog, identity, dialect, "JSON")
    # 8.2 was the least recently used when the third one came.
    assert len(renderings) == 4
