"""The Cek Ceir connector and the calls it verifies, against the supplier as its document describes it, over HTTP."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from app.connectors import registry
from app.connectors.base import Connector, Placed, PlaceRequest, Report, ReportStatus, ServiceType
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.money import MICRO
from tests.fakes.cekceir import FakeCekCeir, Fault, serving_fake

IMEI = "356557847079356"
ORDER = PlaceRequest("41", "cek_imei", ServiceType.IMEI, IMEI)
BROKEN = ["hang", "status", "cut", "reset", "garbage", "no_id"]
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


@pytest.fixture
async def rest(fake: FakeCekCeir, url: str) -> AsyncIterator[Connector[Any]]:
    connector = registry.build("cekceir", {**fake.config(url), "read_seconds": 1})
    yield connector
    await connector.http.aclose()


async def _check(connector: Connector[Any], remote_id: str) -> Report:
    (report,) = await connector.check([remote_id])
    return report


async def _refused(call: Any) -> RefusalReason:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value.reason


# Settings


def test_the_settings_are_the_supplier_s_own() -> None:
    schema = registry.schema("cekceir")
    assert schema["properties"].keys() == {"base_url", "read_seconds", "api_key", "webhook_secret"}
    assert set(schema["required"]) == {"base_url", "api_key"}
    assert registry.secret_names("cekceir") == {"api_key", "webhook_secret"}


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/", "/api/order", "//api//services", "/api/dhru"])
async def test_a_root_and_an_endpoint_are_both_taken(fake: FakeCekCeir, url: str, path: str) -> None:
    connector = registry.build("cekceir", {**fake.config(url), "base_url": url + path})
    assert str(await connector.balance()) == "1000000.00 IDR"
    await connector.http.aclose()


# REST


async def test_the_catalogue_is_read_page_by_page_and_each_price_once(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    fake.page_size = 3
    services = {service.remote_id: service for service in await rest.catalog()}
    assert fake.requests == {"list": 3, "detail": 6}, "the inactive service is not asked about"
    assert services.keys() == {
        *("cek_imei", "cek_history_imei", "roamer_add", "cek_satu/imei", "cek_serial/serials/0", "voucher"),
    }
    checked = services["cek_imei"]
    assert (checked.cost, checked.currency) == (1500 * MICRO, "IDR")
    assert (checked.opens, checked.closes, checked.zone) == ("08:00", "23:00", "Asia/Jakarta")
    assert (checked.min_quantity, checked.max_quantity, checked.takes_quantity) == (1, 100, False)
    assert services["cek_history_imei"].opens == services["cek_history_imei"].zone == ""
    assert {field.name: field.required for field in services["roamer_add"].fields} == {
        "months": True,
        "operator": False,
        "priority": False,
        "note": False,
        "tags": False,
    }
    assert services["cek_serial/serials/0"].takes_serial
    voucher = services["voucher"]
    assert (voucher.type, voucher.takes_quantity, voucher.min_quantity) == (ServiceType.SERVER, True, 2)


@pytest.mark.parametrize(
    ("request_", "cost"),
    [
        (ORDER, 1500),
        (PlaceRequest("43", "cek_satu/imei", ServiceType.IMEI, IMEI), 1000),
        (PlaceRequest("44", "cek_serial/serials/0", ServiceType.IMEI, "C39VD1AKHX"), 1200),
        (
            PlaceRequest(
                "45",
                "roamer_add",
                ServiceType.IMEI,
                IMEI,
                fields={"months": "3", "priority": "off", "tags": "a, b", "note": "", "operator": "XL"},
            ),
            25_000,
        ),
        (PlaceRequest("46", "voucher", ServiceType.SERVER, quantity=5, fields={"account": "joe"}), 2500),
    ],
    ids=lambda value: value.remote_id if isinstance(value, PlaceRequest) else str(value),
)
async def test_each_kind_of_input_is_what_the_supplier_s_schema_asks_for(
    fake: FakeCekCeir, rest: Connector[Any], request_: PlaceRequest, cost: int
) -> None:
    placed = await rest.place(request_)
    assert placed.report is not None
    assert (placed.report.status, placed.report.delivered) == (ReportStatus.DONE, None)
    assert "status: registered" in placed.report.text
    assert placed.report.cost == placed.cost == cost * MICRO
    assert str(await rest.balance()) == f"{1_000_000 - cost}.00 IDR"
    assert (fake.state()["accepted"], fake.requests["place"]) == (1, 1)


async def test_the_service_is_read_once_for_orders_with_fields_and_again_after_a_refusal(
    fake: FakeCekCeir, rest: Connector[Any]
) -> None:
    order = PlaceRequest("45", "voucher", ServiceType.SERVER, quantity=5, fields={"account": "joe"})
    await rest.place(order)
    await rest.place(order)
    assert fake.requests["detail"] == 1
    fake.script(Fault("refuse", "place"))
    assert await _refused(rest.place(order)) == "bad_input"
    await rest.place(order)
    assert fake.requests["detail"] == 2


async def test_a_service_that_cannot_be_read_first_is_not_ordered(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    order = PlaceRequest("45", "voucher", ServiceType.SERVER, quantity=5, fields={"account": "joe"})
    for kind in ("hang", "status", "cut", "reset", "garbage"):
        fake.script(Fault(kind, "detail"))
        with pytest.raises(NotSent):
            await rest.place(order)
    assert "place" not in fake.requests


async def test_pending_first_and_the_result_later(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    fake.pending_reads = 1
    placed = await rest.place(ORDER)
    assert placed == Placed("321", cost=1500 * MICRO)
    assert await _check(rest, "321") == Report("321", ReportStatus.PENDING)
    report = await _check(rest, "321")
    assert (report.status, report.cost) == (ReportStatus.DONE, 1500 * MICRO)


async def test_a_part_is_settled_by_what_was_charged(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    fake.pending_reads, fake.deliver_at_most = 1, 3
    placed = await rest.place(PlaceRequest("46", "voucher", ServiceType.SERVER, quantity=5, fields={"account": "joe"}))
    assert placed.cost == 2500 * MICRO
    await _check(rest, placed.remote_id)
    report = await _check(rest, placed.remote_id)
    assert (report.status, report.delivered, report.cost) == (ReportStatus.DONE, 3, 1500 * MICRO)
    assert str(await rest.balance()) == "998500.00 IDR"


async def test_an_order_that_fails_says_why_and_costs_nothing(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    fake.unserved = {IMEI}
    placed = await rest.place(ORDER)
    assert placed.report == Report("321", ReportStatus.FAILED, "IMEI tidak ditemukan", cost=0)


@pytest.mark.parametrize("kind", BROKEN)
async def test_an_accepted_order_with_a_broken_reply_is_unclear(
    fake: FakeCekCeir, rest: Connector[Any], kind: str
) -> None:
    fake.script(Fault(kind, "place"))
    with pytest.raises(Unclear):
        await rest.place(ORDER)
    assert fake.state()["accepted"] == 1
    assert fake.requests == {"place": 1}, "nothing was sent again"


@pytest.mark.parametrize(("kind", "reason"), [*REFUSING, ("forbidden", "bad_credentials")])
async def test_a_refusal_accepts_nothing(fake: FakeCekCeir, rest: Connector[Any], kind: str, reason: str) -> None:
    fake.script(Fault(kind, "place"))
    assert await _refused(rest.place(ORDER)) == reason
    assert fake.state()["accepted"] == 0
    assert fake.requests == {"place": 1}


async def test_refusals_of_the_supplier_s_own_rules(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    fake.clock = "07:59"
    assert await _refused(rest.place(ORDER)) == "service_off"
    fake.clock, fake.wallet = "08:00", 1499
    assert await _refused(rest.place(ORDER)) == "no_funds"
    fake.wallet = 10_000
    assert await _refused(rest.place(PlaceRequest("1", "cek_imei", ServiceType.IMEI, "123"))) == "bad_input"
    assert await _refused(rest.place(PlaceRequest("1", "none", ServiceType.IMEI, IMEI))) == "service_off"
    fields = {"account": "joe"}
    alone = PlaceRequest("1", "voucher", ServiceType.SERVER, quantity=1, fields=fields)
    assert await _refused(rest.place(alone)) == "bad_input"
    assert fake.state()["accepted"] == 0


async def test_a_wrong_key_and_a_missing_permission_are_told_apart(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    fake.permissions -= {"wallet.balance.read", "order.create"}
    with pytest.raises(Refused, match=r"lacks a permission: Missing permission wallet\.balance\.read"):
        await rest.balance()
    assert await _refused(rest.place(ORDER)) == "bad_credentials"
    fake.secret = "another"
    with pytest.raises(Refused, match="the API key is not valid"):
        await rest.balance()


async def test_a_firewall_is_unclear_for_buying_and_blocked_for_reading(
    fake: FakeCekCeir, rest: Connector[Any]
) -> None:
    fake.script(Fault("firewall", times=2))
    with pytest.raises(Unclear):
        await rest.place(ORDER)
    assert await _refused(rest.check(["321"])) == "blocked"


async def test_notices_before_the_reply_do_no_harm(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    fake.script(Fault("notices", times=-1))
    assert (await rest.place(ORDER)).remote_id == "321"
    assert (await _check(rest, "321")).status is ReportStatus.DONE


@pytest.mark.parametrize("kind", ["hang", "status", "cut", "reset", "garbage", "throttled", "expired"])
async def test_a_poll_that_fails_says_nothing_of_the_order(fake: FakeCekCeir, rest: Connector[Any], kind: str) -> None:
    await rest.place(ORDER)
    fake.script(Fault(kind, "read"))
    with pytest.raises((Unclear, Refused)):
        await rest.check(["321"])
    fake.script(Fault("unknown_status", "read"))
    assert await _check(rest, "321") == Report("321", ReportStatus.PENDING, note="unknown status 'on_hold'")
    assert (await _check(rest, "999")).note == "they do not know this order: Order not found: order_not_found"
    assert (await _check(rest, "321")).status is ReportStatus.DONE


async def test_lists_and_prices_that_change_are_told_as_they_are(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    whole = await rest.catalog()
    fake.script(Fault("price", "detail", times=len(whole)))
    assert [one.cost for one in await rest.catalog()] == [(one.cost or 0) * 2 for one in whole]
    fake.script(Fault("list_halved", "list"))
    assert 0 < len(await rest.catalog()) < len(whole)
    fake.script(Fault("list_empty", "list"))
    assert await rest.catalog() == ()
    for fault in (Fault("garbage", "list"), Fault("garbage", "detail"), Fault("hang", "detail")):
        fake.script(fault)
        with pytest.raises(Unclear):
            await rest.catalog()
    fake.script(Fault("unknown_service", "detail"))
    assert len(await rest.catalog()) == len(whole) - 1, "gone between the list and its price"


async def test_what_they_cannot_do_is_said_so(rest: Connector[Any]) -> None:
    assert (rest.place_batch, rest.check_batch) == (1, 1)
    for call in (rest.place_many([ORDER]), rest.check(["1", "2"]), rest.find(ORDER)):
        with pytest.raises(Unsupported):
            await call


# The webhook


@pytest.mark.parametrize("recipe", ["fields", "raw"])
@pytest.mark.parametrize("state", ["pending", "success", "partial", "failed"])
async def test_their_call_is_verified_by_either_recipe(
    fake: FakeCekCeir, rest: Connector[Any], recipe: str, state: str
) -> None:
    fake.pending_reads = 1 if state == "pending" else 0
    fake.deliver_at_most = {"partial": 2, "failed": 0}.get(state, 5)
    placed = await rest.place(PlaceRequest("46", "voucher", ServiceType.SERVER, quantity=5, fields={"account": "joe"}))
    headers, body = fake.webhook(int(placed.remote_id), recipe)
    assert orjson.loads(body)["status"] == state
    assert rest.webhook(headers, body) == placed.remote_id
    assert rest.webhook(headers, body) == placed.remote_id, "a replay is the endpoint's to notice"
    assert fake.requests["read"] == 0, "verifying sends nothing"


async def test_a_forged_call_is_refused(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    await rest.place(ORDER)
    headers, body = fake.webhook(321)
    dearer = body.replace(b'"charged_amount":1500', b'"charged_amount":1')
    other = body.replace(b'"order_id":321', b'"order_id":322')
    name = "x-signature"
    forgeries = [
        ({}, body),
        ({name: ""}, body),
        ({name: "0" * 64}, body),
        ({name: headers[name][:-1]}, body),
        ({name: "é" * 64}, body),
        ({name: hmac.new(b"", body, hashlib.sha256).hexdigest()}, body),
        ({name: hmac.new(fake.username.encode(), body, hashlib.sha256).hexdigest()}, body),
        (headers, dearer),
        (headers, other),
        (headers, b""),
        (headers, b"\xff[" * 1000),
        (headers, b'{"order_id": {"a": 1}, "status": []}'),
    ]
    for forged, text in forgeries:
        with pytest.raises(Refused) as caught:
            rest.webhook(forged, text)
        assert caught.value.reason == "bad_credentials"
    raw, body = fake.webhook(321, "raw")
    with pytest.raises(Refused):
        rest.webhook(raw, body + b" ")


async def test_the_body_s_result_is_not_believed(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    """One of their recipes covers the id and the amount only."""
    fake.pending_reads = 5
    await rest.place(ORDER)
    headers, body = fake.webhook(321)
    claimed = body.replace(b'"result":{}', b'"result":{"status":"clean"}')
    assert claimed != body
    assert rest.webhook(headers, claimed) == "321"
    assert (await _check(rest, "321")).status is ReportStatus.PENDING


@pytest.mark.parametrize(
    ("status", "amount"),
    [("pending", "4500"), ("failed", "0"), ("cancelled", "0"), ("partial", "3000.5"), ("success", "3000.5")],
)
async def test_the_amount_that_is_signed_depends_on_the_status(
    fake: FakeCekCeir, rest: Connector[Any], status: str, amount: str
) -> None:
    body = f'{{"status": "{status}", "order_id": 321, "total_price": 4500, "charged_amount": 3000.5}}'.encode()
    for signed in (amount, "1"):
        text = f'{{"orderId":321,"amount":"{signed}"}}'.encode()
        headers = {"x-signature": hmac.new(fake.secret.encode(), text, hashlib.sha256).hexdigest()}
        if signed == amount:
            assert rest.webhook(headers, body) == "321"
        else:
            with pytest.raises(Refused):
                rest.webhook(headers, body)


async def test_a_signed_call_about_no_order_names_none(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    for body in (b"{}", b"[]", b"hello", b'{"order_id": 0}', b'{"order_id": "../1"}'):
        signature = hmac.new(fake.secret.encode(), body, hashlib.sha256).hexdigest().upper()
        with pytest.raises(Refused) as caught:
            rest.webhook({"x-signature": signature}, body)
        assert caught.value.reason == "bad_input"


async def test_the_webhook_s_own_secret_takes_the_key_s_place(fake: FakeCekCeir, rest: Connector[Any]) -> None:
    await rest.place(ORDER)
    own = registry.build("cekceir", {**fake.config("http://x.test"), "webhook_secret": "own"})
    with pytest.raises(Refused):
        own.webhook(*fake.webhook(321))
    fake.secret = "own"
    headers, body = fake.webhook(321)
    assert own.webhook(headers, body) == "321"
    with pytest.raises(Refused):
        rest.webhook(headers, body)
    keyless = registry.build("cekceir", {"base_url": "http://x.test", "api_key": "ends-with-a-dot."})
    with pytest.raises(Refused):
        keyless.webhook({"x-signature": hmac.new(b"", body, hashlib.sha256).hexdigest()}, body)
    for connector in (own, keyless):
        await connector.http.aclose()
