"""The DHRU Fusion Pro connector against its fake over real HTTP; what was really ordered is counted there."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from app.connectors import registry
from app.connectors.base import Connector, Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.dhru_pro import endpoint
from app.connectors.errors import NotSent, Refused, Unclear
from tests.fakes.dhru_pro import REASON, RESULT, FakeDhruPro, Fault, serving_fake

IMEI = "356557847079356"
CHECK = "688:IMEI%20or%20Serial%20Number%20"
ORDER = PlaceRequest("41", CHECK, ServiceType.IMEI, IMEI)


@pytest.fixture
def fake() -> FakeDhruPro:
    return FakeDhruPro()


@pytest.fixture
async def connector(fake: FakeDhruPro) -> AsyncIterator[Connector[Any]]:
    async with serving_fake(fake) as url:
        connector = registry.build("dhru_pro", {**fake.config(url), "read_seconds": 1})
        yield connector
        await connector.http.aclose()


@pytest.mark.parametrize("kind", ["hang", "status", "cut", "reset", "garbage", "no_id", "both", "other_reference"])
async def test_an_accepted_order_with_a_broken_reply_is_unclear(
    fake: FakeDhruPro, connector: Connector[Any], kind: str
) -> None:
    fake.script(Fault(kind, "place"))
    with pytest.raises(Unclear):
        await connector.place(ORDER)
    assert fake.state()["accepted"] == 1
    assert fake.requests == {"place": 1}, "nothing was sent again"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("refuse", "other"),
        ("invalid", "other"),
        ("no_funds", "no_funds"),
        ("throttled", "throttled"),
        ("wrong_token", "bad_credentials"),
    ],
)
async def test_a_refusal_orders_nothing(fake: FakeDhruPro, connector: Connector[Any], kind: str, reason: str) -> None:
    fake.script(Fault(kind, "place"))
    with pytest.raises(Refused) as caught:
        await connector.place(ORDER)
    assert caught.value.reason == reason
    assert (fake.state()["accepted"], fake.requests) == (0, {"place": 1})


@pytest.mark.parametrize("kind", ["firewall", "classic"])
async def test_a_page_is_no_answer(fake: FakeDhruPro, connector: Connector[Any], kind: str) -> None:
    fake.script(Fault(kind, times=4))
    with pytest.raises(Unclear):
        await connector.place(ORDER)
    for call in (connector.balance, connector.catalog):
        with pytest.raises(Refused if kind == "firewall" else Unclear, match=r"blocks us|classic DHRU"):
            await call()
    with pytest.raises(Refused if kind == "firewall" else Unclear):
        await connector.check(["E1"])


async def test_a_supplier_that_is_not_there_got_nothing(fake: FakeDhruPro) -> None:
    connector = registry.build("dhru_pro", fake.config("http://127.0.0.1:1"))
    with pytest.raises(NotSent):
        await connector.place(ORDER)
    await connector.http.aclose()


@pytest.mark.parametrize("lookup", ["query", "path"])
@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("nested", [False, True])
async def test_from_the_order_to_its_result(fake: FakeDhruPro, *, nested: bool, encoded: bool, lookup: str) -> None:
    fake.nested, fake.encoded, fake.lookup = nested, encoded, lookup
    async with serving_fake(fake) as url:
        connector = registry.build("dhru_pro", {**fake.config(url), "lookup": lookup})
        placed = await connector.place(ORDER)
        reports = [(await connector.check([placed.remote_id]))[0] for _ in range(4)]
        assert [report.status.value for report in reports] == ["pending", "pending", "done", "done"]
        assert {report.text for report in reports[2:]} == {RESULT}
        assert placed.cost == 31_000
        await connector.http.aclose()


async def test_a_rejection_brings_its_reason(fake: FakeDhruPro, connector: Connector[Any]) -> None:
    fake.rejected = {IMEI}
    placed = await connector.place(ORDER)
    for _ in range(2):
        await connector.check([placed.remote_id])
    (report,) = await connector.check([placed.remote_id])
    assert (report.status, report.text) == (ReportStatus.FAILED, REASON)


async def test_a_status_that_nobody_knows_is_for_a_person(fake: FakeDhruPro, connector: Connector[Any]) -> None:
    placed = await connector.place(ORDER)
    fake.script(Fault("odd_status", "status"), Fault("invalid", "status", text="Gone"))
    notes = [(await connector.check([placed.remote_id]))[0].note for _ in range(2)]
    assert notes == ["unknown status 'on-hold'", "an error instead of a status: Gone"]


async def test_every_product_can_be_ordered_by_what_the_catalogue_says(
    fake: FakeDhruPro, connector: Connector[Any]
) -> None:
    """The device goes under the product's own name for it; the other inputs under theirs, byte for byte."""
    services = await connector.catalog()
    for number, service in enumerate(services):
        device = IMEI if service.type is ServiceType.IMEI else ""
        fields = {field.name: "typed" for field in service.fields if field.required}
        order = PlaceRequest(str(number), service.remote_id, service.type, device, fields=fields)
        assert isinstance(await connector.place(order), Placed)
    assert fake.state() | {"requests": {}} == {
        "accepted": len(services),
        "distinct_devices": len(services),
        "bought_twice": 0,
        "requests": {},
        "faults": [],
    }
    lost = PlaceRequest("99", "688", ServiceType.IMEI, IMEI)
    with pytest.raises(Refused) as caught:
        await connector.place(lost)
    assert caught.value.reason == "bad_input"


