"""The JSON in a reply is found through all the dirt that suppliers put around it, and floats never appear."""

import gzip
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.connectors._reply import Reply, decode, find_json
from app.connectors.errors import RefusalReason, Refused, Unclear

NOTICE = "<br />\n<b>Notice</b>:  Undefined index: x[0] in <b>/home/a/{b}/api.php</b> on line <b>12</b><br />\n"


def _reply(text: str, status: int = 200, *, buys: bool = False) -> Reply:
    return Reply(status, text, "http://supplier.test/", {}, buys)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1}',
        '  \r\n{"a":1}\n\n',
        NOTICE + '{"a":1}',
        '<?phpxml version="1.0"?>{"a":1}',
        "PHP Warning: [8] array [] {main} thrown\n" + '{"a":1}',
        "Maximum execution time of 30 seconds exceeded" + '{"a":1}',
        '{"a":1}<!-- page generated in 0.2 s -->',
    ],
)
def test_pain_20_json_is_found_in_dirt(text: str) -> None:
    assert find_json(text) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "<html><body>Hello</body></html>",
        '{"a":1',
        '{"a":1}{"a":2}',
        "{'a':1}",
        '{"a":NaN}',
        '"text"',
        "1",
        "null",
        '<html><script>var a = {"SUCCESS": [1]};</script></html>',
        "Notice [8] somewhere",
        '[{"a":1}]{"a":2}',
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"a":' + "9" * 5_000 + "}",
    ],
)
def test_what_is_no_json_or_contradicts_itself_is_none(text: str) -> None:
    assert find_json(text) is None


def test_an_empty_value_is_one_when_it_is_all_there_is() -> None:
    assert find_json(" [] ") == []
    assert find_json("{}") == {}
    assert find_json("[] and more") is None


def test_numbers_are_exact() -> None:
    value = find_json('{"a":0.1,"b":61195.601,"c":1e2,"d":12}')
    assert value == {"a": Decimal("0.1"), "b": Decimal("61195.601"), "c": Decimal(100), "d": 12}
    assert not any(isinstance(number, float) for number in value.values())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"a":"\xc3\xa9"}', '{"a":"é"}'),
        (b'\xef\xbb\xbf{"a":1}', '{"a":1}'),
        (b'{"a":"\xe9"}', '{"a":"é"}'),
        (b'\xef\xbb\xbf{"a":"\xe9"}', '{"a":"é"}'),
        (gzip.compress(b'{"a":1}', mtime=0), '{"a":1}'),
        (b"\x1f\x8bnot gzip", "\x1f\x8bnot gzip"),
        (b"", ""),
    ],
)
def test_bytes_are_decoded_tolerantly(body: bytes, text: str) -> None:
    assert decode(body) == text


CLOUDFLARE = "<!DOCTYPE html><title>Just a moment...</title><script>var a={};</script>Cloudflare Ray ID"


@pytest.mark.parametrize(
    ("text", "status"),
    [(CLOUDFLARE, 200), (CLOUDFLARE, 403), ("<h1>Forbidden</h1>", 403), ("Unsupported Media Type", 415), ("no", 409)],
)
def test_a_firewall_page_is_blocked_for_reads_and_unclear_for_buys(text: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        _reply(text, status).json()
    assert refused.value.reason is RefusalReason.BLOCKED
    with pytest.raises(Unclear):
        _reply(text, status, buys=True).json()


@pytest.mark.parametrize("text", ["", "  \n", "<html>Welcome to our shop</html>", '{"SUCCESS":'])
def test_other_garbage_is_unclear(text: str) -> None:
    with pytest.raises(Unclear):
        _reply(text).json()


@settings(deadline=None)
@given(st.text(), st.integers(100, 499), st.booleans())
def test_any_text_is_json_or_one_of_our_words(text: str, status: int, buys: bool) -> None:
    words = (Unclear,) if buys else (Unclear, Refused)
    try:
        value = _reply(text, status, buys=buys).json()
    except words:
        return
    assert isinstance(value, dict | list)
