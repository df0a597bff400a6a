"""Transcripts hold what was said and never a secret, in whatever shape it went over the wire."""

import asyncio
import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, quote_plus

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.connectors._redact import MASK, Redactor
from app.connectors.errors import NotSent, Unclear
from app.connectors.http import SupplierHttp

SECRET = 's3cr3t/Kéy+with "marks" & <tags>'


def _echo(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=request.content)


async def test_an_exchange_tells_all_but_the_secret() -> None:
    http = SupplierHttp(secrets=[SECRET], transport=httpx2.MockTransport(_echo))
    with http.recording() as exchanges:
        await http.send("POST", "http://supplier.test/?k=1", buys=True, form={"action": "x", "key": SECRET})
    (exchange,) = exchanges
    assert (exchange.method, exchange.url, exchange.status) == ("POST", "http://supplier.test/?k=1", 200)
    assert exchange.request == exchange.reply == f"action=x&key={MASK}"
    assert exchange.error == ""
    assert exchange.milliseconds >= 0
    assert exchange.at.tzinfo is not None


async def test_a_failure_is_recorded_too() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"cannot reach {SECRET}")

    http = SupplierHttp(secrets=[SECRET], transport=httpx2.MockTransport(refuse))
    with http.recording() as exchanges, pytest.raises(NotSent) as caught:
        await http.send("POST", f"http://supplier.test/{quote(SECRET, safe='')}", buys=True)
    assert caught.value.text == exchanges[0].error == f"ConnectError: cannot reach {MASK}"
    assert exchanges[0].status is None
    assert exchanges[0].url == f"http://supplier.test/{MASK}"
    assert caught.value.__cause__ is None, "the cause would carry the secret into logs"


async def test_a_cancelled_send_is_recorded() -> None:
    started = asyncio.Event()

    async def hang(request: httpx2.Request) -> httpx2.Response:
        started.set()
        await asyncio.sleep(60)
        return httpx2.Response(200)

    http = SupplierHttp(transport=httpx2.MockTransport(hang))
    with http.recording() as exchanges:
        task = asyncio.create_task(http.send("POST", "http://supplier.test/", buys=True))
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [exchange.error for exchange in exchanges] == ["broken off"]


async def test_tasks_at_the_same_time_do_not_mix() -> None:
    http = SupplierHttp(transport=httpx2.MockTransport(_echo))

    async def one(name: str) -> list[str]:
        with http.recording() as exchanges:
            for _ in range(3):
                await http.send("POST", "http://supplier.test/", buys=False, content=name.encode())
                await asyncio.sleep(0)
        return [exchange.request for exchange in exchanges]

    assert await asyncio.gather(*(one(name) for name in "abc")) == [["a"] * 3, ["b"] * 3, ["c"] * 3]


async def test_nothing_is_recorded_outside_or_by_another() -> None:
    http = SupplierHttp(transport=httpx2.MockTransport(_echo))
    other = SupplierHttp(transport=httpx2.MockTransport(_echo))
    with http.recording() as exchanges:
        await other.send("POST", "http://supplier.test/", buys=False)
    await http.send("POST", "http://supplier.test/", buys=False)
    assert exchanges == []


async def test_long_texts_are_cut() -> None:
    http = SupplierHttp(transport=httpx2.MockTransport(_echo))
    with http.recording() as exchanges:
        await http.send("POST", "http://supplier.test/", buys=False, content=b"x" * 50_000)
    assert len(exchanges[0].request) <= 4_001
    assert len(exchanges[0].reply) <= 4_001


