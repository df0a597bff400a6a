"""Where a message may go: the form of the address a customer gives, and the network addresses behind its name.

A customer chooses the URL, and our machines may stand where they reach more than the customer should. So the form is
checked when it is given, and what counts, the network address, when a connection is made (``network.py``): a name may
point elsewhere by then.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from app.errors import Invalid

MAX_URL = 2_000

# As names are sent to a resolver, whatever their letters were: a blank or a % is not among those of any name.
_HOST = re.compile(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.IGNORECASE)
_MAX_HOST = 254

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Written out, because what a Python release calls global changes: the special-purpose registries of IANA.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and metadata of one cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the host of a virtual machine in another cloud, although the address looks public
        "169.254.0.0/16",  # link-local, and metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Everything outside is loopback, link-local, private, multicast, mapped or NAT64, or not assigned yet.
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator lets be reached: ``networks`` beside public addresses, ``ports``, http:// if ``plain_http``."""

    networks: Sequence[_Network] = ()
    ports: frozenset[int] = frozenset({443, 80, 8443, 8080})
    plain_http: bool = False

    @classmethod
    def of(cls, networks: Sequence[str], ports: Sequence[int], *, plain_http: bool) -> "Rules":
        """Return rules from settings, whose networks are in CIDR form."""
        return cls(tuple(ipaddress.ip_network(text) for text in networks), frozenset(ports), plain_http)

    def may_reach(self, text: str) -> bool:
        """Say whether a message may be sent to this network address; anything that is none may not."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self.networks) or _is_public(address)

    def check(self, url: str) -> httpx2.URL:
        """Return the parsed URL if it has a form that may be sent to; Invalid, with the field ``url``, otherwise."""
        url = url.strip()
        if not url or len(url) > MAX_URL:
            raise Invalid(f"A URL has 1 to {MAX_URL} characters.", field="url")
        try:
            parsed = httpx2.URL(url)
            host = parsed.raw_host.decode("ascii")
            port = {"https": 443, "http": 80}.get(parsed.scheme, 0) if parsed.port is None else parsed.port
        except (httpx2.InvalidURL, ValueError) as error:
            raise Invalid("That is not a URL.", field="url") from error
        schemes = ("https", "http") if self.plain_http else ("https",)
        if parsed.scheme not in schemes or not host:
            raise Invalid(f"A URL begins with {' or '.join(f'{s}://' for s in schemes)} and a host.", field="url")
        if ":" not in host and (len(host) > _MAX_HOST or not _HOST.fullmatch(host)):
            raise Invalid("The host of this URL is not a name that can exist.", field="url")
        if parsed.userinfo:
            raise Invalid("A URL holds no user name or password.", field="url")
        if parsed.fragment:
            raise Invalid("A URL for messages has no part behind a #.", field="url")
        if len(str(parsed)) > MAX_URL:
            # Other letters than those of English are longer in what is kept, which is checked again when it is sent to.
            raise Invalid(f"With its letters encoded this URL has more than {MAX_URL} characters.", field="url")
        if port not in self.ports:
            ports = ", ".join(str(number) for number in sorted(self.ports))
            raise Invalid(f"The port is one of {ports}.", field="url")
        if _looks_like_an_address(host) and not self.may_reach(host):
            raise Invalid("Messages are sent to public addresses only.", field="url")
        return parsed


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None:
        return False
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def _looks_like_an_address(host: str) -> bool:
    # 2130706433, 0x7f.1 and 017700000001 are addresses to a resolver. No name of the Internet ends in such a label.
    last = host.rstrip(".").rpartition(".")[2]
    return ":" in host or last.isdigit() or last.lower().startswith("0x")
