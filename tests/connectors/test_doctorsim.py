"""The doctorSIM connector against its fake over real HTTP: what it made of each reply, and what was really ordered."""

from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from app.connectors import doctorsim, registry
from app.connectors.base import PlaceRequest, ReportStatus, ServiceType
from app.connectors.doctorsim import DoctorSimConfig, DoctorSimConnector, root
from app.connectors.errors import NotSent, Refused, Unclear
from app.connectors.http import SupplierHttp
from tests.fakes.doctorsim import (
    CHECK_BLACK,
    CHECK_ERROR,
    CHECK_UNKNOWN,
    CHECK_WHITE,
    HOWTO,
    SANDBOX_AVAILABLE,
    SANDBOX_NOT_AVAILABLE,
    FakeDoctorSim,
    Fault,
    serving_fake,
)

IMEI = "356557847079356"
ORDER = PlaceRequest("41", "15910/3/452787", ServiceType.IMEI, IMEI)


class Clock:
    """Seconds that a test turns by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake() -> FakeDoctorSim:
    return FakeDoctorSim()


def _connector(fake: FakeDoctorSim, url: str, *, sandbox: bool = False, **config: Any) -> DoctorSimConnector:
    # The config itself asks for 45 seconds of patience at least; a hanging supplier shows in one.
    checked = DoctorSimConfig.model_validate({**fake.config(url, sandbox=sandbox), **config})
    return DoctorSimConnector(checked, SupplierHttp(secrets=[fake.key, fake.secret], read_seconds=1))


@pytest.fixture
async def connector(fake: FakeDoctorSim) -> AsyncIterator[DoctorSimConnector]:
    async with serving_fake(fake) as url:
        connector = _connector(fake, url)
        yield connector
        await connector.http.aclose()


@pytest.fixture
async def sandbox(fake: FakeDoctorSim) -> AsyncIterator[DoctorSimConnector]:
    async with serving_fake(fake) as url:
        connector = _connector(fake, url, sandbox=True)
        yield connector
        await connector.http.aclose()


def _check(device: str) -> PlaceRequest:
    return PlaceRequest("42", "imeicheck", ServiceType.IMEI, device)


@pytest.mark.parametrize("kind", ["hang", "status", "cut", "reset", "garbage", "no_id", "both"])
async def test_an_accepted_order_with_a_broken_reply_is_unclear(
    fake: FakeDoctorSim, connector: DoctorSimConnector, kind: str
) -> None:
    fake.script(Fault(kind, "create_order"))
    with pytest.raises(Unclear):
        await connector.place(ORDER)
    assert fake.state()["accepted"] == 1
    assert fake.requests == {"create_order": 1}, "nothing was sent again"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("throttled", status=409), "throttled"),
        (Fault("throttled", status=429), "throttled"),
        (Fault("throttled_bare", status=409), "throttled"),
        (Fault("throttled_bare", status=429), "throttled"),
        (Fault("throttled_body"), "throttled"),
        (Fault("wrong_access"), "bad_credentials"),
        (Fault("no_funds"), "no_funds"),
        (Fault("refuse"), "other"),
        (Fault("bad_request"), "other"),
        (Fault("not_found"), "other"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else value,
)
async def test_a_refusal_orders_nothing(
    fake: FakeDoctorSim, connector: DoctorSimConnector, fault: Fault, reason: str
) -> None:
    fake.script(fault)
    with pytest.raises(Refused) as caught:
        await connector.place(ORDER)
    assert caught.value.reason == reason
    assert (fake.state()["accepted"], fake.requests["create_order"]) == (0, 1)


async def test_a_firewall_is_unclear_for_buying_and_blocked_for_reading(
    fake: FakeDoctorSim, connector: DoctorSimConnector
) -> None:
    fake.script(Fault("firewall", times=2))
    with pytest.raises(Unclear):
        await connector.place(ORDER)
    with pytest.raises(Refused) as caught:
        await connector.check(["1509403"])
    assert caught.value.reason == "blocked"


async def test_a_supplier_that_is_not_there_got_nothing(fake: FakeDoctorSim) -> None:
    connector = _connector(fake, "http://127.0.0.1:1")
    with pytest.raises(NotSent):
        await connector.place(ORDER)
    await connector.http.aclose()


async def test_a_slow_order_is_waited_for(fake: FakeDoctorSim) -> None:
    """An order may take up to 30 seconds; what may be configured is never less than half as much again."""
    with pytest.raises(ValidationError):
        registry.build("doctorsim", {**fake.config("http://127.0.0.1"), "read_seconds": 44})
    fake.script(Fault("hang", "create_order", seconds=0.3))
    async with serving_fake(fake) as url:
        connector = _connector(fake, url)
        assert (await connector.place(ORDER)).remote_id in fake.tickets
        await connector.http.aclose()


async def test_from_the_order_to_its_instructions(fake: FakeDoctorSim, connector: DoctorSimConnector) -> None:
    clock = Clock()
    fake.clock, fake.work_seconds = clock, 100
    placed = await connector.place(ORDER)
    seen = []
    for seconds in (0, 50, 100, 100):
        clock.now = 1_000 + seconds
        seen += [(report.status, report.note) for report in await connector.check([placed.remote_id])]
    # Open, pending, and available while ok_sent is still false; none of these is anything to look at.
    assert seen == [(ReportStatus.PENDING, "")] * 3 + [(ReportStatus.DONE, "")]
    (report,) = await connector.check([placed.remote_id])
    assert report.text == HOWTO.format(imei=IMEI), "whole, with its line breaks"


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        (Fault("order_error", "check"), "error"),
        (Fault("not_found", "check"), "Ask the admin"),
        (Fault("refuse", "retrieve"), "Ask the admin"),
    ],
)
async def test_an_error_on_the_way_is_for_a_person(
    fake: FakeDoctorSim, connector: DoctorSimConnector, fault: Fault, note: str
) -> None:
    placed = await connector.place(ORDER)
    await connector.check([placed.remote_id])
    fake.script(fault)
    (report,) = await connector.check([placed.remote_id])
    assert (report.status, note in report.note) == (ReportStatus.PENDING, True)


async def test_instructions_cut_short_finish_nothing(fake: FakeDoctorSim, connector: DoctorSimConnector) -> None:
    placed = await connector.place(ORDER)
    await connector.check([placed.remote_id])
    fake.script(Fault("cut", "retrieve"), Fault("garbage", "retrieve"), Fault("throttled_body", "retrieve"))
    for word in (Unclear, Unclear, Refused):
        with pytest.raises(word):
            await connector.check([placed.remote_id])


async def test_replies_as_dirty_as_the_document_are_read(fake: FakeDoctorSim, connector: DoctorSimConnector) -> None:
    fake.script(Fault("as_printed", times=-1))
    assert len(await connector.catalog()) == 6
    placed = await connector.place(ORDER)
    await connector.check([placed.remote_id])
    (report,) = await connector.check([placed.remote_id])
    assert report.text == HOWTO.format(imei=IMEI)
    fake.faults = [Fault("notices", times=-1)]
    assert (await connector.check([placed.remote_id]))[0].status is ReportStatus.DONE


async def test_the_magic_imeis_of_the_sandbox(fake: FakeDoctorSim, sandbox: DoctorSimConnector) -> None:
    for imei, status in ((SANDBOX_AVAILABLE, ReportStatus.DONE), (SANDBOX_NOT_AVAILABLE, ReportStatus.FAILED)):
        placed = await sandbox.place(PlaceRequest("41", "15910/3/452787", ServiceType.IMEI, imei))
        await sandbox.check([placed.remote_id])
        (report,) = await sandbox.check([placed.remote_id])
        assert (report.status, report.note) == (status, "")
    assert fake.state()["accepted"] == 0, "nothing is ordered there"


async def test_cancelling_takes_ten_minutes_at_most(fake: FakeDoctorSim, connector: DoctorSimConnector) -> None:
    clock = Clock()
    fake.clock, fake.work_seconds = clock, 5_000
    early, late = await connector.place(ORDER), await connector.place(ORDER)
    clock.now += 600
    assert (await connector.cancel(early.remote_id)).status is ReportStatus.FAILED
    clock.now += 1
    with pytest.raises(Refused, match="can not be cancelled"):
        await connector.cancel(late.remote_id)
    assert fake.state()["tickets"] == {early.remote_id: "canceled", late.remote_id: "open"}
    (report,) = await connector.check([early.remote_id])
    assert report.status is ReportStatus.FAILED


async def test_a_person_may_end_the_waiting(fake: FakeDoctorSim, connector: DoctorSimConnector) -> None:
    fake.work_seconds = 5_000
    placed = await connector.place(ORDER)
    assert (await connector.check([placed.remote_id]))[0].status is ReportStatus.PENDING
    report = await connector.hurry(placed.remote_id)
    assert (report.status, report.text) == (ReportStatus.DONE, HOWTO.format(imei=IMEI))


@pytest.mark.parametrize(
    ("tool", "fields"),
    [
        ("500", {"SN": "5678G-33574"}),
        ("500", {"SN": "sn5678g-33574"}),
        ("501", {"SRO": "XM66NA40"}),
        ("502", {"PRD": "12345678"}),
        ("503", {"MEP": "MEP-12345-678"}),
        ("504", {"PIN": "21FB6301"}),
    ],
)
async def test_what_a_tool_wants_is_asked_for_and_appended(
    fake: FakeDoctorSim, connector: DoctorSimConnector, tool: str, fields: dict[str, str]
) -> None:
    (service,) = (one for one in await connector.services_for("1697", "3") if one.remote_id == f"1697/3/{tool}")
    assert [field.name for field in service.fields if field.required] == list(fields)
    order = PlaceRequest("41", service.remote_id, ServiceType.IMEI, IMEI, fields=fields)
    assert (await connector.place(order)).remote_id in fake.tickets
    without = PlaceRequest("42", service.remote_id, ServiceType.IMEI, IMEI)
    with pytest.raises(Refused) as caught:
        await connector.place(without)
    assert caught.value.reason == "bad_input"


async def test_the_catalogue_is_the_configured_pairs_and_nothing_more(
    fake: FakeDoctorSim, connector: DoctorSimConnector
) -> None:
    whole = await connector.catalog()
    assert [service.remote_id for service in whole][:2] == ["15910/3/452787", "1697/3/500"]
    assert "1697/3/505" not in {service.remote_id for service in whole}, "what goes by cable cannot be ordered here"
    assert fake.requests == {"tools": 2}
    fake.script(Fault("price", "tools", times=2), Fault("list_halved", "tools", times=2))
    assert [one.cost for one in await connector.catalog()] == [(one.cost or 0) * 2 for one in whole]
    assert 0 < len(await connector.catalog()) < len(whole)
    fake.script(Fault("list_empty", "tools", times=2), Fault("throttled", "tools"))
    assert await connector.catalog() == ()
    with pytest.raises(Refused):
        await connector.catalog()


async def test_brands_devices_and_networks(fake: FakeDoctorSim, connector: DoctorSimConnector) -> None:
    found = await connector.device_catalog()
    assert [brand.name for brand in found.brands] == ["Alcatel", "iPhone", "Siemens"]
    assert {(device.brand_id, device.name) for device in found.devices} == {("1", "OT-255"), ("29", "iPhone 6")}
    assert ("Argentina", "Personal") in {(network.country, network.name) for network in found.networks}
    assert sum(fake.requests.values()) == 3 + len(found.brands)


@pytest.mark.parametrize(
    ("imei", "status", "text"),
    [
        (CHECK_BLACK, ReportStatus.DONE, "Blacklisted: yes"),
        (CHECK_WHITE, ReportStatus.DONE, "Blacklisted: no"),
        (CHECK_UNKNOWN, ReportStatus.FAILED, "Lo sentimos"),
    ],
)
async def test_an_imei_check_is_answered_at_once(
    fake: FakeDoctorSim, sandbox: DoctorSimConnector, imei: str, status: ReportStatus, text: str
) -> None:
    placed = await sandbox.place(_check(imei))
    assert placed.report is not None
    assert (placed.report.status, text in placed.report.text) == (status, True)
    assert fake.requests == {"imeicheck": 1}
    with pytest.raises(Refused):
        await sandbox.place(_check(CHECK_ERROR))


async def test_production_wants_a_hash_that_only_a_plug_in_makes(
    fake: FakeDoctorSim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who knows the recipe installs it; nobody here guesses, and without it nothing is sent."""
    installed = EntryPoints([EntryPoint("ours", f"{__name__}:build_hash", doctorsim.HASH_BUILDERS)])
    monkeypatch.setattr(doctorsim, "entry_points", installed.select)
    fake.hash = build_hash(CHECK_WHITE, fake.key, fake.secret)
    async with serving_fake(fake) as url:
        plain, hashing, lost = (_connector(fake, url, hash_builder=name) for name in ("", "ours", "theirs"))
        with pytest.raises(Refused, match="Wrong hash"):
            await plain.place(_check(CHECK_WHITE))
        assert (await hashing.place(_check(CHECK_WHITE))).report is not None
        with pytest.raises(Refused, match="not installed"):
            await lost.place(_check(CHECK_WHITE))
        assert fake.requests == {"imeicheck": 2}
        for one in (plain, hashing, lost):
            await one.http.aclose()


