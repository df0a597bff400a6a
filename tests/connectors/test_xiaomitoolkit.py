"""XiaomiToolkit's REST connector against a faithful fake over real HTTP; what it accepted is counted there."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.clock import now
from app.connectors import registry
from app.connectors.base import Connector, File, Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.connectors.xiaomitoolkit import root, split
from app.connectors.xiaomitoolkit_dhru import endpoint
from app.money import MICRO, Money
from tests.fakes.faults import Fault, serving_fake
from tests.fakes.xiaomitoolkit import FakeXiaomitoolkit

IMEI = "861234567890127"
FIELDS = {"product_code": "garnet", "cpu_id": "0xA3B7C9D1E5F20018"}
ORDER = PlaceRequest("41", "cpid/standard-cpid", ServiceType.IMEI, IMEI, fields=FIELDS)
SAME_PHONE_OTHER_CPU = replace(ORDER, reference="42", fields={**FIELDS, "cpu_id": "B0"})


@pytest.fixture
def fake() -> FakeXiaomitoolkit:
    return FakeXiaomitoolkit()


@pytest.fixture
async def url(fake: FakeXiaomitoolkit) -> AsyncIterator[str]:
    async with serving_fake(fake) as url:
        yield url


@pytest.fixture
async def rest(fake: FakeXiaomitoolkit, url: str) -> AsyncIterator[Connector[Any]]:
    connector = registry.build("xiaomitoolkit", {**fake.config(url), "read_seconds": 1})
    yield connector
    await connector.http.aclose()


# --- Configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "keys", "secrets"),
    [("xiaomitoolkit", {"email", "password"}, {"password"}), ("xiaomitoolkit_dhru", {"api_key"}, {"api_key"})],
)
def test_the_config_is_what_scripts_rely_on(kind: str, keys: set[str], secrets: set[str]) -> None:
    schema = registry.schema(kind)
    assert schema["properties"].keys() == keys | {"base_url", "read_seconds"}
    assert set(schema["required"]) == keys | {"base_url"}
    assert registry.secret_names(kind) == secrets


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/v1", "/api/v1/", "/api/v1/services/execute", "/dhru_api.php"])
def test_a_root_and_an_endpoint_are_both_taken(path: str) -> None:
    assert root(f"https://xiaomitoolkit.com{path}") == "https://xiaomitoolkit.com"
    assert root(f"https://x.test/shop{path}") == "https://x.test/shop"


@pytest.mark.parametrize("path", ["", "/", "/dhru_api.php", "/dhru_api.php/", "/api/v1"])
def test_the_dhru_endpoint_needs_only_the_root(path: str) -> None:
    assert endpoint(f"https://xiaomitoolkit.com{path}") == "https://xiaomitoolkit.com/dhru_api.php"


@pytest.mark.parametrize("remote_id", ["", "cpid", "cpid/", "/standard-cpid", "cpid/x/y", "cpid/x/1/2", "cpid/x/²"])
def test_what_is_no_remote_id_is_refused_before_anything_is_sent(remote_id: str) -> None:
    with pytest.raises(Refused) as caught:
        split(remote_id)
    assert caught.value.reason is RefusalReason.SERVICE_OFF


# --- REST: what is sold -------------------------------------------------------------------------------------------


async def test_the_balance_is_the_one_in_dollars(rest: Connector[Any]) -> None:
    assert await rest.balance() == Money(125_500_000, "USD")


async def test_a_catalogue_is_a_call_for_each_service_and_sub_service(
    fake: FakeXiaomitoolkit, rest: Connector[Any]
) -> None:
    services = await rest.catalog()
    assert {one.remote_id: one.cost for one in services} == {
        "cpid/standard-cpid": 2_500_000,
        "cpid/qualcomm-cpid": 5 * MICRO,
        "reports/old-report": None,
    }
    assert [field.name for field in services[0].fields] == ["product_code", "cpu_id", "imei2"]
    assert fake.requests == {"login": 1, "services": 1, "sub-services": 2, "pricing": 3}


async def test_a_price_for_one_device_is_asked_for_that_device_alone(
    fake: FakeXiaomitoolkit, rest: Connector[Any]
) -> None:
    catalog = await rest.device_catalog()
    device = next(one for one in catalog.devices if one.name == "POCO X3")
    services = {one.remote_id: one for one in await rest.services_for(device.remote_id, "")}
    assert {name: one.cost for name, one in services.items()} == {
        "cpid/standard-cpid/2": 3_250_000,
        "cpid/qualcomm-cpid/2": 5 * MICRO,
    }
    assert services["cpid/standard-cpid/2"].fields[0].options == ("surya", "karna")
    assert fake.requests["pricing"] == 2
    await rest.place(replace(ORDER, remote_id="cpid/standard-cpid/2"))
    assert fake.account.balance == Decimal("125.50") - Decimal("3.25")


async def test_lists_and_prices_that_change_are_told_as_they_are(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    whole = await rest.catalog()
    fake.script(Fault("price", "pricing", times=2))
    assert [one.cost for one in await rest.catalog()][:2] == [2 * (one.cost or 0) for one in whole][:2]
    fake.script(Fault("list_halved", "sub-services"))
    assert [one.remote_id for one in await rest.catalog()] == ["cpid/standard-cpid", "reports/old-report"]
    fake.script(Fault("list_empty", "services"))
    assert list(await rest.catalog()) == []
    for kind in ("garbage", "cut", "status"):
        fake.script(Fault(kind, "sub-services"))
        with pytest.raises(Unclear):
            await rest.catalog()


# --- REST: orders that go well ------------------------------------------------------------------------------------


async def test_the_data_come_with_the_order_as_a_file(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    placed = await rest.place(ORDER)
    assert placed.remote_id == "157"
    assert placed.report is not None
    assert placed.report.status is ReportStatus.DONE
    assert placed.report.text
    assert placed.report.file == File(f"garnet_{IMEI}.bin", fake.account.records[157].data)


@pytest.mark.parametrize("executes", ["200 with link", "202 queued"])
@pytest.mark.parametrize("data_in", ["record", "download", "link"])
async def test_the_data_come_later_from_wherever_they_are(
    fake: FakeXiaomitoolkit, rest: Connector[Any], executes: Any, data_in: Any
) -> None:
    fake.executes, fake.data_in = executes, data_in
    fake.account.polls = 1 if executes == "202 queued" else 0
    placed = await rest.place(ORDER)
    assert placed.report is None
    if executes == "202 queued":
        assert [one.status for one in await rest.check([placed.remote_id])] == [ReportStatus.PENDING]
    (report,) = await rest.check([placed.remote_id])
    assert (report.status, report.note) == (ReportStatus.DONE, "")
    assert report.file is not None
    assert report.file.content == fake.account.records[157].data


async def test_a_completed_record_without_data_waits_and_is_noted(
    fake: FakeXiaomitoolkit, rest: Connector[Any]
) -> None:
    fake.executes, fake.data_in = "200 with link", "nowhere"
    (report,) = await rest.check([(await rest.place(ORDER)).remote_id])
    assert report.status is ReportStatus.PENDING
    assert report.note


@pytest.mark.parametrize(("becomes", "status"), [("failed", ReportStatus.FAILED), ("archived", ReportStatus.PENDING)])
async def test_a_record_that_ends_badly(
    fake: FakeXiaomitoolkit, rest: Connector[Any], becomes: Any, status: ReportStatus
) -> None:
    fake.executes, fake.account.becomes = "202 queued", becomes
    (report,) = await rest.check([(await rest.place(ORDER)).remote_id])
    assert report.status is status
    assert bool(report.note) == (status is ReportStatus.PENDING)


async def test_notices_before_a_reply_do_no_harm(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    fake.script(Fault("notices", times=-1))
    placed = await rest.place(ORDER)
    (report,) = await rest.check([placed.remote_id])
    assert report.status is ReportStatus.DONE


# --- REST: orders that do not -------------------------------------------------------------------------------------

LOST = [
    Fault("hang", "execute"),
    Fault("status", "execute", status=502),
    Fault("status", "execute", status=504),
    Fault("cut", "execute"),
    Fault("reset", "execute"),
    Fault("garbage", "execute"),
    Fault("no_id", "execute"),
    Fault("both", "execute"),
    Fault("firewall", "execute", accepts=True),
    Fault("code", "execute", accepts=True, status=502),
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.kind}-{fault.status}")
async def test_an_accepted_order_with_a_broken_reply_is_unclear_and_found(
    fake: FakeXiaomitoolkit, rest: Connector[Any], fault: Fault
) -> None:
    fake.script(replace(fault))
    sent_at = now()
    with pytest.raises(Unclear):
        await rest.place(ORDER)
    assert (fake.state()["accepted"], fake.requests["execute"]) == (1, 1), "nothing was sent again"
    assert await rest.find(replace(ORDER, sent_at=sent_at)) == Placed("157")
    assert fake.state()["bought_twice"] == 0


@pytest.mark.parametrize("fault", [Fault("firewall", "execute"), Fault("reset", "execute", accepts=False)])
async def test_an_order_that_did_not_arrive_is_missing_only_after_a_while(
    fake: FakeXiaomitoolkit, rest: Connector[Any], fault: Fault
) -> None:
    fake.script(replace(fault))
    with pytest.raises(Unclear):
        await rest.place(ORDER)
    assert fake.state()["accepted"] == 0
    with pytest.raises(Unclear, match="on its way"):
        await rest.find(replace(ORDER, sent_at=now()))
    assert await rest.find(replace(ORDER, sent_at=now() - timedelta(minutes=11))) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (402, RefusalReason.NO_FUNDS),
        (403, RefusalReason.BLOCKED),
        (404, RefusalReason.SERVICE_OFF),
        (409, RefusalReason.DUPLICATE),
        (422, RefusalReason.BAD_INPUT),
        (429, RefusalReason.THROTTLED),
    ],
)
async def test_each_code_of_their_table_is_a_no(
    fake: FakeXiaomitoolkit, rest: Connector[Any], status: int, reason: RefusalReason
) -> None:
    fake.script(Fault("code", "execute", status=status))
    with pytest.raises(Refused) as caught:
        await rest.place(ORDER)
    assert caught.value.reason is reason
    assert fake.state()["accepted"] == 0


async def test_no_money_no_licence_no_executor(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    fake.account.balance = Decimal("2.49")
    with pytest.raises(Refused) as caught:
        await rest.place(ORDER)
    assert caught.value.reason is RefusalReason.NO_FUNDS
    fake.account.license_active = False
    with pytest.raises(Refused, match="renew the licence") as caught:
        await rest.place(ORDER)
    assert caught.value.reason is RefusalReason.BLOCKED
    with pytest.raises(Refused, match="executor") as caught:
        await rest.place(replace(ORDER, remote_id="reports/old-report"))
    assert caught.value.reason is RefusalReason.SERVICE_OFF
    assert fake.state()["accepted"] == 0


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"device": "353456789012345"}, "imei1: IMEI 1 must start with 86"),
        ({"device": "861234567890123"}, "Luhn"),
        ({"fields": {**FIELDS, "cpu_id": "x" * 35}}, "at most 34 characters"),
        ({"fields": {}}, "The product code field is required"),
    ],
)
async def test_a_bad_input_is_shown_in_their_words(
    fake: FakeXiaomitoolkit, rest: Connector[Any], change: dict[str, Any], shown: str
) -> None:
    with pytest.raises(Refused, match=shown) as caught:
        await rest.place(replace(ORDER, **change))
    assert caught.value.reason is RefusalReason.BAD_INPUT
    assert fake.state()["accepted"] == 0


async def test_a_duplicate_is_forced_only_by_a_person(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    await rest.place(ORDER)
    for _ in range(2):
        with pytest.raises(Refused, match="IMEI 1") as caught:
            await rest.place(SAME_PHONE_OTHER_CPU)
        assert caught.value.reason is RefusalReason.DUPLICATE
    assert fake.state()["accepted"] == 1
    assert (await rest.place(replace(SAME_PHONE_OTHER_CPU, force=True))).remote_id == "158"
    assert fake.state()["accepted"] == 2


async def test_a_refunded_failure_is_a_no(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    fake.script(Fault("refunded", "execute"))
    with pytest.raises(Refused, match="refunded") as caught:
        await rest.place(ORDER)
    assert caught.value.reason is RefusalReason.OTHER
    assert (fake.state()["accepted"], fake.account.balance) == (0, Decimal("125.50"))


async def test_a_limit_that_is_reached_is_throttling_everywhere(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    minute = 0
    fake.minute = lambda: minute
    fake.limits = {"login": 10, "execute": 1, "": 2}
    placed = await rest.place(ORDER)
    await rest.check([placed.remote_id])
    await rest.balance()
    for call in (rest.place(SAME_PHONE_OTHER_CPU), rest.check([placed.remote_id]), rest.balance(), rest.catalog()):
        with pytest.raises(Refused) as caught:
            await call
        assert caught.value.reason is RefusalReason.THROTTLED
    assert fake.state()["accepted"] == 1
    minute = 1
    assert [one.status for one in await rest.check([placed.remote_id])] == [ReportStatus.DONE]


# --- The fake -----------------------------------------------------------------------------------------------------


async def test_the_fake_can_be_scripted_from_another_process(fake: FakeXiaomitoolkit, url: str) -> None:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        fault = {"kind": "code", "action": "login", "status": 429}
        assert (await client.post("/fake/faults", json=[fault])).json()["faults"][0]["kind"] == "code"
        body = {"email": fake.email, "password": fake.password}
        assert (await client.post("/api/v1/auth/login", json=body)).status_code == 429
        token = (await client.post("/api/v1/auth/login", json=body)).json()["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        for path in ("profile", "credits/balance", "credits/pricing", "brands", "devices?brand_id=1"):
            assert (await client.get(f"/api/v1/{path}", headers=headers)).json()["success"] is True
        assert (await client.get("/api/v1/services/history?per_page=0", headers=headers)).status_code == 422
        assert (await client.get("/api/v1/profile")).status_code == 401
        assert (await client.post("/api/v1/auth/logout", headers=headers)).json()["data"] is None
        assert (await client.get("/api/v1/profile", headers=headers)).status_code == 401
        assert (await client.get("/fake/state")).json()["accepted"] == 0
        assert (await client.post("/fake/faults", json=[{"kind": "nonsense"}])).status_code == 400
