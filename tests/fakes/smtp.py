"""A mail server on loopback that keeps what it is given: enough of SMTP for one client, with faults on demand."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.fakes.sockets import listening


@dataclass
class MailServer:
    """A running server; ``mails`` are those it said 250 to, ``logins`` those who logged in."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    refuse: bool = False
    """Answer 451 to every mail."""
    unknown: frozenset[str] = frozenset()
    """Recipients that do not exist here."""
    swallow: bool = False
    """Take mails, but hang up before saying so."""
    starttls: ssl.SSLContext | None = None
    """If set, logging in and mail are taken only after STARTTLS."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak SMTP until the client leaves."""

        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 mail.test ESMTP")
        safe = self.starttls is None
        while line := (await reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            match word.upper():
                case "EHLO":
                    await say(f"250-mail.test\r\n250 {'AUTH PLAIN' if safe else 'STARTTLS'}")
                case "STARTTLS" if self.starttls is not None:
                    await say("220 go on")
                    await writer.start_tls(self.starttls)
                    safe = True
                case "AUTH" | "MAIL" if not safe:
                    await say("530 STARTTLS first")
                case "AUTH":
                    _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                    self.logins.append((user, password))
                    await say("235 welcome")
                case "RCPT" if any(f"<{unknown}>" in rest for unknown in self.unknown):
                    await say("550 no such user")
                case "MAIL" | "RCPT" | "RSET":
                    await say("250 fine")
                case "DATA" if self.refuse:
                    await say("451 not today")
                case "DATA":
                    await say("354 go on")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    lines = content[: -len(b".\r\n")].replace(b"\r\n..", b"\r\n.")
                    self.mails.append(message_from_bytes(lines, policy=policy.default))
                    if self.swallow:
                        return
                    await say("250 taken")
                case "QUIT":
                    await say("221 bye")
                    return
                case _:
                    await say("502 what")


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> AsyncIterator[MailServer]:
    """Lend a mail server that listens on loopback, in TLS from the first byte with ``tls``."""
    server = MailServer(starttls=starttls)
    async with listening(server.talk, tls) as listener:
        server.port = listener.port
        yield server
