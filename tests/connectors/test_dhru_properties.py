"""Whatever a DHRU supplier replies, the connector keeps its promises."""

import json
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.connectors import registry
from app.connectors.base import Connector, Placed, PlaceRequest, ReportStatus, ServiceType
from app.connectors.errors import NotSent, Refused, Unclear, Unsupported
from app.money import MAX_AMOUNT, Money
from tests.connectors.harness import plain

WORDS = (NotSent, Refused, Unclear)
REQUESTS = [
    PlaceRequest(reference, "1287", ServiceType.IMEI, device)
    for reference, device in [("1", "356557847079356"), ("2", "356327109246188"), ("3", "")]
]

_keys = st.sampled_from(
    [
        *("SUCCESS", "ERROR", "success", "error", "apiresults", "apiversion", "MESSAGE", "message", "FULL_DESCRIPTION"),
        *("REFERENCEID", "referenceid", "ORDERID", "ID", "STATUS", "status", "CODE", "COMMENTS", "REPLY", "IMEI"),
        *("LIST", "SERVICES", "GROUPNAME", "GROUPTYPE", "SERVICEID", "SERVICENAME", "CREDIT", "QNT", "MINQNT"),
        *("CUSTOM", "Requires", "Requires.Custom", "Requires.Network", "fieldname", "fieldoptions", "required"),
        *("AccoutInfo", "AccountInfo", "credit", "creditraw", "currency", "0", "1", "2", "3", "9001"),
    ]
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        [
            *("4", "3", "0", "success", "error", "Not enough credits", "Command Not Found", "Authentication Failed"),
            "a\0b\ud800c\nd",
            *("9001", "1", "", "1287", "356557847079356", "USD", "12.50", "1,234", "IMEI", "Required", "timed out"),
        ]
    ),
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=6)),
    max_leaves=25,
)
_row = st.fixed_dictionaries(
    {},
    optional={
        "REFERENCEID": _scalars,
        "ID": _scalars,
        "STATUS": st.one_of(_scalars, st.sampled_from([3, 4, "4", "SUCCESS", "Rejected", 9])),
        "CODE": _scalars,
        "MESSAGE": _scalars,
        "status": st.sampled_from(["success", "error", "queued"]),
    },
)
_rows = st.one_of(_row, st.lists(_row, max_size=2))
_envelope = st.dictionaries(st.sampled_from(["SUCCESS", "ERROR"]), _rows, max_size=2)
_bulk = st.dictionaries(st.sampled_from(["1", "2", "3", "9001", "apiversion"]), st.one_of(_envelope, _row), max_size=4)
replies = st.one_of(_anything, _envelope, _bulk, st.fixed_dictionaries({"SUCCESS": _bulk}))
"""Anything at all, and things that come close to what suppliers send."""


def _connector(reply: Any, status: int = 200) -> Connector[Any]:
    text = json.dumps(reply)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, text=text))
    config = {"base_url": "http://supplier.test", "username": "u", "api_key": "kept to ourselves"}
    return registry.build("dhru", config, transport=transport)


def _texts(node: Any) -> set[str]:
    """Every scalar in a reply as the text that an order id would have."""
    if isinstance(node, dict):
        return set().union(*map(_texts, node.values())) if node else set()
    if isinstance(node, list):
        return set().union(*map(_texts, node)) if node else set()
    return {str(node).strip()}


def _assert_storable(value: object) -> None:
    """What a database takes: no NUL, no half of a surrogate pair."""
    text = json.dumps(plain(value), ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text


often = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@often
@given(replies, st.sampled_from([200, 200, 400, 429, 500]))
async def test_placing_ends_in_one_of_the_words(reply: Any, status: int) -> None:
    try:
        placed = await _connector(reply, status).place(REQUESTS[0])
    except WORDS as error:
        _assert_storable(error)
        return
    assert status != 500
    assert placed.remote_id
    assert placed.remote_id in _texts(reply)
    assert placed.remote_id not in {"0", "None", "False", "True"}
    assert any(word in json.dumps(reply).lower() for word in ("referenceid", "orderid", '"id"'))


@often
@given(replies)
async def test_bulk_placing_answers_for_each_reference_once(reply: Any) -> None:
    connector = _connector(reply)
    try:
        found = await connector.place_many(REQUESTS)
    except Unsupported:
        assert connector.place_batch == 1
        return
    except WORDS:
        return
    _assert_storable(found)
    assert list(found) == ["1", "2", "3"]
    assert all(isinstance(outcome, Placed | Refused | Unclear) for outcome in found.values())
    ids = [outcome.remote_id for outcome in found.values() if isinstance(outcome, Placed)]
    assert len(ids) == len(set(ids))


@often
@given(replies, st.sampled_from([["9001"], ["1", "2", "9001"]]))
async def test_checking_reports_only_what_was_asked_and_finishes_only_with_a_status(reply: Any, ids: list[str]) -> None:
    connector = _connector(reply)
    try:
        reports = await connector.check(ids)
    except Unsupported:
        assert connector.check_batch == 1
        return
    except WORDS:
        return
    _assert_storable(reports)
    names = [report.remote_id for report in reports]
    assert set(names) <= set(ids)
    assert len(names) == len(set(names))
    for report in reports:
        if report.status is not ReportStatus.PENDING:
            assert report.text.strip()
            assert not report.note
            assert "status" in json.dumps(reply).lower()


@often
@given(replies)
async def test_reading_returns_what_it_should_or_a_word(reply: Any) -> None:
    connector = _connector(reply)
    try:
        balance = await connector.balance()
        assert isinstance(balance, Money)
        assert abs(balance.amount) <= MAX_AMOUNT
    except WORDS:
        pass
    try:
        services = await connector.catalog()
    except WORDS:
        return
    _assert_storable(services)
    names = [service.remote_id for service in services]
    assert len(names) == len(set(names))
    assert all(names)
    for service in services:
        assert service.cost is None or 0 <= service.cost <= MAX_AMOUNT
        assert len({field.name for field in service.fields}) == len(service.fields)
