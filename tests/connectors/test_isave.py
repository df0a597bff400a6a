"""Both iSave connectors against iSave as its document describes it, over real HTTP; its book is the judge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.connectors import registry
from app.connectors._isave import endpoint, readable
from app.connectors.base import Connector, Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import Refused, Unclear, Unsupported
from app.money import MICRO, Money
from tests.fakes.faults import Fault, serving_fake
from tests.fakes.isave import CODES, FakeIsave

IMEI, OTHER, SERIAL = "356557847079356", "356327109246188", "ABCDEF123456"
ORDER = PlaceRequest("41", "gsx", ServiceType.IMEI, IMEI)
PRICE = 400_000
KINDS = ["isave", "isave_dhru"]
PLACES = {"isave": "check:gsx", "isave_dhru": "placeimeiorder"}
LISTS = {"isave": "check:services", "isave_dhru": "imeiservicelist"}

Build = Callable[..., Connector[Any]]


@pytest.fixture
def fake() -> FakeIsave:
    return FakeIsave()


@pytest.fixture
async def build(fake: FakeIsave) -> AsyncIterator[Build]:
    """Builds connectors for the running fake; they are closed at the end."""
    built: list[Connector[Any]] = []
    async with serving_fake(fake) as url:

        def one(kind: str, path: str = "", **config: object) -> Connector[Any]:
            built.append(registry.build(kind, {**fake.config(url + path), "read_seconds": 1, **config}))
            return built[-1]

        yield one
        for connector in built:
            await connector.http.aclose()


async def _refusal(call: Awaitable[object]) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_the_config_is_a_url_and_a_key(kind: str) -> None:
    schema = registry.schema(kind)
    assert set(schema["required"]) == {"base_url", "api_key"}
    assert registry.secret_names(kind) == {"api_key"}


@pytest.mark.parametrize("root", ["https://i.example", "https://i.example/shop"])
@pytest.mark.parametrize(
    "path",
    ["", "/", "//", "/api", "/api/v1/", "/api/v1/check", "/api//v1/check/", "/api/dhru_bridge", "/api/v1/check.php"],
)
def test_a_root_and_either_endpoint_are_taken(root: str, path: str) -> None:
    assert endpoint(root + path, "/api/v1/check") == f"{root}/api/v1/check"
    assert endpoint(root + path, "/api/dhru_bridge") == f"{root}/api/dhru_bridge"


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


@pytest.mark.parametrize("device", [IMEI, SERIAL])
@pytest.mark.parametrize("shape", ["code", "reply", "json", "object"])
async def test_the_bridge_is_polled_until_it_has_the_result(
    fake: FakeIsave, build: Build, device: str, shape: Any
) -> None:
    fake.result_in = shape
    connector = build("isave_dhru")
    placed = await connector.place(PlaceRequest("77", "gsx", ServiceType.IMEI, device))
    assert placed.report is None
    (waiting,) = await connector.check([placed.remote_id])
    (done,) = await connector.check([placed.remote_id])
    assert (waiting.status, waiting.note) == (ReportStatus.PENDING, "")
    assert done.status is ReportStatus.DONE
    assert "iPhone 13 GREEN 128GB" in done.text
    assert device in done.text
    assert "{" not in done.text
    assert fake.state()["accepted"] == 1


async def test_the_bridge_rejects_with_its_reason_in_reply(fake: FakeIsave, build: Build) -> None:
    fake.rejects[IMEI], fake.polls_to_wait = "IMEI not found in GSX", 0
    connector = build("isave_dhru")
    (report,) = await connector.check([(await connector.place(ORDER)).remote_id])
    assert (report.status, report.text) == (ReportStatus.FAILED, "IMEI not found in GSX")


async def test_the_bridge_tells_many_orders_at_once(fake: FakeIsave, build: Build) -> None:
    connector = build("isave_dhru")
    fake.polls_to_wait = 0
    ids = [
        (await connector.place(PlaceRequest(str(n), "gsx", ServiceType.IMEI, device))).remote_id
        for n, device in enumerate((IMEI, OTHER, SERIAL))
    ]
    reports = await connector.check([*ids, "999"])
    assert {report.remote_id for report in reports} == {*ids, "999"}
    assert {report.status for report in reports[:3]} == {ReportStatus.DONE}
    assert reports[3].status is ReportStatus.PENDING
    assert "Order Not Found" in reports[3].note
    assert fake.requests["getimeiorderbulk"] == 1


async def test_without_a_bulk_status_orders_are_asked_for_one_by_one(fake: FakeIsave, build: Build) -> None:
    connector = build("isave_dhru")
    fake.script(Fault("bulk_unsupported", "getimeiorderbulk"))
    for _ in range(2):
        with pytest.raises(Unsupported):
            await connector.check(["1", "2"])
    assert connector.check_batch == 1
    assert fake.requests == {"getimeiorderbulk": 1}


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


async def test_the_bridge_refuses_by_its_texts(fake: FakeIsave, build: Build) -> None:
    connector = build("isave_dhru")
    service = await _refusal(connector.place(PlaceRequest("1", "nonsense", ServiceType.IMEI, IMEI)))
    fake.balance = Decimal(0)
    funds = await _refusal(connector.place(ORDER))
    fake.blocked = True
    blocked = await _refusal(connector.place(ORDER))
    wrong_key = await _refusal(build("isave_dhru", api_key="another").balance())
    assert [one.reason for one in (wrong_key, funds, blocked, service)] == [
        "bad_credentials",
        "no_funds",
        "blocked",
        "service_off",
    ]
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
        assert (await connector.place(ORDER)).cost is None
        fake.script(Fault("refuse", "check:gsx"))
        await _refusal(connector.place(ORDER))
        assert (await connector.place(ORDER)).cost == PRICE


class TestBulk:
    """Bulk orders through the bridge, whose reply nobody has shown."""

    ORDERS = (
        ORDER,
        PlaceRequest("42", "findmy", ServiceType.IMEI, SERIAL),
        PlaceRequest("43", "nonsense", ServiceType.IMEI, OTHER),
    )

    async def test_it_is_off_unless_asked_for(self, fake: FakeIsave, build: Build) -> None:
        connector = build("isave_dhru")
        assert connector.place_batch == 1
        with pytest.raises(Unsupported):
            await connector.place_many(self.ORDERS)
        assert not fake.requests

    @pytest.mark.parametrize("shape", ["rows", "numbered", "by_device"])
    async def test_rows_that_name_their_device_are_matched(self, fake: FakeIsave, build: Build, shape: Any) -> None:
        fake.bulk_shape = shape
        found = await build("isave_dhru", bulk=True).place_many(self.ORDERS)
        ids = {order.device: Placed(order.number) for order in fake.orders.values()}
        assert (found["41"], found["42"]) == (ids[IMEI], ids[SERIAL])
        assert isinstance(found["43"], Refused)
        assert fake.state()["accepted"] == 2
        assert fake.requests == {"placeimeiorderbulk": 1}

    async def test_rows_that_name_nothing_are_unclear(self, fake: FakeIsave, build: Build) -> None:
        fake.bulk_shape = "anonymous"
        found = await build("isave_dhru", bulk=True).place_many(self.ORDERS)
        assert {type(one) for one in found.values()} == {Unclear}
        assert fake.requests == {"placeimeiorderbulk": 1}

    @pytest.mark.parametrize("kind", ["hang", "status", "cut", "reset", "garbage", "firewall"])
    async def test_a_broken_reply_is_unclear_for_all(self, fake: FakeIsave, build: Build, kind: str) -> None:
        fake.script(Fault(kind))
        with pytest.raises(Unclear):
            await build("isave_dhru", bulk=True).place_many(self.ORDERS)
        assert fake.requests == {"placeimeiorderbulk": 1}

    async def test_without_the_call_it_goes_on_one_by_one(self, fake: FakeIsave, build: Build) -> None:
        fake.script(Fault("bulk_unsupported"))
        connector = build("isave_dhru", bulk=True)
        assert connector.place_batch == 20
        for _ in range(2):
            with pytest.raises(Unsupported):
                await connector.place_many(self.ORDERS)
        assert connector.place_batch == 1
        assert fake.requests == {"placeimeiorderbulk": 1}
        assert fake.state()["accepted"] == 0


def test_a_result_is_readable() -> None:
    data = {"imei2": 35, "simLock": True, "Warranty Status": "x", "a-b": [[1, {}], "z"], "zeroes": Decimal("1.500")}
    assert readable(data).split("\n") == [
        "IMEI 2: 35",
        "SIM Lock: Yes",
        "Warranty Status: x",
        "a-b / 1 / 1: 1",
        "a-b / 1 / 2: -",
        "a-b / 2: z",
        "Zeroes: 1.500",
    ]
    assert readable({"a": "Model: iPhone\nFMI: OFF"}) == "A: Model: iPhone; FMI: OFF"
    assert readable(" Model: iPhone\nFMI: OFF\n") == "Model: iPhone\nFMI: OFF"
    nothing: list[Any] = [None, {}, [], "", " ", True, 7, {"a": None, "b": [{}]}]
    assert [readable(one) for one in nothing] == [""] * len(nothing)


def test_a_bottomless_result_is_unclear() -> None:
    data: Any = "x"
    for _ in range(40):
        data = {"a": data}
    with pytest.raises(Unclear):
        readable(data)


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
