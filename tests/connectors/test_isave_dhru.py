"""iSave's bridge beyond what both doors do: polling for results, the status of many, bulk orders."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from app.connectors.base import Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import Refused, Unclear, Unsupported
from tests.connectors.building import Build, building
from tests.fakes.faults import Fault
from tests.fakes.isave import FakeIsave

IMEI, OTHER, SERIAL = "356557847079356", "356327109246188", "ABCDEF123456"
ORDER = PlaceRequest("41", "gsx", ServiceType.IMEI, IMEI)


@pytest.fixture
def fake() -> FakeIsave:
    return FakeIsave()


@pytest.fixture
async def build(fake: FakeIsave) -> AsyncIterator[Build]:
    async with building(fake, fake.config) as build:
        yield build


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


async def test_the_bridge_refuses_by_its_texts(fake: FakeIsave, build: Build) -> None:
    connector, stranger = build("isave_dhru"), build("isave_dhru", api_key="another")
    reasons: list[str] = []
    for balance, blocked in (("336.81", False), ("0", False), ("0", True)):
        fake.balance, fake.blocked = Decimal(balance), blocked
        with pytest.raises(Refused) as caught:
            await connector.place(ORDER if reasons else PlaceRequest("1", "nonsense", ServiceType.IMEI, IMEI))
        reasons.append(caught.value.reason)
    with pytest.raises(Refused) as caught:
        await stranger.place(ORDER)
    assert [*reasons, caught.value.reason] == ["service_off", "no_funds", "blocked", "bad_credentials"]
    assert fake.state()["accepted"] == 0


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