async def test_money_runs_out(fake: FakeDhruPro, connector: Connector[Any]) -> None:
    assert str(await connector.balance()) == "125.50 USD"
    fake.balance = 0.01
    with pytest.raises(Refused) as caught:
        await connector.place(ORDER)
    assert caught.value.reason == "no_funds"
    assert str(await connector.balance()) == "0.01 USD"


async def test_lists_and_prices_that_change_are_told_as_they_are(fake: FakeDhruPro, connector: Connector[Any]) -> None:
    whole = await connector.catalog()
    fake.script(Fault("price", "products"), Fault("list_halved", "products"), Fault("notices", "products"))
    assert [one.cost for one in await connector.catalog()] == [one.cost and one.cost * 2 for one in whole]
    assert 0 < len(await connector.catalog()) < len(whole)
    assert await connector.catalog() == whole
    fake.script(Fault("list_empty", "products"), Fault("garbage", "products"))
    assert await connector.catalog() == ()
    with pytest.raises(Unclear):
        await connector.catalog()


async def test_it_can_be_scripted_from_another_process() -> None:
    fake = FakeDhruPro()
    async with serving_fake(fake) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/api/reseller/v1/account")).status_code == 401
        client.headers["Authorization"] = f"Bearer {fake.token}"
        assert (await client.get("/api/reseller/v1/order")).status_code == 400
        await client.post("/fake/faults", json=[{"kind": "throttled"}])
        assert (await client.get("/api/reseller/v1/account")).status_code == 429
        assert (await client.get("/fake/state")).json()["requests"] == {"account": 2, "status": 1}


@pytest.mark.parametrize(
    ("base_url", "found"),
    [
        ("https://s.example", "https://s.example/api/reseller/v1"),
        ("https://s.example/", "https://s.example/api/reseller/v1"),
        ("https://s.example/api", "https://s.example/api/reseller/v1"),
        ("https://s.example/api/reseller/v1/", "https://s.example/api/reseller/v1"),
        ("https://s.example/api/reseller/v1/products", "https://s.example/api/reseller/v1"),
        ("https://s.example/api/index.php", "https://s.example/api/reseller/v1"),
        ("https://s.example/shop//index.php?x=1", "https://s.example/shop/api/reseller/v1"),
        ("http://127.0.0.1:9100", "http://127.0.0.1:9100/api/reseller/v1"),
    ],
)
def test_a_root_and_an_endpoint_are_both_taken(base_url: str, found: str) -> None:
    assert endpoint(base_url) == found


def test_its_config_is_an_address_and_a_token() -> None:
    assert registry.schema("dhru_pro")["required"] == ["base_url", "token"]
    assert registry.secret_names("dhru_pro") == {"token"}


@pytest.mark.parametrize("change", [{"token": ""}, {"lookup": "body"}, {"replay": "hex"}, {"api_key": "x"}])
def test_a_bad_config_is_refused(fake: FakeDhruPro, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registry.build("dhru_pro", {**fake.config("https://s.example"), **change})
