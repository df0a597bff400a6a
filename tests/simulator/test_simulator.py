"""The simulator speaks DHRU 6.1 as the documents have it, and tells what was really bought."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from app.connectors import registry
from app.connectors.base import Placed, PlaceRequest, ReportStatus, ServiceType
from app.money import MICRO, Money
from app.simulator import build_simulator, supplier
from app.simulator.catalogue import SERVICES
from tests.fakes.sockets import free_port
from tests.processes import running
from tests.serving import serving

USER, KEY = "reseller", "KEY-OF-A-TEST"
IMEI, OTHER_IMEI = "356557847079356", "356327109246188"


class Shop:
    """A client of one simulator, as plain as a reseller's script."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def call(self, action: str, parameters: str = "") -> dict[str, Any]:
        """POST one action urlencoded and return the reply."""
        return await self.post(username=USER, apiaccesskey=KEY, action=action, parameters=parameters)

    async def post(self, **form: str) -> dict[str, Any]:
        """POST any form and return the reply."""
        reply = await self.client.post("/api/index.php", data=form)
        assert reply.status_code == 200
        body: dict[str, Any] = reply.json()
        assert body["apiversion"] == "6.1"
        return body

    async def stats(self) -> dict[str, int]:
        """What was bought."""
        stats: dict[str, int] = (await self.client.get("/simulator/stats")).json()
        return stats


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    app = build_simulator(":memory:", username=USER, api_key=KEY, work_seconds=0.0)
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        yield Shop(client)


def _xml(**parameters: object) -> str:
    return f"<PARAMETERS>{''.join(f'<{key}>{value}</{key}>' for key, value in parameters.items())}</PARAMETERS>\n"


def _base64(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


async def test_account_and_list(shop: Shop) -> None:
    account = (await shop.call("accountinfo"))["SUCCESS"][0]["AccoutInfo"]
    assert account["creditraw"] == "10000000.00"
    assert account["currency"] == "USD"
    groups = (await shop.call("imeiservicelist"))["SUCCESS"][0]["LIST"]
    services = [service for group in groups.values() for service in group["SERVICES"].values()]
    files = (await shop.call("fileservicelist"))["SUCCESS"][0]["LIST"]["File Services"]["SERVICES"].values()
    assert [one["SERVICEID"] for one in files] == [601]
    assert len(services) + len(files) == len(SERVICES)
    assert {group["GROUPTYPE"] for group in groups.values()} == {"IMEI", "SERVER", "REMOTE"}
    assert not any(key == str(one["SERVICEID"]) for group in groups.values() for key, one in group["SERVICES"].items())


async def test_multipart_is_read_as_php_sends_it(shop: Shop) -> None:
    parts = {"username": USER, "apiaccesskey": KEY, "action": "accountinfo", "requestformat": "JSON"}
    reply = await shop.client.post("/api/index.php", files={name: (None, value) for name, value in parts.items()})
    assert "SUCCESS" in reply.json()


@pytest.mark.parametrize(
    "parameters",
    [
        _xml(ID=101, IMEI=IMEI),
        f"<parameters><Id>101</Id><imei> {IMEI} </imei></parameters>",
        _xml(ID=999) + _xml(ID=101, IMEI=IMEI),
        f"<ID>101</ID><IMEI>{IMEI}</IMEI>",
        _base64({"ID": 101, "IMEI": IMEI}),
        json.dumps({"id": "101", "imei": IMEI}),
    ],
)
async def test_an_order_in_any_encoding_is_delivered(shop: Shop, parameters: str) -> None:
    placed = (await shop.call("placeimeiorder", parameters))["SUCCESS"][0]
    status = (await shop.call("getimeiorder", _xml(ID=placed["REFERENCEID"])))["SUCCESS"][0]
    assert status["STATUS"] == 4
    assert f"IMEI Number: {IMEI}" in status["CODE"].split("<br>")
    assert await shop.stats() == {"accepted": 1, "distinct_devices": 1, "bought_twice": 0}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("", "Service Not Active"),
        (_xml(ID=999, IMEI=IMEI), "Service Not Active"),
        (_xml(ID=101, IMEI="356557847079357"), "ValidationError"),
        (_xml(ID=101), "ValidationError"),
        (_xml(ID=401), "ValidationError"),
        (_xml(ID=401, CUSTOMFIELD=_base64({"email": "a@example.com"})), "ValidationError"),
        (_xml(ID=402, QNT=3, CUSTOMFIELD=_base64({"Email": "a@example.com", "Region": "Asia"})), "ValidationError"),
        (_xml(ID=402, QNT=99999, CUSTOMFIELD=_base64({"Email": "a", "Region": "Asia"})), "ValidationError"),
        ("not base64!", "ValidationError"),
        ("[1,2", "ValidationError"),
    ],
)
async def test_a_bad_order_is_refused_and_not_kept(shop: Shop, parameters: str, message: str) -> None:
    body = await shop.call("placeimeiorder", parameters)
    assert "SUCCESS" not in body
    assert body["ERROR"][0]["MESSAGE"] == message
    assert (await shop.stats())["accepted"] == 0


