"""Whatever Cek Ceir replies, and whatever inputs its services want, the connectors keep their promises."""

import json
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.connectors import registry
from app.connectors._cekceir_inputs import Inputs, read_inputs
from app.connectors.base import Connector, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import NotSent, Refused, Unclear
from app.money import MAX_AMOUNT, Money
from tests.connectors.harness import plain

WORDS = (NotSent, Refused, Unclear)
ORDER = PlaceRequest("1", "cek_imei", ServiceType.IMEI, "356557847079356")

_keys = st.sampled_from(
    [
        *("data", "page", "items", "next_cursor", "rule", "unit_price", "min_items", "service_type", "input_schema"),
        *("properties", "required", "imeis", "type", "enum", "x-requestFrom", "x-quantityFrom", "code", "name"),
        *("status", "order_id", "id", "result", "message", "error", "error_message", "charged_amount", "total_price"),
        *("processed_success", "total", "balance", "open_time", "close_time", "is_active", "SUCCESS", "ERROR"),
    ]
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["success", "partial", "failed", "pending", "321", "cek_imei", "08:00", "/imeis", "1.500"]),
    st.sampled_from(["a\0b\ud800c\nd", "Cloudflare", "array", "string", "object", "integer"]),
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=6)),
    max_leaves=25,
)
_order = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["success", "partial", "failed", "pending", "on_hold", 4]),
        "order_id": st.sampled_from([321, "321", 322, 0, -1, None, 3.5]),
        "result": _anything,
        "message": _scalars,
        "charged_amount": _scalars,
        "total": st.sampled_from([0, 1, 3, None, "3"]),
        "processed_success": st.sampled_from([0, 1, 3, 5, None, True]),
    },
)
_schema = st.fixed_dictionaries(
    {"properties": st.dictionaries(st.sampled_from(["imeis", "imei", "sn", "a/b", "n"]), _anything, max_size=4)},
    optional={"required": _anything, "x-requestFrom": _scalars, "x-quantityFrom": _scalars},
)
_row = st.fixed_dictionaries(
    {"code": st.sampled_from(["cek_imei", "b", "c/d", 7])},
    optional={
        "rule": _anything,
        "service_type": st.fixed_dictionaries({"input_schema": st.one_of(_schema, _anything)}),
    },
)
_list = st.fixed_dictionaries(
    {"data": st.fixed_dictionaries({"page": st.fixed_dictionaries({"items": st.lists(_row)})})}
)
replies = st.one_of(_anything, _order, st.fixed_dictionaries({"data": _order}), _list)

often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _connector(reply: Any, status: int = 200) -> Connector[Any]:
    text = json.dumps(reply)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, text=text))
    return registry.build("cekceir", {"base_url": "http://supplier.test", "api_key": "a.b"}, transport=transport)


def _assert_storable(value: object) -> None:
    text = json.dumps(plain(value), ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text


@often
@given(replies, st.sampled_from([200, 201, 400, 403, 404, 429, 500]))
async def test_placing_ends_in_one_of_the_words(reply: Any, status: int) -> None:
    try:
        placed = await _connector(reply, status).place(ORDER)
    except WORDS as error:
        _assert_storable(error)
        return
    _assert_storable(placed)
    assert status < 300
    assert placed.remote_id in {"321", "322"} or placed.remote_id in json.dumps(reply)
    assert int(placed.remote_id) > 0


@often
@given(replies)
async def test_checking_finishes_only_with_a_status_of_this_order(reply: Any) -> None:
    try:
        (report,) = await _connector(reply).check(["321"])
    except WORDS:
        return
    _assert_storable(report)
    assert report.remote_id == "321"
    if report.status is not ReportStatus.PENDING:
        assert report.text.strip()
        assert not report.note
        assert any(word in json.dumps(reply) for word in ("success", "partial", "failed"))
        assert report.cost is None or 0 <= report.cost <= MAX_AMOUNT
    assert report.delivered is None or report.delivered > 0


@often
@given(replies)
async def test_reading_returns_what_it_should_or_a_word(reply: Any) -> None:
    connector = _connector(reply)
    try:
        balance = await connector.balance()
        assert isinstance(balance, Money)
    except WORDS:
        pass
    try:
        services = await connector.catalog()
    except WORDS:
        return
    _assert_storable(services)
    names = [service.remote_id for service in services]
    assert len(names) == len(set(names))
    for service in services:
        assert service.cost is None or 0 <= service.cost <= MAX_AMOUNT
        assert len({field.name for field in service.fields}) == len(service.fields)


@often
@given(_schema, st.text(max_size=6), st.integers(1, 3))
def test_an_order_s_data_fit_what_was_asked_for(schema: Any, value: str, quantity: int) -> None:
    inputs = read_inputs(schema)
    if inputs is None:
        return
    assert isinstance(inputs, Inputs)
    fields = {field.name: value for field in inputs.fields}
    request = PlaceRequest("1", "x", ServiceType.IMEI, ORDER.device, quantity, fields)
    try:
        data = inputs.data(request)
    except Refused:
        return
    json.dumps(data)
    for field in inputs.fields:
        assert field.name in data or not field.required
    if inputs.device:
        assert ORDER.device in json.dumps(data)
    if inputs.quantity:
        assert data[inputs.quantity] == quantity
