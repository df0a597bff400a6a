"""The DHRU connector in each dialect, against sites that speak it over real HTTP and count what they accept."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from app.connectors import registry
from app.connectors._dhru_dialects import Dialect, recognise
from app.connectors.base import Connector, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import ConnectorError, NotSent, Refused, Unclear, Unsupported
from tests.connectors.building import Build, building
from tests.connectors.test_failures import NEVER_LEFT, NO_ANSWER
from tests.fakes.dhru_dialects import FakeGsmFusion, FakeGsmHub, FakeGsmTheme, Fault, _Account
from tests.fakes.gsmeye import FakeGsmEye

IMEI, OTHER = "356557847079356", "356327109246188"
FAKES: dict[str, Callable[[], _Account]] = {
    "gsmtheme": FakeGsmTheme,
    "gsmeye": FakeGsmEye,
    "gsmhub": FakeGsmHub,
    "gsmfusion": FakeGsmFusion,
}


def imei_order(reference: str = "41", device: str = IMEI) -> PlaceRequest:
    return PlaceRequest(reference, "1", ServiceType.IMEI, device)


def server_order(remote_id: str = "server:1", **fields: str) -> PlaceRequest:
    return PlaceRequest("51", remote_id, ServiceType.SERVER, quantity=2, fields=fields)


@pytest.fixture(params=FAKES)
def fake(request: pytest.FixtureRequest) -> _Account:
    return FAKES[request.param]()


@pytest.fixture
async def build(fake: _Account) -> AsyncIterator[Build]:
    async with building(fake, fake.config) as builder:
        yield builder


async def test_balance_catalogue_order_and_result(fake: _Account, build: Build) -> None:
    connector = build("dhru")
    balance = await connector.balance()
    assert balance is not None
    assert balance.currency == "USD"
    services = {service.remote_id: service for service in await connector.catalog()}
    assert (services["1"].cost, services["1"].type) == (1_500_000, ServiceType.IMEI)
    placed = await connector.place(imei_order())
    assert placed.remote_id == "9001"
    for state, status in (
        ("waiting", ReportStatus.PENDING),
        ("working", ReportStatus.PENDING),
        ("done", ReportStatus.DONE),
        ("rejected", ReportStatus.FAILED),
    ):
        fake.finish(state)
        [report] = await connector.check([placed.remote_id])
        assert (report.remote_id, report.status) == ("9001", status), state
        assert not report.note
    fake.finish("verified")
    [report] = await connector.check([placed.remote_id])
    assert report.status is ReportStatus.PENDING
    assert bool(report.note) is not isinstance(fake, FakeGsmTheme | FakeGsmEye), "its -1 is any other state, and known"
    assert fake.state()["accepted"] == 1


@pytest.mark.parametrize("fault", ["hang", "status", "cut", "reset", "garbage", "firewall", "no_id"])
async def test_whatever_goes_wrong_an_order_is_bought_once_at_most(fake: _Account, build: Build, fault: str) -> None:
    fake.script(Fault(fault, "place"))
    with pytest.raises(Unclear):
        await build("dhru").place(imei_order())
    assert fake.state()["accepted"] == (0 if fault == "firewall" else 1)
    assert sum(count for action, count in fake.requests.items() if action.startswith("place")) == 1


@pytest.mark.parametrize(
    ("fault", "reason"), [("no_funds", "no_funds"), ("throttled", "throttled"), ("refuse", "other")]
)
async def test_a_no_is_a_refusal(fake: _Account, build: Build, fault: str, reason: str) -> None:
    fake.script(Fault(fault, "place"))
    with pytest.raises(Refused) as caught:
        await build("dhru").place(imei_order())
    assert caught.value.reason == reason
    assert fake.state()["accepted"] == 0


async def test_a_wrong_key_is_told(build: Build) -> None:
    connector = build("dhru", api_key="another")
    for call in (connector.balance(), connector.catalog(), connector.place(imei_order()), connector.check(["9001"])):
        with pytest.raises(Refused) as caught:
            await call
        assert caught.value.reason == "bad_credentials"


@pytest.mark.parametrize("failure", [*NEVER_LEFT, *NO_ANSWER])
@pytest.mark.parametrize("dialect", ["classic", "gsmtheme", "gsmeye", "gsmhub", "gsmfusion"])
async def test_no_answer_is_none_in_any_dialect(dialect: str, failure: str) -> None:
    answer = (NEVER_LEFT | NO_ANSWER)[failure]
    config = {"base_url": "http://supplier.test", "username": "u", "api_key": "kept to ourselves", "dialect": dialect}
    connector = registry.build("dhru", config, transport=httpx2.MockTransport(answer))
    for order in (imei_order(), server_order(Email="a@b.c")):
        with pytest.raises(NotSent if failure in NEVER_LEFT else Unclear):
            await connector.place(order)
    for ids in (["9001"], ["server:9001"], ["9001", "9002"]):
        try:
            reports = await connector.check(ids)
        except ConnectorError:
            continue
        assert {report.status for report in reports} <= {ReportStatus.PENDING}
    for reading in (connector.balance(), connector.catalog()):
        with pytest.raises((NotSent, Unclear, Refused)):
            await reading


# --- GSM Theme ----------------------------------------------------------------------------------------------------


async def orders_at(fake: _Account, connector: Connector[Any], number: int) -> list[str]:
    placed = [await connector.place(imei_order(str(n), f"{IMEI[:-1]}{n}")) for n in range(number)]
    assert fake.state()["accepted"] == number
    return [one.remote_id for one in placed]


async def test_gsm_theme_is_asked_for_many_orders_by_a_list() -> None:
    fake = FakeGsmTheme()
    async with building(fake, fake.config) as build:
        connector = build("dhru")
        with pytest.raises(Unsupported):
            await connector.place_many([imei_order("1"), imei_order("2", OTHER)])
        assert connector.place_batch == 1
        ids = await orders_at(fake, connector, 3)
        fake.finish("done")
        reports = await connector.check([*ids, "9999"])
        assert [(report.remote_id, report.status) for report in reports] == [(name, ReportStatus.DONE) for name in ids]
        assert reports[0].text == f"Result of {IMEI[:-1]}0"
        assert await connector.check(["8888", "9999"]) == []
        assert fake.requests["getimeiorderbulk"] == 2


async def test_a_server_that_knows_no_list_of_ids_is_asked_by_rows() -> None:
    said: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        said.append(request.content.decode())
        if "PARAMETERS" in said[-1]:
            return httpx2.Response(400, json={"ERROR": [{"MESSAGE": "Parameter required."}]})
        return httpx2.Response(200, json={"1": {"SUCCESS": [{"STATUS": 4, "CODE": "x"}]}})

    config = {"base_url": "http://s.test", "username": "u", "api_key": "k", "dialect": "gsmtheme"}
    connector = registry.build("dhru", config, transport=httpx2.MockTransport(answer))
    for _ in range(2):
        [report] = await connector.check(["1", "2"])
        assert (report.remote_id, report.status) == ("1", ReportStatus.DONE)
    assert len(said) == 3, "the list is tried once"


# --- GSMHub -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["gsmhub", "auto"])
async def test_gsmhub_sells_server_services_by_calls_of_their_own(dialect: str) -> None:
    fake = FakeGsmHub()
    async with building(fake, fake.config) as build:
        connector = build("dhru", dialect=dialect)
        await connector.balance()
        services = {service.remote_id: service for service in await connector.catalog()}
        assert services.keys() == {"1", "server:1", "server:2:7"}
        activation = services["server:1"]
        assert (activation.name, activation.cost, activation.takes_quantity) == ("Tool & box credits", 3_000_000, True)
        assert [(field.name, field.options) for field in activation.fields] == [
            ("EMAIL", ()),
            ("USERTYPE", ("NewUser", "ExistingUser")),
        ]
        licence = services["server:2:7"]
        assert (licence.name, licence.cost, licence.takes_quantity) == ("Licence: 12 months", 30_000_000, False)

        with pytest.raises(Refused) as caught:
            await connector.place(server_order(EMAIL="a@b.c"))
        assert caught.value.reason == "bad_input"
        placed = await connector.place(server_order(EMAIL="a@b.c", USERTYPE="NewUser"))
        imei = await connector.place(imei_order())
        other = await connector.place(server_order("server:2:7", USERNAME="u"))
        assert [one.remote_id for one in (placed, imei, other)] == ["server:9001", "9001", "server:9002"]
        assert fake.orders[0]["quantity"] == 2
        assert fake.orders[2]["inputs"] == {"USERNAME": "u", "service_type_id": "7"}
        fake.finish("done", "server")
        [report] = await connector.check(["server:9001"])
        assert (report.remote_id, report.status, report.text) == (
            "server:9001",
            ReportStatus.DONE,
            "Result of server 9001",
        )
        [report] = await connector.check(["9001"])
        assert report.status is ReportStatus.PENDING


async def test_gsmhub_server_orders_are_known_by_their_ids_before_anything_is_learned() -> None:
    fake = FakeGsmHub()
    async with building(fake, fake.config) as build:
        connector = build("dhru", dialect="auto")
        inputs = {"EMAIL": "a@b.c", "USERTYPE": "NewUser"}
        with pytest.raises(Unsupported):
            await connector.place_many([server_order(**inputs), imei_order()])
        assert (connector.place_batch, fake.requests) == (1, {})
        placed = await connector.place(server_order(**inputs))
        with pytest.raises(Unsupported):
            await connector.check([placed.remote_id, "9001"])
        assert connector.check_batch == 1
        [report] = await connector.check([placed.remote_id])
        assert report.status is ReportStatus.PENDING
        assert fake.requests == {"placeserverorder": 1, "getserverorder": 1}


# --- GSM Fusion ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/gsmfusion_api/index.php", "/gsmfusion_api", "/gsmfusion_api/"])
async def test_gsm_fusion_is_known_by_its_path(path: str) -> None:
    fake = FakeGsmFusion()
    async with building(fake, fake.config) as build:
        connector = build("dhru", path, dialect="auto")
        assert await connector.balance() is not None
        assert [service.remote_id for service in await connector.catalog()] == ["1", "server:1"]


async def test_pain_17_gsm_fusion_in_process_is_not_delivered_and_completed_is() -> None:
    fake = FakeGsmFusion()
    async with building(fake, fake.config) as build:
        connector = build("dhru")
        server = next(one for one in await connector.catalog() if one.remote_id == "server:1")
        assert [(field.name, field.required) for field in server.fields] == [("User name", True)]
        ids = [
            *await orders_at(fake, connector, 2),
            (await connector.place(server_order(**{"User name": "u"}))).remote_id,
        ]
        assert ids == ["9001", "9002", "server:9001"]
        for state, status in (("working", ReportStatus.PENDING), ("done", ReportStatus.DONE)):
            fake.finish(state)
            reports = await connector.check([*ids, "9999"])
            assert [(report.remote_id, report.status) for report in reports] == [(name, status) for name in ids]
            assert not any(report.note for report in reports)
        assert reports[2].text == "Result of server 9001"
        assert (connector.place_batch, connector.check_batch) == (1, 20)


async def test_gsm_fusion_without_the_wrapper_of_a_result() -> None:
    fake = FakeGsmFusion()
    fake.script(Fault("bare", "placeorder"), Fault("bare", "getimeis"))
    async with building(fake, fake.config) as build:
        connector = build("dhru")
        placed = await connector.place(imei_order())
        fake.finish("done")
        [report] = await connector.check([placed.remote_id])
        assert report.status is ReportStatus.DONE


@pytest.mark.parametrize(
    ("number", "word"), [("4", "Completed"), ("2", "In Process"), ("9", "Completed"), ("", ""), ("2", "Verified")]
)
async def test_gsm_fusion_whose_number_and_word_disagree_is_not_believed(number: str, word: str) -> None:
    row = f"<imeis><id>1</id><statusId>{number}</statusId><status>{word}</status><code>x</code></imeis>"
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text=f"<result>{row}</result>"))
    config = {"base_url": "http://s.test", "username": "u", "api_key": "k", "dialect": "gsmfusion"}
    [report] = await registry.build("dhru", config, transport=transport).check(["1"])
    assert report.status is ReportStatus.PENDING
    assert report.note


# --- What a reply says of its dialect -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "headers", "dialect"),
    [
        ('{"SUCCESS":[{"AccoutInfo":{}}],"apiversion":"6.1"}', {}, Dialect.CLASSIC),
        ('{"SUCCESS":[{"AccoutInfo":{}}],"apiversion":"2.0.0"}', {}, Dialect.CLASSIC),
        ('{"SUCCESS":[{"AccountInfo":{}}],"apiversion":"2023.21"}', {}, Dialect.GSM_THEME),
        ('{"SUCCESS":[{"AccoutInfo":{},"AccountInfo":{}}],"apiversion":"6.1"}', {}, Dialect.CLASSIC),
        ('{"ERROR":[{"MESSAGE":"x"}]}', {"GsmTheme-Api-Version": "1"}, Dialect.GSM_THEME),
        ('{"SUCCESS":[{"AccountInfo":{}}],"apiversion":"1.0"}', {}, Dialect.GSM_EYE),
        ('{"SUCCESS":[{}],"gsmhubsite":"1"}', {}, Dialect.GSM_HUB),
        ('{"SUCCESS":[{}],"gsmhubsite":false}', {}, Dialect.CLASSIC),
        ('<?xml version="1.0"?><error>Invalid User!</error>', {}, Dialect.GSM_FUSION),
        ('<?xml version="1.0"?><html><error>', {}, None),
        ('{"message":"Unauthenticated."}', {}, None),
        ("<html>Hello</html>", {}, None),
    ],
)
def test_a_reply_shows_its_dialect(text: str, headers: dict[str, str], dialect: Dialect | None) -> None:
    assert recognise(text, headers) is dialect