async def test_a_redirect_does_not_tell_the_secret() -> None:
    def redirect(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(302, headers={"Location": f"/{quote(SECRET, safe='')}?key={quote(SECRET)}"})

    http = SupplierHttp(secrets=[SECRET], transport=httpx2.MockTransport(redirect))
    with pytest.raises(Unclear) as caught:
        await http.send("POST", "http://supplier.test/", buys=True)
    assert "s3cr3t" not in caught.value.text


async def test_a_private_exchange_keeps_no_body_and_what_was_learned_is_hidden() -> None:
    http = SupplierHttp(
        secrets=["the password"], transport=httpx2.MockTransport(lambda _: httpx2.Response(200, text="1|the token"))
    )
    with http.recording() as exchanges:
        await http.send("POST", "http://s.test/", buys=False, content=b"a@b.test the password", private=True)
        http.hide("1|the token")
        await http.send("POST", "http://s.test/", buys=False, content=b"the password")
    assert [(one.request, one.reply) for one in exchanges] == [("***", "***")] * 2
    assert exchanges[0].status == 200


_FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "query": quote_plus,
    "path": lambda secret: quote(secret, safe=""),
    "lower-case escapes": lambda secret: re.sub("%..", lambda match: match[0].lower(), quote(secret, safe="")),
    "json": lambda secret: json.dumps({"key": secret}),
    "json as utf-8": lambda secret: json.dumps({"key": secret}, ensure_ascii=False),
    "json by PHP": lambda secret: json.dumps({"key": secret}).replace("/", "\\/"),
    "xml": lambda secret: f"<KEY>{html.escape(secret, quote=False)}</KEY>",
    "html": lambda secret: f'<input value="{html.escape(secret)}">',
    "base64 of user and secret": lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 of json": lambda secret: base64.b64encode(json.dumps({"a": 1, "key": secret, "z": 2}).encode()).decode(),
    "base64 in a form": lambda secret: quote_plus(base64.b64encode(f"..{secret}..".encode()).decode()),
}


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("secret", [SECRET, "ABC-DEF-GHI-JKL", "tiny", "a" * 200])
def test_every_form_of_a_secret_is_replaced(form: str, secret: str) -> None:
    text = f"before {_FORMS[form](secret)} behind"
    redacted = Redactor([secret])(text)
    # Four characters leave too little in a longer base64 text to be told from chance.
    assert MASK in redacted or (secret == "tiny" and form.startswith("base"))
    assert secret not in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" behind")


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=200), st.text(max_size=200), st.integers(0, 60))
def test_no_cut_leaves_a_part_of_a_secret(secret: str, before: str, behind: str, limit: int) -> None:
    text = f"{before}{secret}{behind}"
    cut = Redactor([secret])(text, limit)
    assert len(cut) <= limit + 1
    assert secret not in cut.replace(MASK, "\0").removesuffix("…") or secret in MASK


def test_a_secret_at_the_cut_is_not_left_in_part() -> None:
    secret = "0123456789abcdef"
    for before in range(60):
        cut = Redactor([secret])("x" * before + secret + "y" * 100, 30)
        assert "0123" not in cut.replace(MASK, "")
    # Many secrets shrink under their masks and pull the cut's edge forward.
    for repeated in range(1, 40):
        assert "0123" not in Redactor([secret])(secret * repeated, 30)


def test_without_secrets_nothing_changes() -> None:
    assert Redactor([])("text") == "text"
    assert Redactor([""])("text") == "text"


def test_a_nul_is_replaced_because_no_database_takes_it() -> None:
    assert Redactor([])("a\0b") == "a\ufffdb"


async def test_a_supplier_that_quotes_our_key_is_read_without_it_but_a_short_secret_stays_in_results() -> None:
    key, pin = "A-KEY-OF-OURS-0001", "35655"

    def quoting(request: httpx2.Request) -> httpx2.Response:
        sent = parse_qs(request.content.decode())["key"][0]
        return httpx2.Response(200, json={"ERROR": [{"MESSAGE": f"{sent} may not buy 356557847079356"}]})

    http = SupplierHttp(secrets=[key, pin], transport=httpx2.MockTransport(quoting))
    reply = await http.send("POST", "http://supplier.test/", buys=True, form={"key": key})
    assert reply.json() == {"ERROR": [{"MESSAGE": "*** may not buy 356557847079356"}]}
    assert key.encode() not in reply.content
