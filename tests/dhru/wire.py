"""Golden wire files: what a client sends to the last byte, and what it must get back.

A file of ``wire/`` tells one client behaviour. Its lines::

    # what the client does, and who does it
    given <device> <state> <text>      an order that exists before (state as in our tables), ids count from 1
    >>>                                the request: line, headers, blank line, body
    <<<                                the reply's body, byte for byte

``>>>`` and ``<<<`` may come several times. Host, Content-Length and Connection are added; line ends of the head, and of
a multipart body, are CRLF on the wire. The services are those of ``make_shop`` (1: IMEI check, 2: Activation, which
wants an ``Email``), the reseller is ``reseller``, the key is ``KEY``.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).with_name("wire")
KEY = "tk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"


@dataclass
class Story:
    """One file: the orders that exist, and the exchanges."""

    given: list[tuple[str, str, str]] = field(default_factory=list)
    exchanges: list[tuple[bytes, bytes]] = field(default_factory=list)


def read_story(path: Path) -> Story:
    """Return the story of a golden file."""
    head, *blocks = path.read_text().split("\n>>>\n")
    story = Story()
    for line in head.splitlines():
        if line.startswith("given "):
            _, device, state, *text = line.split(" ", 3)
            story.given.append((device, state, text[0] if text else ""))
    for block in blocks:
        request, _, reply = block.partition("\n<<<\n")
        story.exchanges.append((request_bytes(request), reply.rstrip("\n").encode()))
    return story


def request_bytes(text: str) -> bytes:
    """Return a request as it goes over the wire."""
    head, _, body = text.partition("\n\n")
    if "multipart/form-data" in head:
        body = body.replace("\n", "\r\n") + "\r\n"
    content = body.encode()
    lines = [*head.split("\n"), "Host: panel.example", f"Content-Length: {len(content)}", "Connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


async def exchange(url: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes and return status, headers and body of the reply."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        await writer.drain()
        raw = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return int(first.split(" ")[1]), headers, body
