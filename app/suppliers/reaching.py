"""The way to a supplier's host, walked step by step: name, connection, TLS."""

import asyncio
import socket
from urllib.parse import urlsplit

import httpx2

STEP_SECONDS = 10.0


async def connect_to(base_url: str) -> asyncio.StreamWriter:
    """Open a connection as a request would, TLS included; the first error that says something is raised."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    tls = httpx2.create_ssl_context() if parts.scheme == "https" else None
    async with asyncio.timeout(STEP_SECONDS):
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    trouble: OSError | None = None
    for *_, address in found:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                name = parts.hostname if tls else None
                _reader, writer = await asyncio.open_connection(str(address[0]), port, ssl=tls, server_hostname=name)
        except OSError as error:  # a time-out among them
            trouble = error
        else:
            return writer
    raise trouble or OSError("no address")


async def local_address(base_url: str) -> str:
    """Return the address from which we go there, empty if that cannot be told or says nothing outside our network."""
    try:
        writer = await connect_to(base_url)
    except (OSError, ValueError):
        return ""
    address = str(writer.get_extra_info("sockname")[0])
    writer.close()
    return address
