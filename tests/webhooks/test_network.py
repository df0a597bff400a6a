"""One POST to a checked address: what an attacker would try against it, and receivers that misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.clock import now
from app.webhooks import network
from app.webhooks.destinations import Rules
from app.webhooks.network import EXCERPT, NotDelivered, post
from tests.webhooks.conftest import loopback

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Lend the port of a server that speaks bytes."""
    ended: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


def answers(reply: bytes, heard: list[bytes] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(head)
        writer.write(reply)
        await writer.drain()
        writer.close()

    return serve


def self_signed(host: str, folder: Path) -> Path:
    """Return a file with a key and a certificate for a host that only it vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    both = folder / "both.pem"
    plain = serialization.NoEncryption()
    both.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return both


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def send(port: int, *, host: str = "127.0.0.1", scheme: str = "http", path: str = "/hook") -> network.Answer:
    url = f"{scheme}://{host}:{port}{path}"
    return await post(url, b"{}", {"Content-Type": "application/json"}, loopback(url))


async def test_a_message_arrives_with_the_hosts_name_and_no_trace_of_us() -> None:
    heard = list[bytes]()
    async with raw(answers(OK, heard)) as port:
        answer = await send(port, path="/a%20b?c=d")
    assert (answer.status, answer.excerpt, answer.retry_after) == (200, "ok", None)
    head = heard[0].decode().lower()
    assert head.startswith("post /a%20b?c=d http/1.1\r\n")
    assert f"host: 127.0.0.1:{port}\r\n" in head
    assert "cookie" not in head
    assert "authorization" not in head


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_nothing_of_ours_is_reached(host: str) -> None:
    heard = list[bytes]()
    async with raw(answers(OK, heard)) as port:
        with pytest.raises(NotDelivered):
            await post(f"http://{host}:{port}/", b"{}", {}, Rules(ports=frozenset({port}), plain_http=True))
    assert heard == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.5", "64:ff9b::7f00:1", "100.64.0.1", "0.0.0.0"],
)
async def test_a_name_that_points_inside_is_not_connected_to(address: str) -> None:
    heard = list[bytes]()

    async def inside(host: str, port: int) -> Sequence[str]:
        return [address]

    async with raw(answers(OK, heard)) as port:
        rules = Rules(ports=frozenset({port}), plain_http=True)
        with pytest.raises(NotDelivered, match="no public address") as caught:
            await post(f"http://rebound.example:{port}/", b"{}", {}, rules, resolver=inside)
    assert heard == []
    assert address not in caught.value.text


async def test_a_name_is_resolved_once_and_connected_to_what_was_checked() -> None:
    """DNS rebinding: public for the check, private for the connection."""
    heard, asked = list[bytes](), list[str]()

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1" if len(asked) == 1 else "127.0.0.2"]

    async with raw(answers(OK, heard)) as port:
        url = f"http://rebound.example:{port}/"
        answer = await post(url, b"{}", {}, loopback(url), resolver=rebinding)
    assert answer.status == 200
    assert asked == ["rebound.example"]
    assert f"host: rebound.example:{port}" in heard[0].decode().lower()


async def test_of_several_addresses_only_the_allowed_are_tried() -> None:
    async def mixed(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1", "169.254.169.254", "127.0.0.1"]

    async with raw(answers(OK)) as port:
        url = f"http://mixed.example:{port}/"
        async with asyncio.timeout(network.CONNECT_SECONDS):
            assert (await post(url, b"{}", {}, loopback(url), resolver=mixed)).status == 200


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    reply = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"
    heard = list[bytes]()
    async with raw(answers(reply, heard)) as port:
        assert (await send(port)).status == 307
    assert len(heard) == 1


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with raw(answers(OK)) as port:
        assert (await send(port)).status == 200


async def test_an_endless_reply_is_left_and_only_its_beginning_kept() -> None:
    written = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            written += 65_536
            await writer.drain()

    async with raw(serve) as port:
        answer = await send(port)
    assert answer.status == 200
    assert answer.excerpt == "x" * EXCERPT
    assert written < 50_000_000


async def test_a_small_reply_that_unpacks_to_a_huge_one_is_not_unpacked() -> None:
    bomb = b"\x1f\x8b" + b"\x00" * 50
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    async with raw(answers(reply)) as port:
        answer = await send(port)
    assert answer.status == 200
    assert "\x00" not in answer.excerpt


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
async def test_who_drips_is_left_when_the_time_is_over(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SEND_SECONDS", 0.5)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(part)
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw(serve) as port:
        with pytest.raises(NotDelivered, match="no complete answer"):
            await send(port)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"", "not HTTP|broke"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"+PONG\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000, "not HTTP"),
    ],
)
async def test_what_is_not_http_is_told_so_without_what_it_said(reply: bytes, says: str) -> None:
    async with raw(answers(reply)) as port:
        with pytest.raises(NotDelivered, match=says) as caught:
            await send(port)
    assert "SSH" not in caught.value.text


async def test_nobody_there_and_no_such_name() -> None:
    async with raw(answers(OK)) as port:
        pass
    with pytest.raises(NotDelivered, match="did not take the connection"):
        await send(port)

    async def nothing(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    url = "http://nowhere.example/"
    with pytest.raises(NotDelivered, match="name is not known"):
        await post(url, b"{}", {}, loopback(url), resolver=nothing)


@pytest.mark.parametrize(("value", "seconds"), [("120", 120), ("soon", None), ("-5", None), ("9" * 30, None)])
async def test_how_long_a_receiver_wants_to_be_left_alone(value: str, seconds: int | None) -> None:
    reply = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode()
    async with raw(answers(reply)) as port:
        answer = await send(port)
    assert (answer.status, answer.retry_after) == (429, seconds)


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed("shop.example", tmp_path))
    names = list[str | None]()
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    heard = list[bytes]()

    async def here(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with raw(answers(OK, heard), context) as port:
        url = f"https://shop.example:{port}/"
        with pytest.raises(NotDelivered, match="certificate"):
            await post(url, b"{}", {}, loopback(url), resolver=here)
    assert heard == []
    assert names == ["shop.example"], "TLS speaks of the name although an address was connected to"
