"""XiaomiToolkit's DHRU connector against a faithful fake over real HTTP; what it accepted is counted there."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from app.clock import now
from app.connectors import registry
from app.connectors.base import Connector, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.money import MICRO, Money
from tests.fakes.faults import Fault, serving_fake
from tests.fakes.xiaomitoolkit import FakeXiaomitoolkit

IMEI, OTHER_IMEI = "861234567890127", "869876543210986"
FIELDS = {"product_code": "garnet", "cpu_id": "0xA3B7C9D1E5F20018"}
ORDER = PlaceRequest("41", "1", ServiceType.IMEI, IMEI, fields=FIELDS)


@pytest.fixture
def fake() -> FakeXiaomitoolkit:
    return FakeXiaomitoolkit()


@pytest.fixture
async def url(fake: FakeXiaomitoolkit) -> AsyncIterator[str]:
    async with serving_fake(fake) as url:
        yield url


@pytest.fixture
async def dhru(fake: FakeXiaomitoolkit, url: str) -> AsyncIterator[Connector[Any]]:
    connector = registry.build("xiaomitoolkit_dhru", {**fake.dhru_config(url), "read_seconds": 1})
    yield connector
    await connector.http.aclose()


async def test_sells_the_flat_list_with_the_inputs_it_wants(dhru: Connector[Any]) -> None:
    assert await dhru.balance() == Money(125_500_000, "USD")
    services = await dhru.catalog()
    assert [(one.remote_id, one.group, one.cost) for one in services] == [
        ("1", "CPID Services", 2_500_000),
        ("2", "CPID Services", 5 * MICRO),
    ]
    assert [field.name for field in services[0].fields] == ["product_code", "cpu_id", "IMEI2"]


async def test_places_in_base64_json_and_asks_in_xml(fake: FakeXiaomitoolkit, dhru: Connector[Any]) -> None:
    placed = await dhru.place(replace(ORDER, fields={**FIELDS, "IMEI2": OTHER_IMEI}))
    assert fake.account.records[int(placed.remote_id)].inputs == ("garnet", FIELDS["cpu_id"], IMEI, OTHER_IMEI)
    (report,) = await dhru.check([placed.remote_id])
    assert (report.status, report.text) == (ReportStatus.DONE, "Available")


@pytest.mark.parametrize("kind", ["hang", "status", "cut", "reset", "garbage", "no_id", "both"])
async def test_an_accepted_order_with_a_broken_reply_is_unclear(
    fake: FakeXiaomitoolkit, dhru: Connector[Any], kind: str
) -> None:
    fake.script(Fault(kind, "dhru:place"))
    with pytest.raises(Unclear):
        await dhru.place(ORDER)
    assert (fake.state()["accepted"], fake.requests) == (1, {"dhru:placeimeiorder": 1})
    with pytest.raises(Unsupported):
        await dhru.find(replace(ORDER, sent_at=now()))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("refuse", "dhru:"), RefusalReason.OTHER),
        (Fault("no_funds", "dhru:"), RefusalReason.NO_FUNDS),
        (Fault("throttled", "dhru:"), RefusalReason.THROTTLED),
        (Fault("revoked", "dhru:"), RefusalReason.BAD_CREDENTIALS),
    ],
    ids=lambda item: item.kind if isinstance(item, Fault) else "",
)
async def test_a_refusal_accepts_nothing(
    fake: FakeXiaomitoolkit, dhru: Connector[Any], fault: Fault, reason: RefusalReason
) -> None:
    fake.script(replace(fault))
    with pytest.raises(Refused) as caught:
        await dhru.place(ORDER)
    assert caught.value.reason is reason
    assert fake.state()["accepted"] == 0


async def test_a_firewall_is_unclear_for_buying_and_blocked_for_reading(
    fake: FakeXiaomitoolkit, dhru: Connector[Any]
) -> None:
    fake.script(Fault("firewall", times=2))
    with pytest.raises(Unclear):
        await dhru.place(ORDER)
    with pytest.raises(Refused) as caught:
        await dhru.check(["157"])
    assert caught.value.reason is RefusalReason.BLOCKED


async def test_notices_and_changing_lists(fake: FakeXiaomitoolkit, dhru: Connector[Any]) -> None:
    fake.script(Fault("notices", "dhru:place"), Fault("notices", "dhru:get"))
    placed = await dhru.place(ORDER)
    assert [one.status for one in await dhru.check([placed.remote_id])] == [ReportStatus.DONE]
    fake.script(Fault("price", "dhru:imei"), Fault("list_halved", "dhru:imei"), Fault("list_empty", "dhru:imei"))
    assert [one.cost for one in await dhru.catalog()] == [5 * MICRO, 10 * MICRO]
    assert [one.remote_id for one in await dhru.catalog()] == ["1"]
    assert list(await dhru.catalog()) == []
    fake.script(Fault("garbage", "dhru:imei"))
    with pytest.raises(Unclear):
        await dhru.catalog()