async def test_server_orders_take_fields_and_quantity(shop: Shop) -> None:
    fields = _base64({"Email": "a@example.com", "Region": "Asia"})
    body = await shop.call("placeimeiorder", _xml(ID=402, QNT=20, CUSTOMFIELD=fields))
    assert "SUCCESS" in body
    account = (await shop.call("accountinfo"))["SUCCESS"][0]["AccoutInfo"]
    assert account["creditraw"] == "9999980.40"


async def test_bulk_answers_each_row_by_its_key(shop: Shop) -> None:
    rows = {"71": {"ID": 101, "IMEI": IMEI}, "72": {"ID": 101, "IMEI": "1"}, "x": {"ID": "102", "imei": OTHER_IMEI}}
    body = await shop.call("placeimeiorderbulk", _base64(rows))
    assert [next(iter(body[key])) for key in rows] == ["SUCCESS", "ERROR", "SUCCESS"]
    references = [body[key]["SUCCESS"][0]["REFERENCEID"] for key in ("71", "x")]
    asked = {"a": {"ID": references[0]}, "b": {"ID": str(references[1])}, "c": {"ID": 1}}
    status = await shop.call("getimeiorderbulk", _base64(asked))
    assert status["a"]["SUCCESS"][0]["STATUS"] == status["b"]["SUCCESS"][0]["STATUS"] == 4
    assert "ERROR" in status["c"]
    listed = await shop.call("getimeiorderbulk", _base64([{"ID": references[0]}]))
    assert listed["0"] == status["a"]


async def test_a_rejected_order_gives_its_reason_and_the_money_back(shop: Shop) -> None:
    placed = (await shop.call("placeimeiorder", _xml(ID=303, IMEI=IMEI)))["SUCCESS"][0]
    status = (await shop.call("getimeiorder", _xml(ID=placed["REFERENCEID"])))["SUCCESS"][0]
    assert status["STATUS"] == 3
    assert status["CODE"].startswith("Order rejected")
    assert (await shop.call("accountinfo"))["SUCCESS"][0]["AccoutInfo"]["creditraw"] == "10000000.00"


async def test_an_account_cannot_spend_more_than_it_holds() -> None:
    price = 90_000
    app = build_simulator(":memory:", username=USER, api_key=KEY, work_seconds=0.0, start_balance=3 * price - 1)
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        shop = Shop(client)
        body = await shop.call("placeimeiorderbulk", _base64([{"ID": 101, "IMEI": IMEI}] * 3))
        assert [next(iter(body[key])) for key in "012"] == ["SUCCESS", "SUCCESS", "ERROR"]
        assert body["2"]["ERROR"][0]["MESSAGE"] == "CreditprocessError"
        assert "ERROR" in await shop.call("placeimeiorder", _xml(ID=101, IMEI=IMEI))
        assert (await shop.call("accountinfo"))["SUCCESS"][0]["AccoutInfo"]["creditraw"] == "0.089999"
        assert (await shop.stats())["accepted"] == 2


