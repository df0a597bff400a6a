"""Ways out: mail, Telegram and signed webhooks, against servers that really speak them; secrets stay inside."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.alarms.configs import EmailConfig, TelegramConfig, WebhookConfig
from app.alarms.messages import About, Message
from app.alarms.transports import NotDelivered, send, signature
from tests.fakes.alarm_sinks import BOT_TOKEN, WEBHOOK_SECRET, TelegramFake, WebhookSink
from tests.fakes.smtp import MailServer, mail_server
from tests.fakes.sockets import free_port, http_reply, listening, read_request
from tests.serving import serving

SIGNED = "9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"
"""printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef"""

MESSAGE = Message(
    id="alarm-7-1-1",
    about=About.OPENED,
    title="[warning] A supplier\r\nBcc: x@evil.example cannot be reached",
    text="Türkçe, 中文 and\n.\na dot on its own line",
    data={"alarm": {"id": 7}},
)


def mail_config(server: MailServer, **more: object) -> EmailConfig:
    return EmailConfig.model_validate(
        {
            "host": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "sender": "trunkline@shop.example",
            "recipients": ["ann@shop.example", "bob@shop.example"],
            **more,
        }
    )


async def test_a_mail_says_it_all_and_cannot_be_given_headers() -> None:
    async with mail_server() as server:
        assert await send(mail_config(server, username="us", password="s3cret"), MESSAGE) == ""
    [mail] = server.mails
    assert mail["Subject"] == "Trunkline [warning] A supplier Bcc: x@evil.example cannot be reached"
    assert mail["Bcc"] is None
    assert (mail["From"], mail["To"]) == ("trunkline@shop.example", "ann@shop.example, bob@shop.example")
    assert mail["Message-ID"] == "<alarm-7-1-1@shop.example>"
    assert mail.get_content().replace("\r\n", "\n").strip() == MESSAGE.text
    assert server.logins == [("us", "s3cret")]


async def test_a_dot_on_its_own_line_does_not_end_a_mail() -> None:
    plain = Message("b", About.OPENED, "plain", "first\n.\n..\nlast", {})
    async with mail_server() as server:
        await send(mail_config(server), plain)
    assert server.mails[0].get_content().replace("\r\n", "\n").strip() == plain.text


async def test_a_recipient_who_is_not_there_keeps_no_mail_from_the_others() -> None:
    async with mail_server() as server:
        server.unknown = frozenset({"bob@shop.example"})
        note = await send(mail_config(server), MESSAGE)
    assert (len(server.mails), note) == (1, "the mail server does not take mail for bob@shop.example")


@pytest.mark.parametrize("fault", ["refuse", "swallow"])
async def test_a_mail_that_was_not_taken_for_certain_is_not_delivered(fault: str) -> None:
    async with mail_server() as server:
        setattr(server, fault, True)
        with pytest.raises(NotDelivered):
            await send(mail_config(server), MESSAGE)


async def test_a_password_leaves_us_only_over_tls() -> None:
    config = {"host": "mail.example", "sender": "a@b.example", "recipients": ["c@d.example"]}
    with pytest.raises(ValueError, match="only over TLS"):
        EmailConfig.model_validate({**config, "security": "none", "username": "us", "password": "s3cret"})
    async with mail_server() as server:
        # It offers no STARTTLS, so we go no further.
        with pytest.raises(NotDelivered) as caught:
            await send(mail_config(server, security="starttls", username="us", password="s3cret"), MESSAGE)
    assert server.logins == []
    assert "s3cret" not in caught.value.text


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the file of the authority that a client has to trust for it."""
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
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, both = folder / "ca.pem", folder / "server.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + public.read_bytes()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, public


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_mail_server_is_believed_only_with_a_certificate_that_is_good(
    security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = certified(tmp_path)
    async with mail_server(**{security: context}) as server:
        config = mail_config(server, security=security, username="us", password="s3cret")
        with pytest.raises(NotDelivered, match=r"(?i)certificate"):
            await send(config, MESSAGE)
        assert server.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        await send(config, MESSAGE)
    assert (server.logins, len(server.mails)) == ([("us", "s3cret")], 1)


def telegram_config(url: str, **more: object) -> TelegramConfig:
    values = {"chat_id": "-100200300", "bot_token": BOT_TOKEN, "api_url": url, **more}
    return TelegramConfig.model_validate(values)


async def test_a_telegram_chat_is_written_to() -> None:
    fake = TelegramFake()
    async with serving(fake.app()) as url:
        await send(telegram_config(url), MESSAGE)
        long = Message("a", About.SUMMARY, "t" * 500, "x" * 10_000, {})
        await send(telegram_config(url), long)
    assert fake.sent[0]["text"].endswith(MESSAGE.text)
    assert "parse_mode" not in fake.sent[0], "what suppliers say is text, never markup"


async def test_telegrams_no_is_told_without_the_token_and_its_wish_for_rest_is_known() -> None:
    fake = TelegramFake()
    async with serving(fake.app()) as url:
        with pytest.raises(NotDelivered, match="chat not found"):
            await send(telegram_config(url, chat_id="@nobody"), MESSAGE)
        with pytest.raises(NotDelivered, match="HTTP 401: Unauthorized"):
            await send(telegram_config(url, bot_token="999999:wrong-token"), MESSAGE)
        fake.retry_after = 77
        with pytest.raises(NotDelivered) as caught:
            await send(telegram_config(url), MESSAGE)
    assert caught.value.retry_after == 77

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        description = f"the token {BOT_TOKEN} is bad".encode()
        writer.write(http_reply(b'{"ok": false, "description": "' + description + b'"}'))
        await writer.drain()

    async with listening(echo) as listener:
        with pytest.raises(NotDelivered) as caught:
            await send(telegram_config(f"http://127.0.0.1:{listener.port}"), MESSAGE)
    assert caught.value.text == "HTTP 200: the token *** is bad"


async def test_a_webhook_is_signed_and_its_receiver_can_tell() -> None:
    sink = WebhookSink()
    async with serving(sink.app()) as url:
        await send(WebhookConfig.model_validate({"url": f"{url}/alarms", "secret": WEBHOOK_SECRET}), MESSAGE)
        with pytest.raises(NotDelivered, match="HTTP 401"):
            await send(WebhookConfig.model_validate({"url": f"{url}/alarms", "secret": "x" * 16}), MESSAGE)
        async with httpx2.AsyncClient() as client:
            forged = await client.post(
                f"{url}/alarms",
                content=b"{}",
                headers={
                    "X-Trunkline-Timestamp": "1",
                    "X-Trunkline-Signature": f"sha256={signature(WEBHOOK_SECRET, '2', b'{}')}",
                },
            )
    assert forged.status_code == 401
    [taken] = sink.sent
    assert (taken["id"], taken["about"], taken["alarm"]) == ("alarm-7-1-1", "opened", {"id": 7})
    assert sink.forged == 2


def test_the_signature_is_the_documented_one() -> None:
    assert signature("0123456789abcdef", "1700000000", b'{"a":1}') == SIGNED


async def test_a_redirect_takes_nothing_elsewhere_and_an_endless_reply_ends() -> None:
    sink = WebhookSink()
    async with serving(sink.app()) as elsewhere:

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            location = f"Location: {elsewhere}/alarms".encode()
            writer.write(http_reply(b"", location, status=b"307 Temporary Redirect"))
            await writer.drain()

        async with listening(redirect) as listener:
            config = {"url": f"http://127.0.0.1:{listener.port}/", "secret": WEBHOOK_SECRET}
            with pytest.raises(NotDelivered, match="HTTP 307"):
                await send(WebhookConfig.model_validate(config), MESSAGE)
    assert sink.asked == 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with listening(endless) as listener:
        config = {"url": f"http://127.0.0.1:{listener.port}/", "secret": WEBHOOK_SECRET}
        await send(WebhookConfig.model_validate(config), MESSAGE)


async def test_nobody_there_is_not_delivered() -> None:
    config = {"url": f"http://127.0.0.1:{free_port()}/", "secret": WEBHOOK_SECRET}
    with pytest.raises(NotDelivered, match="ConnectError"):
        await send(WebhookConfig.model_validate(config), MESSAGE)
