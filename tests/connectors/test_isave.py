"""Both iSave connectors against iSave as its document describes it, over real HTTP; its book is the judge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.connectors import registry
from app.connectors.base import Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import Refused, Unclear
from app.money import MICRO, Money
from tests.connectors.building import Build, building
from tests.fakes.faults import Fault, serving_fake
from tests.fakes.isave import CODES, FakeIsave

IMEI, OTHER, SERIAL = "356557847079356", "356327109246188", "ABCDEF123456"
ORDER = PlaceRequest("41", "gsx", ServiceType.IMEI, IMEI)
PRICE = 400_000
KINDS = ["isave", "isave_dhru"]
PLACES = {"isave": "check:gsx", "isave_dhru": "placeimeiorder"}
LISTS = {"isave": "check:services", "isave_dhru": "imeiservicelist"}


@pytest.fixture
def fake() -> FakeIsave:
    return FakeIsave()


@pytest.fixture
async def build(fake: FakeIsave) -> AsyncIterator[Build]:
    async with building(fake, fake.config) as build:
        yield build


async def _refusal(call: Awaitable[object]) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_the_config_is_a_url_and_a_key(kind: str) -> None:
    schema = registry.schema(kind)
    assert set(schema["required"]) == {"base_url", "api_key"}
    assert registry.secret_names(kind) == {"api_key"}


@pytest.mark.parametrize("kind", KINDS)
async def test_balance_and_services_cost_nothing(fake: FakeIsave, build: Build, kind: str) -> None:
    connector = build(kind)
    assert await connector.balance() == Money(336_810_000, "USD")
    services = await connector.catalog()
    assert {service.remote_id: service.cost for service in services} == {
        "gsx": PRICE,
        "gsxpremium": 800_000,
        "findmy": 50_000,
    }
    assert all(service.takes_serial and service.type is ServiceType.IMEI for service in services)
    assert fake.state()["accepted"] == 0


@pytest.mark.parametrize("path", ["/api/v1/check", "/api/dhru_bridge"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_endpoint_may_be_the_base_url(build: Build, kind: str, path: str) -> None:
    assert await build(kind, path).balance() == Money(336_810_000, "USD")


@pytest.mark.parametrize("device", [IMEI, SERIAL])
async def test_rest_has_the_result_at_once(fake: FakeIsave, build: Build, device: str) -> None:
    placed = await build("isave").place(PlaceRequest("77", "gsx", ServiceType.IMEI, device))
    assert placed.report is not None
    assert placed.report.status is ReportStatus.DONE
    assert "Product Description: iPhone 13 GREEN 128GB\n" in placed.report.text
    assert device in placed.report.text
    (order,) = fake.orders.values()
    assert (order.device, order.custom_request_id, order.request_id) == (device, "77", placed.remote_id)
    assert fake.state()["accepted"] == 1


@pytest.mark.parametrize("kind", ["hang", "cut", "reset", "garbage", "no_id", "both"])
@pytest.mark.parametrize("connector_kind", KINDS)
async def test_a_charged_order_with_a_broken_reply_is_unclear(
    fake: FakeIsave, build: Build, connector_kind: str, kind: str
) -> None:
    connector = build(connector_kind)
    fake.script(Fault(kind, PLACES[connector_kind]))
    with pytest.raises(Unclear):
        await connector.place(ORDER)
    assert fake.state()["accepted"] == 1
    assert sum(fake.requests.values()) == 1, "nothing was sent again"


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_gateway_error_is_unclear_charged_or_not(
    fake: FakeIsave, build: Build, kind: str, status: int, accepts: bool
) -> None:
    connector = build(kind)
    fake.script(Fault("status", PLACES[kind], status=status, accepts=accepts))
    with pytest.raises(Unclear):
        await connector.place(ORDER)
    assert fake.state()["accepted"] == int(accepts)
    assert sum(fake.requests.values()) == 1


async def test_their_504_is_not_retried_although_the_document_says_so(fake: FakeIsave, build: Build) -> None:
    fake.script(Fault("code", "check:gsx", status=504, accepts=True))
    with pytest.raises(Unclear):
        await build("isave").place(ORDER)
    assert (fake.state()["accepted"], fake.requests["check:gsx"]) == (1, 1)


async def test_a_slow_order_within_our_patience_is_bought_once(fake: FakeIsave, build: Build) -> None:
    fake.script(Fault("hang", "check:gsx", seconds=1.2))
    placed = await build("isave", read_seconds=30).place(ORDER)
    assert placed.report is not None
    assert fake.state()["accepted"] == 1


async def test_a_success_without_a_result_is_unclear_and_names_their_order(fake: FakeIsave, build: Build) -> None:
    fake.script(Fault("no_data", "check:gsx"))
    with pytest.raises(Unclear, match="req_1713657812_82"):
        await build("isave").place(ORDER)


@pytest.mark.parametrize("key", ["error", "message"])
async def test_rest_refuses_with_its_five_codes(fake: FakeIsave, build: Build, key: Any) -> None:
    fake.error_key = key
    connector = build("isave")
    service = await _refusal(connector.place(PlaceRequest("1", "nonsense", ServiceType.IMEI, IMEI)))
    device = await _refusal(connector.place(PlaceRequest("2", "gsx", ServiceType.IMEI, "12")))
    fake.balance = Decimal("0.39")
    funds = await _refusal(connector.place(ORDER))
    fake.blocked = True
    blocked = await _refusal(connector.place(ORDER))
    wrong_key = await _refusal(build("isave", api_key="another").place(ORDER))
    refusals = [device, wrong_key, funds, blocked, service]
    assert [one.reason for one in refusals] == ["bad_input", "bad_credentials", "no_funds", "blocked", "service_off"]
    assert [one.text for one in refusals] == [CODES[code] for code in (400, 401, 402, 403, 404)]
    assert fake.state()["accepted"] == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Insufficient balance", "no_funds"), ("Invalid IMEI", "bad_input"), ("This IMEI is blocked", "other")],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_no_inside_200_is_read_by_its_text(
    fake: FakeIsave, build: Build, kind: str, text: str, reason: str
) -> None:
    fake.script(Fault("refuse", PLACES[kind], text=text))
    refused = await _refusal(build(kind).place(ORDER))
    assert (refused.reason, refused.text) == (reason, text)
    assert fake.state()["accepted"] == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_no_that_speaks_of_a_time_out_proves_nothing(fake: FakeIsave, build: Build, kind: str) -> None:
    fake.script(Fault("refuse", PLACES[kind], text="Gateway Timeout", accepts=True))
    with pytest.raises(Unclear):
        await build(kind).place(ORDER)
    assert fake.state()["accepted"] == 1


async def test_throttling_is_told_from_other_refusals(fake: FakeIsave, build: Build) -> None:
    fake.script(Fault("throttled", times=-1))
    assert (await _refusal(build("isave").place(ORDER))).reason == "throttled"
    assert (await _refusal(build("isave_dhru").balance())).reason == "throttled"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_firewall_is_unclear_for_buying_and_blocked_for_reading(
    fake: FakeIsave, build: Build, kind: str
) -> None:
    connector = build(kind)
    fake.script(Fault("firewall", times=2))
    with pytest.raises(Unclear):
        await connector.place(ORDER)
    assert (await _refusal(connector.balance())).reason == "blocked"
    assert fake.state()["accepted"] == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_notices_before_the_reply_do_no_harm(fake: FakeIsave, build: Build, kind: str) -> None:
    fake.script(Fault("notices", times=-1))
    connector = build(kind)
    assert isinstance(await connector.place(ORDER), Placed)
    assert len(await connector.catalog()) == 3
    assert fake.state()["accepted"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_lists_that_change_are_told_as_they_are(fake: FakeIsave, build: Build, kind: str) -> None:
    connector, action = build(kind), LISTS[kind]
    whole = await connector.catalog()
    fake.script(Fault("price", action), Fault("list_halved", action))
    assert [one.cost for one in await connector.catalog()] == [2 * (one.cost or 0) for one in whole]
    assert 0 < len(await connector.catalog()) < len(whole)
    fake.script(Fault("list_empty", action), Fault("garbage", action), Fault("cut", action))
    assert await connector.catalog() == ()
    for _ in range(2):
        with pytest.raises(Unclear):
            await connector.catalog()


@pytest.mark.parametrize("name", ["balance", "services", " Balance", "SERVICES"])
@pytest.mark.parametrize("kind", KINDS)
async def test_reserved_words_are_neither_offered_nor_placed(
    fake: FakeIsave, build: Build, kind: str, name: str
) -> None:
    fake.services[name] = ("A trap", "", "1.00")
    connector = build(kind)
    assert {service.remote_id for service in await connector.catalog()} == {"gsx", "gsxpremium", "findmy"}
    before = fake.requests.total()
    assert (await _refusal(connector.place(PlaceRequest("1", name, ServiceType.IMEI, IMEI)))).reason == "service_off"
    assert fake.requests.total() == before


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_protocol_cannot_carry_is_refused_unsent(fake: FakeIsave, build: Build, kind: str) -> None:
    connector = build(kind)
    for order in (
        PlaceRequest("1", "gsx", ServiceType.IMEI, " "),
        PlaceRequest("2", "gsx", ServiceType.IMEI, IMEI, quantity=2),
    ):
        assert (await _refusal(connector.place(order))).reason == "bad_input"
    assert not fake.requests


class TestCost:
    """The cost is told when the account's balance and the price list agree on it, and never guessed."""

    async def test_it_is_what_left_the_account(self, fake: FakeIsave, build: Build) -> None:
        connector = build("isave")
        await connector.catalog()
        await connector.balance()
        first = await connector.place(ORDER)
        second = await connector.place(PlaceRequest("42", "findmy", ServiceType.IMEI, OTHER))
        assert (first.cost, second.cost) == (PRICE, 50_000)
        assert first.report is not None
        assert first.report.cost == PRICE
        assert fake.balance == Decimal("336.81") - Decimal(PRICE + 50_000) / MICRO

    async def test_one_witness_is_not_enough(self, build: Build) -> None:
        without_list, without_balance = build("isave"), build("isave")
        await without_list.balance()
        await without_balance.catalog()
        assert (await without_list.place(ORDER)).cost is None
        assert (await without_balance.place(ORDER)).cost is None
        assert (await without_balance.place(ORDER)).cost == PRICE, "the first reply told the balance"

    async def test_somebody_else_on_the_account_makes_it_unknown(self, fake: FakeIsave, build: Build) -> None:
        connector = build("isave")
        await connector.catalog()
        await connector.balance()
        fake.balance -= Decimal("0.05")
        assert (await connector.place(ORDER)).cost is None
        assert (await connector.place(ORDER)).cost == PRICE

    async def test_a_new_price_makes_it_unknown(self, fake: FakeIsave, build: Build) -> None:
        connector = build("isave")
        await connector.catalog()
        await connector.balance()
        fake.services["gsx"] = ("GSX", "", "0.55")
        assert (await connector.place(ORDER)).cost is None

    async def test_orders_that_overlap_have_none(self, fake: FakeIsave, build: Build) -> None:
        connector = build("isave")
        await connector.catalog()
        await connector.balance()
        fake.script(Fault("hang", "check:gsx", seconds=0.3))
        overlapping = await asyncio.gather(
            connector.place(ORDER), connector.place(PlaceRequest("42", "gsx", ServiceType.IMEI, OTHER))
        )
        assert [placed.cost for placed in overlapping] == [None, None]
        assert fake.state()["accepted"] == 2

    async def test_an_unclear_order_leaves_it_unknown_and_a_refused_one_does_not(
        self, fake: FakeIsave, build: Build
    ) -> None:
        connector = build("isave")
        await connector.catalog()
        await connector.balance()
        fake.script(Fault("refuse", "check:gsx"), Fault("cut", "check:gsx"))
        await _refusal(connector.place(ORDER))
        with pytest.raises(Unclear):
            await connector.place(ORDER)
        # A free check after a charged one whose reply was lost: what left the account was not for this one.
        fake.services["gsx"] = ("GSX", "", "0.00")
        assert (await connector.place(ORDER)).cost is None
        fake.services["gsx"] = ("GSX", "", "0.40")
        fake.script(Fault("refuse", "check:gsx"))
        await _refusal(connector.place(ORDER))
        assert (await connector.place(ORDER)).cost == PRICE


