"""Input of every bad kind: a clear error in DHRU's form, nothing charged, nothing secret in the log."""

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.money import MICRO
from tests.dhru.conftest import Panel, read, xml
from tests.factories import IMEIS


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged meanwhile."""
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]  # structlog types its event dicts more widely


def packed(value: object) -> str:
    return base64.b64encode(orjson.dumps(value)).decode()


GOOD = f"<ID>1</ID><IMEI>{IMEIS[0]}</IMEI>"
BAD_PARAMETERS = {
    "tags that do not match": "<PARAMETERS><ID>1</IMEI></PARAMETERS>",
    "cut in a value": f"<PARAMETERS><ID>1</ID><IMEI>{IMEIS[0]}",
    "cut behind a value": f"<PARAMETERS>{GOOD}",
    "cut in a tag": f"<PARAMETERS>{GOOD}</PARAMETERS",
    "text outside": f"oops {GOOD}",
    "text beside tags": f"<PARAMETERS>oops{GOOD}</PARAMETERS>",
    "PARAMETERS with text": "<PARAMETERS>oops</PARAMETERS>",
    "an unclosed comment": f"<PARAMETERS>{GOOD}<!-- </PARAMETERS>",
    "an entity": f'<!DOCTYPE x [<!ENTITY i "{IMEIS[0]}">]><PARAMETERS><ID>1</ID><IMEI>&i;</IMEI></PARAMETERS>',
    "an external entity": '<!DOCTYPE x [<!ENTITY i SYSTEM "file:///etc/passwd">]><PARAMETERS><ID>&i;</ID></PARAMETERS>',
    "an external DTD": f'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><PARAMETERS>{GOOD}</PARAMETERS>',
    "an entity bomb": '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><PARAMETERS>'
    f"{GOOD}<N>&b;</N></PARAMETERS>",
    "an undeclared entity": "<PARAMETERS><ID>1</ID><IMEI>&imei;</IMEI></PARAMETERS>",
    "deep XML": "<a>" * 5000 + "</a>" * 5000,
    "many opened": "<PARAMETERS>" * 20_000,
    "many comments opened": "<!--" * 20_000,
    "half base64": packed({"ID": 1, "IMEI": IMEIS[0]})[:-7],
    "not base64": "$$$$",
    "base64 of nonsense": base64.b64encode(b"\x00\x01\x02nonsense").decode(),
    "base64 of invalid UTF-8": base64.b64encode(b'{"ID":1,"IMEI":"\xff"}').decode(),
    "half JSON": '{"ID":1,"IMEI":',
    "JSON twice": '{"ID":1}{"ID":1}',
    "a JSON text": '"text"',
    "base64 of a number": packed(5),
    "base64 of true": packed(True),
    "base64 of a list": packed([1, 2, 3]),
    "base64 of two rows": packed([{"ID": 1, "IMEI": IMEIS[0]}, {"ID": 1, "IMEI": IMEIS[1]}]),
    "deep JSON": '{"a":' * 3000 + "1" + "}" * 3000,
    "an object for ID": packed({"ID": {"a": 1}, "IMEI": IMEIS[0]}),
    "a list for IMEI": packed({"ID": 1, "IMEI": [IMEIS[0]]}),
    "a huge ID": packed({"ID": "9" * 400, "IMEI": IMEIS[0]}),
    "a huge number": '{"ID":1,"IMEI":1' + "0" * 400 + "}",
    "a rounded number": '{"ID":1,"IMEI":35655784707935612345}',
    "a negative ID": packed({"ID": -1, "IMEI": IMEIS[0]}),
    "a fraction for ID": packed({"ID": 1.5, "IMEI": IMEIS[0]}),
    "another script's digits": packed({"ID": chr(0x0661), "IMEI": IMEIS[0]}),
    "a NUL": packed({"ID": 1, "IMEI": IMEIS[0] + "\x00"}),
    "a lone surrogate": '{"ID":1,"IMEI":"\\ud800"}',
    "SQL": xml({"ID": "1; DROP TABLE orders", "IMEI": "' OR 1=1 --"}),
    "an IMEI of other digits": packed({"ID": 1, "IMEI": "".join(chr(0x0660 + int(digit)) for digit in IMEIS[0])}),
}


async def test_bad_parameters_get_an_error_and_charge_nothing(panel: Panel, lines: list[dict[str, Any]]) -> None:
    assert panel.shop.imei_service == 1
    for name, parameters in BAD_PARAMETERS.items():
        for action in ("placeimeiorder", "placeserverorder"):
            reply = await panel.call(action, parameters=parameters)
            [error] = reply["ERROR"]
            assert error["MESSAGE"], name
            assert "maintenance" not in error["MESSAGE"], name
            assert IMEIS[0] not in error["MESSAGE"] + error["FULL_DESCRIPTION"]
    assert await panel.orders() == []
    assert await panel.balance() == 1000 * MICRO
    assert len(lines) == 2 * len(BAD_PARAMETERS)
    logged = repr(lines)
    assert panel.shop.key not in logged
    assert "passwd" not in logged
    assert IMEIS[0] not in logged
    assert {line["log_level"] for line in lines} == {"info"}


BAD_BULK = {
    "nothing": "",
    "an empty list": "[]",
    "a scalar": "5",
    "rows that are scalars": "[1,2]",
    "a key the reply needs": packed({"SUCCESS": {"ID": 1, "IMEI": IMEIS[0]}}),
    "apiversion as key": packed({"apiversion": {"ID": 1, "IMEI": IMEIS[0]}}),
    "a NUL in a key": packed({"a\x00": {"ID": 1, "IMEI": IMEIS[0]}}),
    "too many rows": packed([{"ID": 1, "IMEI": IMEIS[0]}] * 501),
}


async def test_bad_bulks_place_nothing(panel: Panel) -> None:
    for name, parameters in BAD_BULK.items():
        reply = await panel.call("placeimeiorderbulk", parameters=parameters)
        rows = [row for key, row in reply.items() if key not in ("SUCCESS", "apiversion")]
        assert all("ERROR" in row or isinstance(row, list) for row in rows), name
        assert rows, name
    assert await panel.orders() == []
    reply = await panel.call("getimeiorderbulk", parameters=packed([{"ID": number} for number in range(1001)]))
    assert reply["ERROR"][0]["MESSAGE"] == "Too many rows"


BAD_BODIES = (
    b"action=%ff&apiaccesskey=%fe",
    b"action=\xff\xfe",
    b"action=placeimeiorder%00",
    b"{",
    b"[]",
    b"[[[[",
    b'{"action":{"a":1}}',
    b'{"action":"accountinfo","apiaccesskey":["x"]}',
    b'{"username":{"$ne":null},"apiaccesskey":{"$ne":null},"action":"accountinfo"}',
    b'{"requestformat":5,"action":5,"key":5}',
    b"<",
    b"<a>",
    b"\x00\x00\x00",
    b"\x1f\x8b\x08\x00",
    b"=&=&=&;;;&&&",
    b"parameters[=1&parameters[]=2&parameters[a][b][c][d][e][f]=3",
    b"parameters[a]=1&parameters[a][b]=2&action=placeimeiorder",
    b"&".join(b"a%d=1" % number for number in range(6000)),
    b"data=%7B&action=x",
    b"xml=<a>&action=x",
)


async def test_bad_bodies_get_an_error(panel: Panel) -> None:
    for body in BAD_BODIES:
        reply = read(await panel.http.post(panel.path, content=body))
        assert list(reply) == ["ERROR", "apiversion"], body
        assert reply["ERROR"][0]["MESSAGE"] != "Website is in maintenance, try again later", body


async def test_errors_are_free_of_markup(panel: Panel) -> None:
    async with panel.door.db.transaction() as conn:
        await conn.execute("UPDATE service_fields SET name = '<script>alert(1)</script>'")
    reply = await panel.call("placeimeiorder", parameters=packed({"ID": panel.shop.server_service}))
    assert "script" in reply["ERROR"][0]["MESSAGE"]
    assert "<" not in reply["ERROR"][0]["MESSAGE"] + reply["ERROR"][0]["FULL_DESCRIPTION"]


async def test_a_fault_of_ours_is_logged_without_what_was_sent(
    panel: Panel, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError(IMEIS[0], panel.shop.key)

    monkeypatch.setattr(panel.door.catalog, "at_least", broken)
    reply = await panel.place(panel.shop.imei_service, IMEIS[0])
    assert reply["ERROR"][0]["MESSAGE"] == "Website is in maintenance, try again later"
    faults = [line for line in lines if line["log_level"] == "error"]
    assert [line["error"] for line in faults] == ["KeyError"]
    assert any("ordering.py" in frame for frame in faults[0]["where"])
    assert panel.shop.key not in repr(lines)
    assert IMEIS[0] not in repr(lines)


def _dumps(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return repr(value)


NAMES = st.sampled_from(
    ["ID", "IMEI", "QNT", "CUSTOMFIELD", "parameters", "customfield", "Email", "SN", "1", "IDS", "orderid", "service"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ACTIONS = st.sampled_from(
    [
        "placeimeiorder",
        "placeimeiorderbulk",
        "placebulkorder",
        "getimeiorder",
        "getimeiorderbulk",
        "getimeiservicedetails",
    ]
)
TAGS = st.lists(
    st.sampled_from(
        ["<PARAMETERS>", "</PARAMETERS>", "<ID>", "</ID>", "<IMEI>", "</IMEI>", "<ORDER>", "</ORDER>", "<LINK>"]
    )
    | st.sampled_from(
        ["<![CDATA[", "]]>", "<!--", "-->", "<?x?>", "&amp;", "&#0;", "&#xD800;", "1", "<a/>", "< />", "<ID"]
    )
    | st.text(max_size=5),
    max_size=12,
).map("".join)
PARAMETERS = st.one_of(
    JSON.map(_dumps),
    JSON.map(lambda value: base64.b64encode(_dumps(value).encode()).decode()),
    TAGS,
    st.text(max_size=60),
)
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _is_reply(reply: Any) -> bool:
    if not isinstance(reply, dict) or reply.get("apiversion") != "6.1":
        return False
    return any(key in reply for key in ("SUCCESS", "ERROR")) or all(
        "SUCCESS" in row or "ERROR" in row for key, row in reply.items() if key != "apiversion"
    )


@FUZZ
@given(action=ACTIONS, parameters=PARAMETERS, form=st.sampled_from(["form", "json", "multipart"]))
async def test_any_parameters_get_a_reply(panel: Panel, action: str, parameters: str, form: str) -> None:
    values = {"apiaccesskey": panel.shop.key, "action": action, "parameters": parameters}
    if form == "json":
        response = await panel.http.post(panel.path, content=_dumps(values))
    elif form == "multipart":
        files = {name: (None, value.encode("utf-8", "surrogatepass")) for name, value in values.items()}
        response = await panel.http.post(panel.path, files=files)
    else:
        response = await panel.http.post(panel.path, data=values)
    reply = read(response)
    assert _is_reply(reply)
    assert "maintenance" not in response.text
    assert await panel.balance() == 1000 * MICRO


@FUZZ
@given(
    body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    content_type=st.sampled_from(
        [
            "",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "application/json",
            "text/xml",
            "a/b; charset=utf-7",
        ]
    ),
    prefix=st.sampled_from(
        [b"", b"{", b"<", b"--x\r\n", b"action=accountinfo&key=", b"parameters[a]=", b"data=", b"xml=<"]
    ),
)
async def test_any_body_gets_a_reply(panel: Panel, body: bytes, content_type: str, prefix: bytes) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = await panel.http.post(panel.path, content=prefix + body, headers=headers)
    assert _is_reply(read(response))
    assert "maintenance" not in response.text
