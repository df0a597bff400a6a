"""Where a client is, and whose neighbours it has."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any


def client_ip(scope: Mapping[str, Any]) -> str | None:
    """Return the address of the client of an ASGI request in its one spelling, None where there is none.

    The server has put what a trusted proxy says in its place already; no other header may say where a client is.
    """
    client = scope.get("client")
    return _canonical(client[0]) if client else None


def network_of(text: str) -> str:
    """Return what an address is counted under: itself, and for IPv6 its network, as one machine has many of them."""
    address = _canonical(text)
    if address is None or ":" not in address:
        return address or text
    return str(ipaddress.ip_network(f"{address}/64", strict=False))


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    try:
        # The interface behind a link-local address is ours, and no part of where the client is.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
