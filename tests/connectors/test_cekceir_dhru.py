"""Cek Ceir through its DHRU endpoint: orders there, results over REST, in every encoding it takes; and the fake."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from app.connectors import registry
from app.connectors.base import Connector, Placed, PlaceRequest, Report, ReportStatus, ServiceType
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.money import MICRO
from tests.fakes.cekceir import FakeCekCeir, Fault, serving_fake

IMEI = "356557847079356"
BY_ID = PlaceRequest("42", "1", ServiceType.IMEI, IMEI)
BROKEN = ["hang", "status", "cut", "reset", "garbage", "no_id", "both"]
REFUSING = [
    ("refuse", "bad_input"),
    ("no_funds", "no_funds"),
    ("throttled", "throttled"),
    ("closed", "service_off"),
    ("expired", "bad_credentials"),
    ("unknown_service", "service_off"),
]


@pytest.fixture
def fake() -> FakeCekCeir:
    return FakeCekCeir()


@pytest.fixture
async def url(fake: FakeCekCeir) -> AsyncIterator[str]:
    async with serving_fake(fake) as base_url:
        yield base_url


@pytest.fixture(params=[{}, {"parameters": "xml"}, {"replies": "xml"}], ids=["json", "xml parameters", "xml replies"])
async def dhru(fake: FakeCekCeir, url: str, request: pytest.FixtureRequest) -> AsyncIterator[Connector[Any]]:
    connector = registry.build("cekceir_dhru", {**fake.dhru_config(url), "read_seconds": 1, **request.param})
    yield connector
    await connector.http.aclose()


async def _check(connector: Connector[Any], remote_id: str) -> Report:
    (report,) = await connector.check([remote_id])
    return report


async def _refused(call: Any) -> RefusalReason:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value.reason


def test_the_settings_are_the_supplier_s_own() -> None:
    schema = registry.schema("cekceir_dhru")
    optional = {"read_seconds", "rest_api_key", "parameters", "replies"}
    assert schema["properties"].keys() == {"base_url", "username", "api_key", *optional}
    assert set(schema["required"]) == {"base_url", "username", "api_key"}
    assert registry.secret_names("cekceir_dhru") == {"api_key", "rest_api_key"}


@pytest.mark.parametrize("username", ["TRUNK7.kept-to-ourselves", "kept-to-ourselves"])
def test_the_key_may_not_stand_where_names_are_shown(username: str) -> None:
    config = {"base_url": "https://x.example", "username": username, "api_key": "kept-to-ourselves"}
    with pytest.raises(ValidationError, match="belongs into the API access key") as caught:
        registry.build("cekceir_dhru", config)
    assert "kept" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "/api", "/api/dhru", "/api/dhru/", "/api/dhru/index.php", "/api/index.php"])
async def test_the_paths_that_only_redirect_are_never_called(fake: FakeCekCeir, url: str, path: str) -> None:
    connector = registry.build("cekceir_dhru", {**fake.dhru_config(url), "base_url": url + path})
    placed = await connector.place(BY_ID)
    assert placed.remote_id == "321"
    assert fake.requests == {"placeimeiorder": 1}
    await connector.http.aclose()


async def test_a_dhru_order_is_delivered_with_its_result(fake: FakeCekCeir, dhru: Connector[Any]) -> None:
    assert str(await dhru.balance()) == "1000000.00 IDR"
    services = await dhru.catalog()
    assert [(one.remote_id, one.cost, one.currency) for one in services] == [
        ("1", 1500 * MICRO, "IDR"),
        ("2", 2000 * MICRO, "IDR"),
    ]
    fake.pending_reads = 1
    placed = await dhru.place(BY_ID)
    assert placed == Placed("321")
    assert (await _check(dhru, "321")).status is ReportStatus.PENDING
    assert await _check(dhru, "321") == Report(
        "321", ReportStatus.DONE, "status: registered\nitems: 1", cost=1500 * MICRO
    )
    assert fake.requests == {"accountinfo": 1, "imeiservicelist": 1, "placeimeiorder": 1, "read": 2}


async def test_their_label_is_never_delivered_as_the_result(fake: FakeCekCeir, dhru: Connector[Any]) -> None:
    fake.permissions.remove("order.read")
    placed = await dhru.place(BY_ID)
    report = await _check(dhru, placed.remote_id)
    assert (report.status, report.text) == (ReportStatus.PENDING, "")
    assert report.note.startswith(
        "they say 'completed', which is no result, and the result cannot be read: the API key"
    )
    fake.permissions.add("order.read")
    assert (await _check(dhru, placed.remote_id)).text == "status: registered\nitems: 1"
    fake.permissions.remove("order.read")
    fake.unserved = {IMEI}
    failed = await dhru.place(BY_ID)
    assert await _check(dhru, failed.remote_id) == Report(failed.remote_id, ReportStatus.FAILED, "IMEI tidak ditemukan")


@pytest.mark.parametrize("fault", [Fault("unknown_service"), Fault("expired"), Fault("status", status=404)])
async def test_where_rest_will_not_tell_a_failure_is_still_seen_and_a_label_still_no_result(
    fake: FakeCekCeir, dhru: Connector[Any], fault: Fault
) -> None:
    done = await dhru.place(BY_ID)
    fake.unserved = {IMEI}
    failed = await dhru.place(BY_ID)
    fake.script(replace(fault, action="read", times=2))
    report = await _check(dhru, done.remote_id)
    assert (report.status, "'completed', which is no result" in report.note) == (ReportStatus.PENDING, True)
    assert (await _check(dhru, failed.remote_id)).status is ReportStatus.FAILED
    assert (await _check(dhru, done.remote_id)).status is ReportStatus.DONE


@pytest.mark.parametrize("kind", ["status", "cut", "reset", "garbage", "hang"])
async def test_a_poll_that_fails_says_nothing_of_the_order(fake: FakeCekCeir, dhru: Connector[Any], kind: str) -> None:
    placed = await dhru.place(BY_ID)
    fake.script(Fault(kind, "read"))
    with pytest.raises(Unclear):
        await dhru.check([placed.remote_id])
    assert (await _check(dhru, placed.remote_id)).status is ReportStatus.DONE


async def test_whom_they_keep_out_does_not_ask_twice(fake: FakeCekCeir, dhru: Connector[Any]) -> None:
    for kind, reason in (("throttled", "throttled"), ("firewall", "blocked")):
        fake.script(Fault(kind, "read"))
        assert await _refused(dhru.check(["321"])) == reason
    assert fake.requests == {"read": 2}


@pytest.mark.parametrize("key", ["{username}.{secret}", "{secret}"])
async def test_the_whole_key_may_stand_in_the_key_s_field(fake: FakeCekCeir, url: str, key: str) -> None:
    whole = key.format(username=fake.username, secret=fake.secret)
    connector = registry.build("cekceir_dhru", {**fake.dhru_config(url), "api_key": whole})
    with connector.http.recording() as exchanges:
        placed = await connector.place(BY_ID)
        assert (await _check(connector, placed.remote_id)).status is ReportStatus.DONE
    assert fake.secret not in repr(exchanges)
    await connector.http.aclose()


async def test_another_key_for_results(fake: FakeCekCeir, url: str) -> None:
    """A username may be a name and not the first half of the key; then only the whole key opens REST."""
    connector = registry.build("cekceir_dhru", {**fake.dhru_config(url), "rest_api_key": fake.key})
    placed = await connector.place(BY_ID)
    fake.username = "RENAMED"
    with pytest.raises(Refused):
        await _check(connector, placed.remote_id)
    fake.username = "TRUNK7"
    assert (await _check(connector, placed.remote_id)).status is ReportStatus.DONE
    await connector.http.aclose()


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_dhru_order_with_a_broken_reply_is_unclear(fake: FakeCekCeir, dhru: Connector[Any], kind: str) -> None:
    fake.script(Fault(kind, "placeimeiorder"))
    with pytest.raises(Unclear):
        await dhru.place(BY_ID)
    assert fake.state()["accepted"] == 1
    assert fake.requests == {"placeimeiorder": 1}, "nothing was sent again"


@pytest.mark.parametrize(("kind", "reason"), REFUSING)
async def test_a_dhru_refusal_accepts_nothing(fake: FakeCekCeir, dhru: Connector[Any], kind: str, reason: str) -> None:
    fake.script(Fault(kind, "placeimeiorder", text="Invalid request: payload_required"))
    assert await _refused(dhru.place(BY_ID)) == reason
    assert fake.state()["accepted"] == 0


async def test_dhru_lists_that_change_are_told_as_they_are(fake: FakeCekCeir, dhru: Connector[Any]) -> None:
    fake.script(Fault("price"), Fault("list_halved"), Fault("garbage"), Fault("firewall"))
    assert [one.cost for one in await dhru.catalog()] == [3000 * MICRO, 4000 * MICRO]
    assert len(await dhru.catalog()) == 1
    with pytest.raises(Unclear):
        await dhru.catalog()
    assert await _refused(dhru.catalog()) == "blocked"


async def test_what_they_cannot_do_is_said_so(dhru: Connector[Any]) -> None:
    assert (dhru.place_batch, dhru.check_batch) == (1, 1)
    for call in (dhru.place_many([BY_ID]), dhru.check(["1", "2"]), dhru.find(BY_ID)):
        with pytest.raises(Unsupported):
            await call
    with pytest.raises(Unsupported):
        dhru.webhook({}, b"")


async def test_a_degrading_redirect_is_not_followed(fake: FakeCekCeir, url: str) -> None:
    """The generic connector takes the alias as it is configured, and finds out without ordering."""
    config = {**fake.dhru_config(url), "base_url": f"{url}/api/dhru/index.php", "parameters": "json"}
    generic = registry.build("dhru", config)
    with pytest.raises(Unclear, match="redirects"):
        await generic.place(BY_ID)
    assert fake.state()["accepted"] == 0
    fake.redirect_status = 308
    assert (await generic.place(BY_ID)).remote_id == "321"
    assert fake.state()["accepted"] == 1
    await generic.http.aclose()


async def test_the_fake_answers_as_the_document_prints_it(fake: FakeCekCeir, url: str) -> None:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:

        async def ask(**form: str) -> Any:
            return (await client.post("/api/dhru", data=form)).json()

        placed = await ask(
            user=fake.key, key="x", action="placeorder", parameters='{"ID": "cek_imei", "IMEI": "356557847079356"}'
        )
        success = {"MESSAGE": "Order Placed Successfully", "REFERENCEID": "321"}
        assert placed == {"SUCCESS": [success], "apiversion": "8.2"}
        status = await ask(api_username="x", accesskey=fake.key, action="getserverorder", orderid="321")
        done = {"STATUS": "4", "CODE": "completed", "REFERENCEID": "321", "MESSAGE": "Order completed"}
        assert status == {"SUCCESS": [done], "apiversion": "8.2"}
        error = await ask(username=fake.username, apikey=fake.secret, action="placeimeiorder")
        missing = {"MESSAGE": "Invalid request", "FULL_DESCRIPTION": "payload_required"}
        assert error == {"ERROR": [missing], "apiversion": "8.2"}
        wrong = await ask(username="x", apikey="y", action="accountinfo")
        assert wrong["ERROR"][0]["FULL_DESCRIPTION"] == "invalid_api_key"
        redirected = await client.post("/api/index.php", data={"action": "accountinfo"})
        assert (redirected.status_code, redirected.headers["location"]) == (302, "/api/dhru")


async def test_the_fake_can_be_scripted_from_another_process(fake: FakeCekCeir, url: str) -> None:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        await client.post("/fake/faults", json=[{"kind": "no_funds", "action": "place"}])
        headers = {"Authorization": f"Bearer {fake.key}"}
        order = {"code": "cek_imei", "data": {"imeis": [IMEI]}}
        assert (await client.post("/api/order", json=order, headers=headers)).status_code == 402
        for _ in range(2):
            assert (await client.post("/api/order", json=order, headers=headers)).status_code == 200
        state = (await client.get("/fake/state")).json()
        assert (state["accepted"], state["bought_twice"], state["requests"]) == (2, 1, {"place": 3})