async def test_the_fake_follows_the_document(fake: FakeIsave) -> None:
    """The samples of their document, sent as they stand there."""
    async with serving_fake(fake) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        headers = {"X-API-Key": fake.api_key}
        reply = await client.post("/api/v1/check", headers=headers, json={"command": "gsx", "identifier": IMEI})
        assert reply.json() == {
            "success": True,
            "request_id": "req_1713657812_82",
            "credits": 336.41,
            "data": {
                "productDescription": "iPhone 13 GREEN 128GB",
                "imei": IMEI,
                "serial": SERIAL,
                "carrierName": "Unlocked",
                "fmiStatus": "OFF",
            },
        }
        assert (await client.post("/api/v1/check", json={"command": "balance"})).status_code == 401
        assert (await client.post("/api/v1/check", headers=headers, content=b"no")).status_code == 400
        assert (await client.post("/api/dhru_bridge.php", data={"action": "getbalance"})).status_code == 404
        key = {"apiaccesskey": fake.api_key}
        bulk = (
            f"<REQUEST>\n  <ORDER><ID>gsx</ID><IMEI>{OTHER}</IMEI></ORDER>\n"
            "  <ORDER><ID>findmy</ID><IMEI>356327109246189</IMEI></ORDER>\n</REQUEST>"
        )
        for action in ("placeimeiorderbulk", "getbalance", "serverservicelist"):
            answer = await client.post("/api/dhru_bridge", data={**key, "action": action, "parameters": bulk})
            assert "SUCCESS" in answer.json(), action
        broken = {**key, "action": "placeorder", "parameters": "<PARAMETERS><ID>gsx</ID>"}
        assert "ERROR" in (await client.post("/api/dhru_bridge", data=broken)).json()
        state = (await client.get("/fake/state")).json()
        assert (state["accepted"], state["bought_twice"], state["requests"]["check:gsx"]) == (3, 0, 1)
        await client.post("/api/v1/check", headers=headers, json={"command": "gsx", "identifier": IMEI})
        assert (await client.get("/fake/state")).json()["bought_twice"] == 1
        scripted = await client.post("/fake/faults", json=[{"kind": "code", "action": "check:", "status": 402}])
        assert scripted.status_code == 200
        assert (await client.post("/api/v1/check", headers=headers, json={"command": "gsx"})).status_code == 402
        assert (await client.post("/fake/faults", json=[{"kind": "nonsense"}])).status_code == 400