@pytest.mark.parametrize(
    ("username", "key", "action", "message"),
    [
        ("somebody", KEY, "accountinfo", "Authentication Failed"),
        (USER, "wrong", "accountinfo", "Authentication Failed"),
        (USER, "", "accountinfo", "Authentication Failed"),
        (USER, KEY, "dance", "Command Not Found"),
    ],
)
async def test_strangers_and_unknown_actions_are_refused(
    shop: Shop, username: str, key: str, action: str, message: str
) -> None:
    body = await shop.post(username=username, apiaccesskey=key, action=action)
    assert body["ERROR"][0]["MESSAGE"] == message


async def test_an_order_for_an_unknown_reference_is_an_error(shop: Shop) -> None:
    for reference in ("1", "", "x", "9" * 40):
        assert "ERROR" in await shop.call("getimeiorder", _xml(ID=reference))


async def test_buying_twice_is_taken_and_seen(shop: Shop) -> None:
    for _ in range(3):
        assert "SUCCESS" in await shop.call("placeimeiorder", _xml(ID=101, IMEI=IMEI))
    assert "SUCCESS" in await shop.call("placeimeiorder", _xml(ID=102, IMEI=IMEI))
    assert await shop.stats() == {"accepted": 4, "distinct_devices": 1, "bought_twice": 2}
    bought = (await shop.client.get("/simulator/orders", params={"device": IMEI})).json()
    assert [order["service"] for order in bought] == [101, 101, 101, 102]
    assert {"reference", "service", "device", "created"} <= bought[0].keys()


