"""Whatever XiaomiToolkit's REST API replies, the connector keeps its promises."""

import base64
import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.connectors import registry
from app.connectors.base import Connector, Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import NotSent, Refused, Unclear
from app.money import MAX_AMOUNT, Money
from tests.connectors.harness import MASK, plain, standing

WORDS = (NotSent, Refused, Unclear)
FIELDS = {"product_code": "charoite", "cpu_id": "A1"}
ORDER = PlaceRequest("41", "cpid/standard-cpid", ServiceType.IMEI, "861234567890127", fields=FIELDS)
LOST = PlaceRequest(
    "41", "cpid/standard-cpid", ServiceType.IMEI, ORDER.device, fields=FIELDS, sent_at=datetime(2026, 3, 22, tzinfo=UTC)
)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["completed", "failed", "pending", "157", "Your balance has been refunded.", "a\0b\ud800", "USD", "2.50"]
    ),
    st.sampled_from(["A1", "charoite", ORDER.device, "2026-03-22T14:30:00+00:00", "2026-03-22", "AENQSUT/", "cpid"]),
)
_data = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("id", "record_id", "status", "created_criticaldata", "product_code", "cpu_id"), _scalars),
        **dict.fromkeys(
            ("imei1", "imei2", "created_at", "balance", "sell_price", "currency", "slug", "name"), _scalars
        ),
        "data": st.fixed_dictionaries({}, optional={"created_criticaldata": _scalars, "product_code": _scalars}),
        "brand": _scalars,
    },
)
replies = st.one_of(
    _scalars,
    st.fixed_dictionaries(
        {},
        optional={
            "success": st.sampled_from([True, True, True, False, "true", 1, None]),
            "data": st.one_of(_data, _data, st.lists(_data, max_size=3), _scalars),
            "message": _scalars,
            "errors": st.one_of(st.dictionaries(st.text(max_size=6), st.lists(_scalars, max_size=2)), _scalars),
            "meta": st.one_of(st.fixed_dictionaries({"last_page": _scalars}), _scalars),
        },
    ),
)
statuses = st.sampled_from([200, 200, 200, 201, 202, 400, 401, 402, 403, 404, 409, 422, 429, 500, 502])
often = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _connector(reply: Any, status: int, sent: list[str] | None = None) -> Connector[Any]:
    text = json.dumps(reply)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if sent is not None:
            sent.append(request.url.path)
        return httpx2.Response(status, text=text)

    config = {"base_url": "http://supplier.test", "email": "a@b.test", "password": MASK}
    transport = httpx2.MockTransport(standing("xiaomitoolkit", answer))
    return registry.build("xiaomitoolkit", config, transport=transport)


async def _ending(call: Awaitable[Any]) -> Any:
    """What a call returned, or the word it ended with."""
    try:
        return await call
    except WORDS as error:
        return error


def _assert_storable(value: object) -> None:
    """What a database takes: no NUL, no half of a surrogate pair."""
    text = json.dumps(plain(value), ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text


@often
@given(replies, statuses)
async def test_placing_ends_in_one_of_the_words(reply: Any, status: int) -> None:
    sent: list[str] = []
    placed = await _ending(_connector(reply, status, sent).place(ORDER))
    _assert_storable(placed)
    if not isinstance(placed, Placed):
        assert len(sent) == 1 or (status == 401 and len(sent) == 2)
        proves_nothing = status in {200, 201, 202, 500} or (status == 502 and "refunded" not in json.dumps(reply))
        assert isinstance(placed, Unclear) or not proves_nothing
        return
    assert (len(sent), status in {200, 201, 202}, reply["success"]) == (1, True, True)
    assert int(placed.remote_id) == int(reply["data"]["record_id"]) > 0
    if placed.report is not None:
        assert placed.report.file is not None
        assert placed.report.file.content == base64.b64decode(reply["data"]["data"]["created_criticaldata"])


@often
@given(replies, statuses)
async def test_checking_finishes_only_a_record_with_a_final_status(reply: Any, status: int) -> None:
    try:
        (report,) = await _connector(reply, status).check(["157"])
    except WORDS as error:
        _assert_storable(error)
        return
    _assert_storable(report)
    assert report.remote_id == "157"
    if report.status is not ReportStatus.PENDING:
        assert (status, report.note) == (200, "")
        assert report.text.strip()
        assert reply["data"]["status"].strip().lower() in {"completed", "failed"}
        assert (report.file is not None) == (report.status is ReportStatus.DONE)


@often
@given(replies, statuses)
async def test_finding_names_a_record_of_the_list_or_proves_nothing(reply: Any, status: int) -> None:
    try:
        placed = await _connector(reply, status).find(LOST)
    except WORDS as error:
        _assert_storable(error)
        return
    rows = reply["data"]
    if placed is None:
        assert not any(row.get("cpu_id") == "A1" and row.get("imei1") == ORDER.device for row in rows)
    else:
        assert placed.remote_id in {str(row["id"]) for row in rows}


@often
@given(replies, statuses)
async def test_reading_returns_what_it_should_or_a_word(reply: Any, status: int) -> None:
    connector = _connector(reply, status)
    try:
        balance = await connector.balance()
        assert isinstance(balance, Money)
        assert abs(balance.amount) <= MAX_AMOUNT
    except WORDS:
        pass
    services = await _ending(connector.catalog())
    _assert_storable(services)
    if not isinstance(services, WORDS):
        assert all(service.cost is None or 0 <= service.cost <= MAX_AMOUNT for service in services)


@often
@given(replies, statuses)
async def test_devices_are_listed_or_a_word(reply: Any, status: int) -> None:
    connector = _connector(reply, status)
    for call in (connector.device_catalog(), connector.services_for("157", "")):
        _assert_storable(await _ending(call))
