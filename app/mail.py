"""Mail by SMTP: one message to a few people, sent once or not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr

STEP_SECONDS = 10.0
"""How long each step of the conversation may take."""

_PORTS = {"none": 25, "starttls": 587, "tls": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """A server that takes mail from us; without ``username`` it is not logged in to."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str
    password: SecretStr


def mail_server(url: str) -> MailServer:
    """Return the server of ``smtp://user:password@host:587`` (STARTTLS), ``smtps://…`` or ``smtp+plain://…``.

    Raises ValueError, without the URL in it, for anything else.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Python's own words quote what stands where the port should: a password with a / or # in it.
        raise ValueError("is not a URL; a password is written percent-encoded, / as %2F and # as %23") from None
    security: Literal["starttls", "tls", "none"]
    match parts.scheme:
        case "smtp":
            security = "starttls"
        case "smtps":
            security = "tls"
        case "smtp+plain":
            security = "none"
        case _:
            raise ValueError("must start with smtp://, smtps:// or smtp+plain://")
    if not parts.hostname:
        raise ValueError("must name a host")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(parts.hostname, port or _PORTS[security], security, username, SecretStr(password))


async def send_mail(
    server: MailServer, *, sender: str, recipients: Sequence[str], subject: str, text: str, message_id: str
) -> list[str]:
    """Send a message of plain text and return those recipients that the server would not take it for.

    Raises what aiosmtplib raises, and OSError; the error may name the server, never the password.
    """
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = re.sub(r"\s+", " ", subject)[:200]
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    refused, _ = await aiosmtplib.send(
        mail,
        sender=sender,
        recipients=list(recipients),
        hostname=server.host,
        port=server.port,
        username=server.username or None,
        password=server.password.get_secret_value() if server.username else None,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        timeout=STEP_SECONDS,
    )
    return sorted(refused)