def build_hash(imei: str, key: str, secret: str) -> str:
    """A hash builder as a plug-in would have it."""
    return f"{imei[-4:]}+{len(key)}/{len(secret)}"


async def test_it_can_be_scripted_from_another_process() -> None:
    fake = FakeDoctorSim()
    async with serving_fake(fake) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/brands")).json()["status"] == "WRONG_ACCESS"
        client.headers |= {"DSIM_KEY": fake.key, "DSIM_SECRET": fake.secret}
        assert (await client.get("/create_order/15910/3/1/1")).status_code == 405
        await client.post("/fake/faults", json=[{"kind": "throttled"}])
        assert (await client.get("/brands")).status_code == 409
        assert (await client.get("/fake/state")).json()["requests"] == {"brands": 2, "create_order": 1}


@pytest.mark.parametrize(
    ("base_url", "found"),
    [
        ("https://api.doctorsim.com", "https://api.doctorsim.com"),
        ("https://api.doctorsim.com/", "https://api.doctorsim.com"),
        ("https://api.doctorsim.com/{action}/{add_param}", "https://api.doctorsim.com"),
        ("https://api.doctorsim.com/tools/15429/5815", "https://api.doctorsim.com"),
        ("https://proxy.example/dsim/brands", "https://proxy.example/dsim"),
        ("http://127.0.0.1:9100", "http://127.0.0.1:9100"),
    ],
)
def test_a_root_and_an_address_of_the_document_are_both_taken(base_url: str, found: str) -> None:
    assert root(base_url) == found


def test_its_config_is_an_address_and_a_pair_of_keys() -> None:
    assert registry.schema("doctorsim")["required"] == ["base_url", "key", "secret"]
    assert registry.secret_names("doctorsim") == {"key", "secret"}


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": ["15910"]},
        {"pairs": ["a/b"]},
        {"pairs": ["1/2"] * 401},
        {"imeicheck_cost": "x"},
        {"currency": "credits"},
    ],
)
def test_a_bad_config_is_refused(fake: FakeDoctorSim, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registry.build("doctorsim", {**fake.config("https://api.doctorsim.com"), **change})
