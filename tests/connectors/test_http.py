"""How each way to fail on the wire ends: whether a request can have arrived decides about money."""

import asyncio
import datetime as dt
import gzip
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.connectors.errors import ConnectorError, NotSent, Unclear
from app.connectors.http import USER_AGENT, SupplierHttp
from tests.fakes.sockets import Behaviour, free_port, full_backlog, http_reply, listening, read_request, reset


@pytest.fixture
async def http() -> AsyncIterator[SupplierHttp]:
    """One that waits: however busy the machine is, no call ends because time was over."""
    client = SupplierHttp(connect_seconds=30, read_seconds=30, max_body=100_000)
    yield client
    await client.aclose()


@pytest.fixture
async def hasty() -> AsyncIterator[SupplierHttp]:
    """One that does not, for servers with which no connection comes about."""
    client = SupplierHttp(connect_seconds=0.3, read_seconds=0.3)
    yield client
    await client.aclose()


async def _ending(http: SupplierHttp, url: str, *, buys: bool = True) -> type[ConnectorError] | int:
    try:
        reply = await http.send("POST", url, buys=buys, form={"action": "placeimeiorder"})
    except ConnectorError as error:
        return type(error)
    return reply.status


# --- What never left us -------------------------------------------------------------------------------------------


async def test_a_closed_port_is_not_sent(http: SupplierHttp) -> None:
    assert await _ending(http, f"http://127.0.0.1:{free_port()}/") is NotSent


async def test_a_name_that_does_not_resolve_is_not_sent(http: SupplierHttp) -> None:
    assert await _ending(http, "http://no-such-supplier.invalid/") is NotSent


async def test_a_connect_time_out_is_not_sent(hasty: SupplierHttp) -> None:
    with full_backlog() as port:
        assert await _ending(hasty, f"http://127.0.0.1:{port}/") is NotSent


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http:///api/index.php", "http://[::1/", "http://a b/"])
async def test_an_address_that_is_none_is_not_sent(http: SupplierHttp, url: str) -> None:
    assert await _ending(http, url) is NotSent


async def test_no_free_connection_in_time_is_not_sent() -> None:
    taken = asyncio.Event()

    async def hang(reader: StreamReader, _: StreamWriter) -> None:
        await read_request(reader)
        taken.set()
        await asyncio.sleep(60)

    http = SupplierHttp(connect_seconds=1, read_seconds=60, max_connections=1)
    async with listening(hang) as server:
        first = asyncio.create_task(_ending(http, server.url))
        async with asyncio.timeout(30):
            await taken.wait()
        assert await _ending(http, server.url) is NotSent
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert server.connections == 1
    await http.aclose()


