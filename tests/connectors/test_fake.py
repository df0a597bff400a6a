"""The DHRU connector against a supplier that misbehaves over real HTTP; what it accepted is counted there."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from app.connectors import registry
from app.connectors.base import Connector, File, Placed, PlaceRequest, RemoteService, ReportStatus, ServiceType
from app.connectors.errors import ConnectorError, Refused, Unclear, Unsupported
from tests.fakes.dhru import FakeDhru, Fault, serving_fake

IMEI = "356557847079356"
ORDERS = [PlaceRequest(str(n), "101", ServiceType.IMEI, imei) for n, imei in enumerate((IMEI, "356327109246188"), 41)]


@pytest.fixture
def fake() -> FakeDhru:
    return FakeDhru()


@pytest.fixture
async def connector(fake: FakeDhru) -> AsyncIterator[Connector[Any]]:
    async with serving_fake(fake) as url:
        connector = registry.build("dhru", {**fake.config(url), "read_seconds": 1})
        yield connector
        await connector.http.aclose()


async def _bulk_ending(connector: Connector[Any]) -> set[type]:
    try:
        return {type(outcome) for outcome in (await connector.place_many(ORDERS)).values()}
    except ConnectorError as error:
        return {type(error)}


@pytest.mark.parametrize("kind", ["hang", "status", "cut", "reset", "garbage", "no_id", "both"])
async def test_an_accepted_order_with_a_broken_reply_is_unclear(
    fake: FakeDhru, connector: Connector[Any], kind: Any
) -> None:
    fake.script(Fault(kind, "placeimeiorder"))
    with pytest.raises(Unclear):
        await connector.place(ORDERS[0])
    assert fake.state()["accepted"] == 1
    fake.script(Fault(kind, "placeimeiorderbulk"))
    # In bulk an ERROR beside the rows takes nothing from them.
    assert await _bulk_ending(connector) == ({Placed} if kind == "both" else {Unclear})
    assert fake.state()["accepted"] == 3
    assert fake.requests == {"placeimeiorder": 1, "placeimeiorderbulk": 1}, "nothing was sent again"


@pytest.mark.parametrize(
    ("kind", "reason"), [("refuse", "other"), ("no_funds", "no_funds"), ("throttled", "throttled")]
)
async def test_a_refusal_accepts_nothing(fake: FakeDhru, connector: Connector[Any], kind: Any, reason: str) -> None:
    fake.script(Fault(kind, "placeimeiorder"))
    with pytest.raises(Refused) as caught:
        await connector.place(ORDERS[0])
    assert caught.value.reason == reason
    assert fake.state()["accepted"] == 0


async def test_a_firewall_is_unclear_for_buying_and_blocked_for_reading(
    fake: FakeDhru, connector: Connector[Any]
) -> None:
    fake.script(Fault("firewall", times=2))
    with pytest.raises(Unclear):
        await connector.place(ORDERS[0])
    with pytest.raises(Refused) as caught:
        await connector.check(["500001"])
    assert caught.value.reason == "blocked"


async def test_notices_before_the_reply_do_no_harm(fake: FakeDhru, connector: Connector[Any]) -> None:
    fake.script(Fault("notices", times=-1))
    placed = await connector.place(ORDERS[0])
    (report,) = await connector.check([placed.remote_id])
    assert report.status is ReportStatus.DONE


async def test_without_bulk_the_connector_says_so_once_and_goes_on_singly(
    fake: FakeDhru, connector: Connector[Any]
) -> None:
    fake.script(Fault("bulk_unsupported", "placeimeiorderbulk"), Fault("bulk_unsupported", "getimeiorderbulk"))
    assert (connector.place_batch, connector.check_batch) == (50, 100)
    for _ in range(2):
        with pytest.raises(Unsupported):
            await connector.place_many(ORDERS)
    assert (connector.place_batch, connector.check_batch) == (1, 100)
    for _ in range(2):
        with pytest.raises(Unsupported):
            await connector.check(["500001", "500002"])
    assert (connector.place_batch, connector.check_batch) == (1, 1)
    assert fake.requests == {"placeimeiorderbulk": 1, "getimeiorderbulk": 1}
    assert fake.state()["accepted"] == 0
    assert [isinstance(await connector.place(order), Placed) for order in ORDERS] == [True, True]
    again = registry.build("dhru", fake.config("http://127.0.0.1"))
    assert (again.place_batch, again.check_batch) == (50, 100), "another account is not touched"
    await again.http.aclose()


async def _listed(connector: Connector[Any]) -> list[RemoteService]:
    """The services without those for files, which are in a list of their own."""
    return [service for service in await connector.catalog() if service.type is not ServiceType.FILE]


async def test_file_orders_go_beside_others_and_are_asked_after_together(
    fake: FakeDhru, connector: Connector[Any]
) -> None:
    [service] = [one for one in await connector.catalog() if one.type is ServiceType.FILE]
    assert (service.remote_id, service.cost, service.info) == ("file:601", 1_800_000, "Files: bcl,txt")
    order = PlaceRequest("51", service.remote_id, ServiceType.FILE, file=File("a.bcl", b"\x00\xff+/"))
    by_file = await connector.place(order)
    by_imei = [await connector.place(one) for one in ORDERS]
    ids = [by_file.remote_id, *(placed.remote_id for placed in by_imei)]
    reports = await connector.check(ids)
    assert {one.remote_id: one.status for one in reports} == dict.fromkeys(ids, ReportStatus.DONE)
    assert fake.requests["placefileorder"] == fake.requests["getfileorder"] == fake.requests["getimeiorderbulk"] == 1
    fake.script(Fault("hang", "getfileorder"))
    assert [one.remote_id for one in await connector.check(ids)] == ids[1:], "the others are told all the same"


async def test_lists_and_prices_that_change_are_told_as_they_are(fake: FakeDhru, connector: Connector[Any]) -> None:
    whole = await _listed(connector)
    fake.script(Fault("price", "imeiservicelist"), Fault("list_halved", "imeiservicelist"))
    dearer = await _listed(connector)
    assert [(one.cost or 0) * 2 for one in whole] == [one.cost for one in dearer]
    assert 0 < len(await _listed(connector)) < len(whole)
    fake.script(Fault("list_empty", "imeiservicelist"), Fault("garbage", "imeiservicelist"))
    assert await _listed(connector) == []
    with pytest.raises(Unclear):
        await connector.catalog()


async def test_it_can_be_scripted_from_another_process() -> None:
    fake = FakeDhru()
    async with serving_fake(fake) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        reply = await client.post("/fake/faults", json=[{"kind": "status", "action": "account", "status": 503}])
        assert reply.json()["faults"][0]["kind"] == "status"
        assert (await client.post("/api/index.php", data={"action": "accountinfo"})).status_code == 503
        assert (await client.post("/api/index.php", data={"action": "accountinfo"})).status_code == 200
        assert (await client.get("/fake/state")).json()["requests"] == {"accountinfo": 2}
        assert (await client.post("/fake/faults", json=[{"kind": "nonsense"}])).status_code == 400
        assert (await client.post("/fake/faults", json={"a": 1})).status_code == 400