async def test_an_order_goes_from_0_through_1_to_4(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(supplier, "time", SimpleNamespace(time=lambda: clock[0]))
    app = build_simulator(":memory:", username=USER, api_key=KEY, work_seconds=4)
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        shop = Shop(client)
        reference = (await shop.call("placeimeiorder", _xml(ID=101, IMEI=IMEI)))["SUCCESS"][0]["REFERENCEID"]
        seen: list[tuple[int, bool]] = []
        for clock[0] in (1000.0, 1000.9, 1001.0, 1003.9, 1004.0, 9000.0):
            status = (await shop.call("getimeiorder", _xml(ID=reference)))["SUCCESS"][0]
            seen.append((status["STATUS"], bool(status["CODE"])))
    assert seen == [(0, False), (0, False), (1, False), (1, False), (4, True), (4, True)]


async def test_an_order_is_kept_before_it_is_answered() -> None:
    app = build_simulator(":memory:", username=USER, api_key=KEY, accept_seconds=3600)
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        shop = Shop(client)
        placing = asyncio.create_task(shop.call("placeimeiorder", _xml(ID=101, IMEI=IMEI)))
        async with asyncio.timeout(30):
            while (await shop.stats())["accepted"] == 0:  # noqa: ASYNC110  what is waited for happens behind a socket
                await asyncio.sleep(0.01)
        assert not placing.done()
        assert (await shop.stats())["accepted"] == 1
        placing.cancel()
        await asyncio.gather(placing, return_exceptions=True)


async def test_it_runs_by_itself_survives_a_restart_and_ends_on_sigterm(tmp_path: Path) -> None:
    data, references = tmp_path / "deep" / "orders.sqlite", []
    for _ in range(2):
        port = free_port()
        words = ("app.simulator", "--port", str(port), "--data", str(data), "--username", USER, "--work-seconds", "0")
        environment = {**os.environ, "SIMULATOR_API_KEY": KEY}
        async with (
            running(sys.executable, "-m", *words, environment=environment, codes=(0, -signal.SIGTERM)),
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
        ):
            shop = Shop(client)
            await _up(shop)
            body = await shop.call("placeimeiorder", _xml(ID=101, IMEI=IMEI))
            references.append(body["SUCCESS"][0]["REFERENCEID"])
            status = await shop.call("getimeiorder", _xml(ID=references[0]))
            assert status["SUCCESS"][0]["STATUS"] == 4
            assert (await shop.stats())["accepted"] == len(references)
    assert references[0] != references[1]


async def _up(shop: Shop) -> None:
    async with asyncio.timeout(90):
        while True:
            try:
                await shop.stats()
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_the_connector_buys_here_over_http() -> None:
    app = build_simulator(":memory:", username=USER, api_key=KEY, work_seconds=0.0)
    async with serving(app) as url:
        connector = registry.build("dhru", {"base_url": url, "username": USER, "api_key": KEY})
        assert str(await connector.balance()) == "10000000.00 USD"
        services = {service.remote_id: service for service in await connector.catalog()}
        assert len(services) == len(SERVICES)
        assert {service.cost for service in services.values()} == {service.cost for service in SERVICES}
        assert services["104"].takes_serial
        assert [(field.name, field.required) for field in services["401"].fields] == [
            ("Email", True),
            ("Username ", False),
        ]
        assert (services["402"].min_quantity, services["402"].max_quantity) == (5, 500)

        requests = [
            PlaceRequest("1", "101", ServiceType.IMEI, IMEI),
            PlaceRequest("2", "104", ServiceType.IMEI, "C02XK1ZZJGH5"),
            PlaceRequest("3", "303", ServiceType.IMEI, OTHER_IMEI),
            PlaceRequest("4", "401", ServiceType.SERVER, fields={"Email": "a@example.com", "Username ": "bob"}),
            PlaceRequest("5", "402", ServiceType.SERVER, quantity=10, fields={"Email": "é<&>", "Region": "Asia"}),
        ]
        single = {request.reference: await connector.place(request) for request in requests}
        bulk = await connector.place_many(requests)
        for outcomes in (single, bulk):
            ids = [outcome.remote_id for outcome in outcomes.values() if isinstance(outcome, Placed)]
            assert len(ids) == len(requests)
            reports = {report.remote_id: report for report in await connector.check(ids)}
            assert [reports[name].status for name in ids] == [
                ReportStatus.FAILED if request.remote_id == "303" else ReportStatus.DONE for request in requests
            ]
            assert f"IMEI Number: {IMEI}" in reports[ids[0]].text
            assert [(await connector.check([name]))[0] for name in ids] == [reports[name] for name in ids]
        assert await connector.balance() != Money(10_000_000 * MICRO, "USD")
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await Shop(client).stats())["accepted"] == 2 * len(requests)
        await connector.http.aclose()


async def test_a_file_order_is_taken_with_its_file_and_by_its_own_action(shop: Shop) -> None:
    data = base64.b64encode(b"BCL of a phone").decode()
    placed = await shop.call("placefileorder", _xml(ID=601, FILENAME="a.bcl", FILEDATA=data))
    reference = placed["SUCCESS"][0]["REFERENCEID"]
    assert "STATUS" in (await shop.call("getfileorder", _xml(ID=reference)))["SUCCESS"][0]
    for action, parameters in (
        ("placefileorder", _xml(ID=601, FILENAME="a.exe", FILEDATA=data)),
        ("placefileorder", _xml(ID=601, FILENAME="a.bcl", FILEDATA="@")),
        ("placefileorder", _xml(ID=601, FILENAME="a.bcl")),
        ("placefileorder", _xml(ID=101, FILENAME="a.bcl", FILEDATA=data)),
        ("placeimeiorder", _xml(ID=601, IMEI=IMEI)),
    ):
        assert "ERROR" in await shop.call(action, parameters), parameters