async def _answer_plain(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(1)
    writer.write(http_reply(b"{}"))
    await writer.drain()


async def _hang(reader: StreamReader, _: StreamWriter) -> None:
    await reader.read(1)
    await asyncio.sleep(60)


async def _close(reader: StreamReader, _: StreamWriter) -> None:
    await reader.read(1)


async def _reset(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(1)
    reset(writer)


async def _reset_at_once(_: StreamReader, writer: StreamWriter) -> None:
    reset(writer)


@pytest.mark.parametrize("behaviour", [_answer_plain, _hang, _close, _reset, _reset_at_once])
async def test_a_failed_tls_handshake_is_not_sent(hasty: SupplierHttp, behaviour: Behaviour) -> None:
    async with listening(behaviour) as server:
        assert await _ending(hasty, server.url.replace("http://", "https://")) is NotSent


async def test_an_untrusted_certificate_is_not_sent(http: SupplierHttp, tmp_path: Path) -> None:
    seen = []

    async def serve(reader: StreamReader, _: StreamWriter) -> None:
        seen.append(await reader.read(1))

    async with listening(serve, _self_signed(tmp_path)) as server:
        assert await _ending(http, server.url.replace("http://", "https://")) is NotSent
    assert not any(seen)


# --- What may have arrived ----------------------------------------------------------------------------------------


async def _read_then_hang(reader: StreamReader, _: StreamWriter) -> None:
    await read_request(reader)
    await asyncio.sleep(60)


async def _read_then_close(reader: StreamReader, _: StreamWriter) -> None:
    await read_request(reader)


async def _read_then_reset(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    reset(writer)


async def _speak_garbage(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def _cut_the_body(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(http_reply(b'{"SUCCESS":[{"REFERENCEID":"1"}]}')[:-10])


async def _cut_the_chunks(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{"SUCCESS":[{"REFE')


async def _reset_in_the_body(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(http_reply(b"x" * 5000)[:-1000])
    await writer.drain()
    reset(writer)


async def _hang_in_the_body(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(http_reply(b"{}" * 100)[:-10])
    await asyncio.sleep(60)


async def _drip(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _talk_too_long(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(http_reply(b"[" + b" " * 200_000 + b"]"))
    await writer.drain()


async def _send_a_bomb(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(http_reply(gzip.compress(b" " * 50_000_000), b"Content-Encoding: gzip"))
    await writer.drain()


async def _lie_about_gzip(reader: StreamReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(http_reply(b'{"SUCCESS":1}', b"Content-Encoding: gzip"))
    await writer.drain()


@pytest.mark.parametrize(
    "behaviour",
    [
        _close,
        _reset,
        _reset_at_once,
        _read_then_close,
        _read_then_reset,
        _speak_garbage,
        _cut_the_body,
        _cut_the_chunks,
        _reset_in_the_body,
        _talk_too_long,
        _send_a_bomb,
        _lie_about_gzip,
    ],
)
@pytest.mark.parametrize("buys", [True, False])
async def test_once_connected_a_failure_is_unclear(http: SupplierHttp, behaviour: Behaviour, *, buys: bool) -> None:
    async with listening(behaviour) as server:
        assert await _ending(http, server.url, buys=buys) is Unclear
    assert server.connections == 1, "nothing was sent again"


@pytest.mark.parametrize(
    ("behaviour", "connect_seconds"),
    # All of a call may take three times the connect time-out and twice the other; one that drips uses that up.
    [(_read_then_hang, 30), (_hang_in_the_body, 30), (_drip, 1)],
)
@pytest.mark.parametrize("buys", [True, False])
async def test_no_reply_in_time_is_unclear(behaviour: Behaviour, connect_seconds: float, *, buys: bool) -> None:
    http = SupplierHttp(connect_seconds=connect_seconds, read_seconds=0.3)
    async with listening(behaviour) as server:
        assert await _ending(http, server.url, buys=buys) is Unclear
    assert server.connections == 1, "nothing was sent again"
    await http.aclose()


@pytest.mark.parametrize("status", [b"500 Oops", b"502 Bad Gateway", b"503 Down", b"520 Cloudflare"])
async def test_a_server_error_is_unclear_whatever_it_says(http: SupplierHttp, status: bytes) -> None:
    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(http_reply(b'{"ERROR":[{"MESSAGE":"Not enough credits"}]}', status=status))
        await writer.drain()

    async with listening(serve) as server:
        assert await _ending(http, server.url) is Unclear


# --- Connections --------------------------------------------------------------------------------------------------


async def _serve_kept_alive(reader: StreamReader, writer: StreamWriter) -> None:
    while True:
        await read_request(reader)
        writer.write(http_reply(b"{}"))
        await writer.drain()


async def test_buying_takes_a_fresh_connection_and_reading_reuses_one(http: SupplierHttp) -> None:
    async with listening(_serve_kept_alive) as server:
        for _ in range(3):
            assert await _ending(http, server.url, buys=True) == 200
        assert server.connections == 3
        for _ in range(3):
            assert await _ending(http, server.url, buys=False) == 200
        assert server.connections == 4
        assert await _ending(http, server.url, buys=True) == 200
        assert server.connections == 5, "not even the connection that reading keeps is used to buy"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    http = SupplierHttp()
    async with listening(_serve_kept_alive) as server:
        assert await _ending(http, server.url) == 200
    await http.aclose()


# --- Requests and replies, without a network ------------------------------------------------------------------------


async def test_requests_carry_our_name_and_no_cookie() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, headers={"Set-Cookie": "PHPSESSID=1; Path=/"}, text="{}")

    http = SupplierHttp(transport=httpx2.MockTransport(answer))
    for _ in range(2):
        await http.send("POST", "http://supplier.test/", buys=False, form={"a": "b"})
    assert [request.headers["user-agent"] for request in seen] == [USER_AGENT] * 2
    assert not any("cookie" in request.headers for request in seen)


async def test_bodies_are_sent_as_form_multipart_json_or_bytes() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, text="{}")

    http = SupplierHttp(transport=httpx2.MockTransport(answer))
    url = "http://supplier.test/"
    await http.send("POST", url, buys=False, form={"a": "1 &ü"})
    await http.send("POST", url, buys=False, multipart={"a": "1", "file": ("x.bin", b"\0\1")})
    await http.send("POST", url, buys=False, json={"a": 1})
    await http.send("PUT", url, buys=False, content=b"raw", headers={"Content-Type": "text/plain"})
    assert seen[0].content == b"a=1+%26%C3%BC"
    assert seen[1].headers["content-type"].startswith("multipart/form-data")
    assert b'name="a"\r\n\r\n1\r\n' in seen[1].content
    assert b'name="file"; filename="x.bin"' in seen[1].content
    assert (seen[2].headers["content-type"], seen[2].content) == ("application/json", b'{"a":1}')
    assert (seen[3].method, seen[3].headers["content-type"], seen[3].content) == ("PUT", "text/plain", b"raw")


@pytest.mark.parametrize("status", [307, 308])
async def test_a_post_is_repeated_on_the_same_host_when_told_so(status: int) -> None:
    seen: list[tuple[str, str, bytes]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.method, str(request.url), request.content))
        if len(seen) == 1:
            return httpx2.Response(status, headers={"Location": "https://supplier.test/api/"})
        return httpx2.Response(200, text="{}")

    http = SupplierHttp(transport=httpx2.MockTransport(answer))
    reply = await http.send("POST", "http://supplier.test/api", buys=True, form={"a": "1"})
    assert reply.url == "https://supplier.test/api/"
    assert seen == [
        ("POST", "http://supplier.test/api", b"a=1"),
        ("POST", "https://supplier.test/api/", b"a=1"),
    ]


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (301, "https://supplier.test/api/"),
        (302, "/login"),
        (303, "/done"),
        (307, "https://elsewhere.test/api"),
        (308, "http://supplier.test/api"),  # from https back to http
        (307, ""),
        (304, ""),
        (308, "http://[broken"),
    ],
)
async def test_a_post_is_never_redirected_otherwise(status: int, location: str) -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.method)
        return httpx2.Response(status, headers={"Location": location} if location else {})

    http = SupplierHttp(transport=httpx2.MockTransport(answer))
    assert await _ending(http, "https://supplier.test/api") is Unclear
    assert seen == ["POST"]


async def test_redirects_in_circles_end() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(307, headers={"Location": str(request.url)})

    assert await _ending(SupplierHttp(transport=httpx2.MockTransport(answer)), "http://supplier.test/") is Unclear


async def test_a_get_follows_its_host() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/old":
            return httpx2.Response(301, headers={"Location": "/new?x=1"})
        return httpx2.Response(200, text="{}")

    http = SupplierHttp(transport=httpx2.MockTransport(answer))
    reply = await http.send("GET", "http://supplier.test/old", buys=False)
    assert reply.url == "http://supplier.test/new?x=1"


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


# --- What a supplier's document asks for --------------------------------------------------------------------------


async def test_a_5xx_that_the_document_explains_is_returned_and_no_other() -> None:
    http = SupplierHttp(transport=httpx2.MockTransport(lambda request: httpx2.Response(int(request.url.path[1:]))))
    assert (await http.send("POST", "http://s.test/502", buys=True, answers={502})).status == 502
    with pytest.raises(Unclear):
        await http.send("POST", "http://s.test/503", buys=True, answers={502})


async def test_a_file_comes_byte_for_byte() -> None:
    file = b"\xef\xbb\xbf\x1f\x8b" + bytes(range(256))
    http = SupplierHttp(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=file)))
    assert (await http.send("GET", "http://s.test/file", buys=False)).content == file
