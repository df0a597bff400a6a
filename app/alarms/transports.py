"""How a message leaves: by SMTP, through a Telegram bot, as a signed webhook. Each call sends once or says why not.

A webhook is a POST of JSON with these headers; the receiver computes the signature anew over the timestamp, a full stop
and the body as it came, compares in constant time, and turns down timestamps that are minutes old:

=======================  ======================================================================
X-Trunkline-Timestamp    seconds since 1970, when it was sent
X-Trunkline-Signature    ``sha256=`` and HMAC-SHA256(secret, timestamp + "." + body) in hexadecimal
X-Trunkline-Message      the message's id, the same if it has to be sent again
=======================  ======================================================================
"""

import asyncio
import hashlib
import hmac
import re
import time

import aiosmtplib
import httpx2
import orjson
from pydantic import SecretStr

from app.alarms.configs import ChannelConfig, EmailConfig, TelegramConfig, WebhookConfig
from app.alarms.messages import Message
from app.mail import MailServer, send_mail

SEND_SECONDS = 20.0
"""No call here lasts longer."""
MAX_ERROR = 300

_STEP_SECONDS = 10.0
_MAX_REPLY = 64 * 1024
_TELEGRAM_CHARACTERS = 4000
_TITLE_CHARACTERS = 200


class NotDelivered(Exception):  # noqa: N818  the word of this package, as in the connectors
    """A message was not taken, or nobody knows; ``text`` says why without a secret.

    ``retry_after`` is how many seconds the receiver wants to be left alone, if it said so.
    """

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.retry_after = retry_after


async def send(config: ChannelConfig, message: Message) -> str:
    """Send ``message`` over a channel and return what staff should know of it, mostly nothing.

    Raises NotDelivered, and nothing else, unless the receiver took it.
    """
    secrets = [value.get_secret_value() for value in _secrets(config)]
    try:
        async with asyncio.timeout(SEND_SECONDS):
            match config:
                case EmailConfig():
                    return _safe(await _send_email(config, message), secrets)
                case TelegramConfig():
                    await _send_telegram(config, message)
                case WebhookConfig():
                    await _send_webhook(config, message)
        return ""
    except NotDelivered as error:
        raise NotDelivered(_safe(error.text, secrets), retry_after=error.retry_after) from None
    except TimeoutError:
        raise NotDelivered("no answer in time") from None
    except (aiosmtplib.SMTPException, httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise NotDelivered(_safe(f"{type(error).__name__}: {error}", secrets)) from None


async def _send_email(config: EmailConfig, message: Message) -> str:
    server = MailServer(config.host, config.port, config.security, config.username, config.password)
    refused = await send_mail(
        server,
        sender=config.sender,
        recipients=config.recipients,
        subject=f"Trunkline {message.title}",
        text=message.text,
        message_id=message.id,
    )
    # The others have it, and a second try would give it to them again.
    return f"the mail server does not take mail for {', '.join(refused)}" if refused else ""


async def _send_telegram(config: TelegramConfig, message: Message) -> None:
    body = {
        "chat_id": config.chat_id,
        "text": f"{_line(message.title)}\n\n{message.text}"[:_TELEGRAM_CHARACTERS],
        "link_preview_options": {"is_disabled": True},
    }
    url = f"{config.api_url.rstrip('/')}/bot{config.bot_token.get_secret_value()}/sendMessage"
    status, reply = await _post(url, orjson.dumps(body), {})
    try:
        answer = orjson.loads(reply)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NotDelivered(f"HTTP {status}, and the reply is not the Bot API's")
    if answer.get("ok") is not True:
        parameters = answer.get("parameters")
        seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
        wait = float(seconds) if isinstance(seconds, int) and seconds > 0 else None
        raise NotDelivered(f"HTTP {status}: {answer.get('description', 'not ok')}", retry_after=wait)


async def _send_webhook(config: WebhookConfig, message: Message) -> None:
    body = orjson.dumps(
        {"id": message.id, "about": message.about, "title": message.title, "text": message.text, **message.data}
    )
    timestamp = str(int(time.time()))
    headers = {
        "X-Trunkline-Timestamp": timestamp,
        "X-Trunkline-Signature": f"sha256={signature(config.secret.get_secret_value(), timestamp, body)}",
        "X-Trunkline-Message": message.id,
    }
    status, _ = await _post(config.url, body, headers)
    if not 200 <= status < 300:
        raise NotDelivered(f"HTTP {status}")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a webhook in hexadecimal."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


async def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    # A redirect is an answer like any other: what is signed for one address is not sent to another.
    async with (
        httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=_STEP_SECONDS) as client,
        client.stream("POST", url, content=body, headers={"Content-Type": "application/json", **headers}) as response,
    ):
        reply = bytearray()
        async for chunk in response.aiter_bytes():
            reply += chunk
            if len(reply) > _MAX_REPLY:
                break
        return response.status_code, bytes(reply)


def _secrets(config: ChannelConfig) -> list[SecretStr]:
    values = [getattr(config, name) for name in type(config).model_fields]
    return [value for value in values if isinstance(value, SecretStr)]


def _safe(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return " ".join(text.replace("\x00", "").encode("utf-8", "replace").decode().split())[:MAX_ERROR]


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:_TITLE_CHARACTERS]
