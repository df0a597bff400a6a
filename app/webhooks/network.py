"""How a message leaves: one POST to an address that was checked in the moment of connecting, and nothing more.

The name is resolved here, each address is held against the rules, and the connection is made to that very address; TLS
and the Host header still speak of the name. So a name that points elsewhere after its check gains nothing. Redirects
are answers like any other, proxies of the environment are not used, cookies are not kept, connections are not used
twice, and what is compressed stays so: a reply is only ever a status and a short excerpt.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import httpcore2
import httpx2

from app.errors import Invalid
from app.webhooks.destinations import Rules

SEND_SECONDS = 15.0
"""No call here lasts longer, however slowly the other side talks."""
CONNECT_SECONDS = 5.0
MAX_REPLY = 16 * 1024
EXCERPT = 500
MAX_ERROR = 300

# Threads of their own: names that resolve slowly on purpose must not keep those of suppliers waiting.
_resolvers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="webhook-names")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: its HTTP status, an excerpt of the body, and how long it wants to be left alone."""

    status: int
    excerpt: str
    retry_after: int | None


class NotDelivered(Exception):  # noqa: N818  the word of the alarms' deliveries
    """No answer came; ``text`` says why, in words that the customer may read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text[:MAX_ERROR]


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the network addresses of a host as the system's resolver has them now."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that the rules allow, and to no other."""

    def __init__(self, rules: Rules, resolver: Resolve = resolve) -> None:
        self._rules = rules
        self._resolve = resolver
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the signature of the base class
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first allowed address of ``host`` that answers."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotDelivered("the host's name is not known") from error
        allowed = [address for address in addresses if self._rules.may_reach(address)]
        if not allowed:
            # Which address it was is not told: the answer would map our network for whoever asks.
            raise NotDelivered("the host has no public address")
        failure: Exception = NotDelivered("the host has no public address")
        for address in allowed:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


async def post(
    url: str, body: bytes, headers: Mapping[str, str], rules: Rules, *, resolver: Resolve = resolve
) -> Answer:
    """Send one POST and return what the receiver said, whatever its status. Raises NotDelivered and nothing else."""
    try:
        target = rules.check(url)
    except Invalid as error:
        raise NotDelivered(error.message) from None
    try:
        async with asyncio.timeout(SEND_SECONDS):
            return await _post(target, body, headers, Guard(rules, resolver))
    except TimeoutError:
        raise NotDelivered(f"no complete answer within {SEND_SECONDS:.0f} seconds") from None
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        raise NotDelivered(_said(error)) from None


async def _post(target: httpx2.URL, body: bytes, headers: Mapping[str, str], guard: Guard) -> Answer:
    where = httpcore2.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path or b"/"
    )
    sent = {"Host": target.netloc.decode("ascii"), "Content-Length": str(len(body)), "Connection": "close", **headers}
    limits = {"connect": CONNECT_SECONDS, "read": SEND_SECONDS, "write": SEND_SECONDS, "pool": CONNECT_SECONDS}
    async with (
        httpcore2.AsyncConnectionPool(ssl_context=_tls(), max_keepalive_connections=0, network_backend=guard) as pool,
        pool.stream(
            "POST",
            where,
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in sent.items()],
            content=body,
            extensions={"timeout": limits},
        ) as response,
    ):
        reply = bytearray()
        async for chunk in response.aiter_stream():
            reply += chunk
            if len(reply) > MAX_REPLY:
                break
        return Answer(response.status, _excerpt(bytes(reply)), _retry_after(response.headers))


def _excerpt(reply: bytes) -> str:
    return reply[: EXCERPT * 4].decode("utf-8", "replace").replace("\x00", "")[:EXCERPT]


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    value = next((value for name, value in headers if name.lower() == b"retry-after"), b"").strip()
    return int(value) if value.isdigit() and len(value) < 8 else None


def _said(error: Exception) -> str:
    # What OpenSSL and the system say; our own addresses are not in it.
    reason = str(error.__cause__ or error)
    if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError) or "CERTIFICATE" in reason:
        return "the certificate of the host is not valid for it"
    match error:
        case httpcore2.ConnectTimeout():
            return "the host did not take the connection in time"
        case httpcore2.ConnectError():
            return "the host did not take the connection"
        case httpcore2.TimeoutException():
            return "no answer in time"
        case httpcore2.ProtocolError():
            return "the answer is not HTTP"
        case _:
            return "the connection broke before an answer came"


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)
