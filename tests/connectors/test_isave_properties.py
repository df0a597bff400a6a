"""Whatever iSave replies, on either door, the connectors keep their promises."""

import json
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.connectors import registry
from app.connectors._isave import endpoint, readable
from app.connectors.base import Connector, Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import NotSent, Refused, Unclear, Unsupported
from tests.connectors.harness import plain
from tests.connectors.test_dhru_properties import replies as dhru_replies

WORDS = (NotSent, Refused, Unclear)
ORDERS = [
    PlaceRequest("1", "gsx", ServiceType.IMEI, "356557847079356"),
    PlaceRequest("2", "findmy", ServiceType.IMEI, "ABCDEF123456"),
]

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["true", "req_1", "0.40", "USD", "balance", "gsx", "timed out", "Insufficient", "a\0b\ud800c\n"]),
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=15,
)
_service = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("command_name", "service_title", "description", "price"), _scalars)
)
rest_replies = st.one_of(
    _anything,
    st.fixed_dictionaries(
        {"success": st.one_of(st.just(True), _scalars)},
        optional={
            "request_id": st.one_of(st.just("req_1"), _scalars),
            "credits": _scalars,
            "data": _anything,
            "error": _scalars,
            "message": _scalars,
            "balance": _scalars,
            "currency": _scalars,
            "services": st.one_of(st.lists(_service, max_size=4), _anything),
        },
    ),
)
statuses = st.sampled_from([200, 200, 200, 202, 400, 401, 402, 403, 404, 422, 429, 504])

often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _connector(kind: str, reply: Any, status: int = 200, **config: object) -> Connector[Any]:
    text = json.dumps(reply)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, text=text))
    return registry.build(kind, {"base_url": "http://i.test", "api_key": "kept", **config}, transport=transport)


def _assert_storable(value: object) -> None:
    """What a database takes: no NUL, no half of a surrogate pair."""
    text = json.dumps(plain(value), ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text


@often
@given(rest_replies, statuses)
async def test_rest_places_only_on_a_whole_success(reply: Any, status: int) -> None:
    try:
        placed = await _connector("isave", reply, status).place(ORDERS[0])
    except WORDS as error:
        _assert_storable(error)
        if isinstance(error, Refused):
            assert status != 200 or "success" in reply, "a no is in their format or by their code"
        return
    _assert_storable(placed)
    assert status == 200
    assert reply["success"] in {True, "1", "true"}
    assert placed.remote_id == str(reply["request_id"]).strip()
    assert placed.report is not None
    assert placed.report.status is ReportStatus.DONE
    assert placed.report.text.strip()
    assert placed.cost is None, "one witness at the most"


@often
@given(rest_replies, statuses)
async def test_rest_reads_what_it_should_or_says_a_word(reply: Any, status: int) -> None:
    connector = _connector("isave", reply, status)
    try:
        _assert_storable(await connector.balance())
    except WORDS as error:
        _assert_storable(error)
    try:
        services = await connector.catalog()
    except WORDS:
        return
    _assert_storable(services)
    names = [service.remote_id for service in services]
    assert len(names) == len(set(names))
    assert all(name.strip() and name.strip().lower() not in {"balance", "services"} for name in names)
    assert all(service.cost is None or service.cost >= 0 for service in services)


@often
@given(st.one_of(dhru_replies, rest_replies))
async def test_the_bridge_keeps_its_promises(reply: Any) -> None:
    connector = _connector("isave_dhru", reply, bulk=True)
    try:
        placed = await connector.place(ORDERS[0])
        _assert_storable(placed)
        assert placed.report is None
    except WORDS as error:
        _assert_storable(error)
    try:
        found = await connector.place_many(ORDERS)
        _assert_storable(found)
        assert set(found) == {"1", "2"}
        ids = [one.remote_id for one in found.values() if isinstance(one, Placed)]
        assert len(ids) == len(set(ids))
    except (*WORDS, Unsupported) as error:
        _assert_storable(error)
    for ids in (["9001"], ["1", "2", "9001"]):
        try:
            reports = await connector.check(ids)
        except (*WORDS, Unsupported):
            continue
        _assert_storable(reports)
        told = [report.remote_id for report in reports]
        assert set(told) <= set(ids)
        assert len(told) == len(set(told))
        for report in reports:
            if report.status is not ReportStatus.PENDING:
                assert report.text.strip()
                assert "status" in json.dumps(reply).lower()


def test_a_result_is_readable() -> None:
    data = {"imei2": 35, "simLock": True, "Warranty Status": "x", "a-b": [[1, {}], "z"], "zeroes": Decimal("1.500")}
    assert readable(data).split("\n") == [
        "IMEI 2: 35",
        "SIM Lock: Yes",
        "Warranty Status: x",
        "a-b / 1 / 1: 1",
        "a-b / 1 / 2: -",
        "a-b / 2: z",
        "Zeroes: 1.500",
    ]
    assert readable({"a": "Model: iPhone\nFMI: OFF"}) == "A: Model: iPhone; FMI: OFF"
    assert readable(" Model: iPhone\nFMI: OFF\n") == "Model: iPhone\nFMI: OFF"
    nothing: list[Any] = [None, {}, [], "", " ", True, 7, {"a": None, "b": [{}]}]
    assert [readable(one) for one in nothing] == [""] * len(nothing)


def test_a_bottomless_result_is_unclear() -> None:
    data: Any = "x"
    for _ in range(40):
        data = {"a": data}
    with pytest.raises(Unclear):
        readable(data)


@pytest.mark.parametrize("root", ["https://i.example", "https://i.example/shop"])
@pytest.mark.parametrize(
    "path",
    ["", "/", "//", "/api", "/api/v1/", "/api/v1/check", "/api//v1/check/", "/api/dhru_bridge", "/api/v1/check.php"],
)
def test_a_root_and_either_endpoint_are_taken(root: str, path: str) -> None:
    assert endpoint(root + path, "/api/v1/check") == f"{root}/api/v1/check"
    assert endpoint(root + path, "/api/dhru_bridge") == f"{root}/api/dhru_bridge"
