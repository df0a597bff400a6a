"""The one class that talks HTTP to suppliers, and turns every transport failure into the connectors' words once.

What decides about money is whether a request can have reached the supplier:

==================================================================  ===========
refused connection, connect time-out, DNS, TLS handshake, no free    ``NotSent``
connection in time, an address that is none
read or write time-out, reset, broken pipe, broken protocol, a body  ``Unclear``
that is cut short, too long or wrongly compressed, 3xx, 5xx
==================================================================  ===========

A request that buys never travels on a reused connection. A server may close an idle connection in the very moment we
write to it, and the error then looks the same as one after the order was taken: a fresh connection keeps such doubt
rare, and costs one handshake for a batch of orders.

Cookies are neither kept nor sent (a session cookie makes PHP hosts serve us one request at a time), proxies in the
environment are not used (suppliers allow fixed addresses), TLS certificates are always verified.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext

import httpx2
import orjson

from app.clock import now
from app.connectors._redact import MASK, Redactor
from app.connectors._reply import Reply, decode
from app.connectors.errors import NotSent, Unclear

__all__ = ["USER_AGENT", "Exchange", "Reply", "SupplierHttp"]

USER_AGENT = "Trunkline/0.1.0"
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
MAX_BODY = 32 * 1024 * 1024
MAX_TRANSCRIPT = 4_000
MAX_REDIRECTS = 3
MIN_NEVER_READ = 12
"""A shorter secret, a PIN perhaps, occurs by chance in the results that customers pay for, and stays there."""

_NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it, without secrets; ``status`` is None and ``error`` set if no reply came."""

    at: datetime
    method: str
    url: str
    request: str
    status: int | None
    reply: str
    milliseconds: int
    error: str


class SupplierHttp:
    """Sends requests to one supplier and turns transport failures into the connector's words."""

    def __init__(
        self,
        *,
        secrets: Sequence[str] = (),
        transport: httpx2.AsyncBaseTransport | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        max_body: int = MAX_BODY,
        max_connections: int = 20,
    ) -> None:
        """``secrets`` never appear in transcripts or errors, nor, unless they are short, in replies; ``transport``
        replaces the network in tests."""
        self.may_read: Callable[[], Awaitable[bool]] | None = None
        """Asked before each request that buys nothing; where it says no, that request is ``NotSent``."""
        self._secrets = tuple(secrets)
        self._redact = Redactor(secrets)
        self._never_read = [secret.encode() for secret in secrets if len(secret) >= MIN_NEVER_READ]
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._max_body = max_body
        self._buying = _client(transport, max_connections, kept=0)
        self._reading = _client(transport, max_connections, kept=max_connections)

    @property
    def longest_seconds(self) -> float:
        """No ``send`` with the default time-out takes longer than this; a lease on a send must."""
        return self._longest(self._read_seconds)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._buying.aclose()
        await self._reading.aclose()

    def hide(self, *learned: str) -> None:
        """Keep ``learned`` out of transcripts and errors too: a token of a log-in; replaces what was learned before."""
        self._redact = Redactor((*self._secrets, *learned))

    @contextmanager
    def recording(self) -> Iterator[list[Exchange]]:
        """Collect every exchange that is sent inside, by this task or one started from it."""
        exchanges: list[Exchange] = []
        token = _recordings.set((*_recordings.get(), (self, exchanges)))
        try:
            yield exchanges
        finally:
            _recordings.reset(token)

    async def send(
        self,
        method: str,
        url: str,
        *,
        buys: bool,
        form: Mapping[str, str] | None = None,
        multipart: Mapping[str, str | tuple[str, bytes]] | None = None,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        read_seconds: float | None = None,
        answers: Container[int] = (),
        private: bool = False,
    ) -> Reply:
        """Send one request and return the reply; ``buys`` says that it may cost money.

        The body is one of ``form`` (urlencoded), ``multipart`` (text, or file name and bytes), ``json`` and
        ``content``. ``read_seconds`` is the longest silence to bear while waiting for the reply. ``answers`` are those
        5xx statuses that this supplier's document gives a meaning; replies with them are returned. ``private`` keeps
        both bodies out of the transcript: a log-in, whose reply is a secret nobody knows beforehand.

        Raises ``NotSent`` if the request provably never left, ``Unclear`` for anything that is no complete reply of
        the application: see the module. 307 and 308 are followed with the same method and body on the same host, a
        GET is redirected within its host; a POST is never turned into a GET.
        """
        if not buys and self.may_read is not None and not await self.may_read():
            raise NotSent("the requests that we may make in this minute are used up")
        read = self._read_seconds if read_seconds is None else read_seconds
        client = self._buying if buys else self._reading
        files = {
            name: (None, part) if isinstance(part, str) else (part[0], part[1])
            for name, part in (multipart or {}).items()
        }
        body = orjson.dumps(json) if json is not None else content
        kind = {"Content-Type": "application/json"} if json is not None else {}
        try:
            request = client.build_request(
                method,
                url,
                data=form,
                files=files or None,
                content=body,
                headers={"User-Agent": USER_AGENT, **kind, **(headers or {})},
                timeout=httpx2.Timeout(read, connect=self._connect_seconds, pool=self._connect_seconds),
            )
            await request.aread()
        except (httpx2.InvalidURL, ValueError) as error:
            raise NotSent(self._redact(f"no request can be made of this: {error}", 300)) from None
        # httpx2 bounds each read, not their sum: a server that drips must not hold a worker for ever.
        deadline = asyncio.get_running_loop().time() + self._longest(read)
        for _ in range(MAX_REDIRECTS):
            reply = await self._exchange(client, request, deadline, buys=buys, private=private)
            if not 300 <= reply.status < 400:
                break
            request = self._redirected(client, request, reply.status, reply.headers.get("location", ""))
        else:
            raise Unclear("the supplier redirects in circles")
        if reply.status >= 500 and reply.status not in answers:
            raise Unclear(f"the supplier answered HTTP {reply.status}")
        return reply

    def _longest(self, read_seconds: float) -> float:
        # A free connection, the connection itself and its TLS handshake may each take the connect time-out.
        return 3 * self._connect_seconds + 2 * read_seconds

    async def _exchange(
        self, client: httpx2.AsyncClient, request: httpx2.Request, deadline: float, *, buys: bool, private: bool
    ) -> Reply:
        """Send one request without following anything, and record it; ``deadline`` is in the loop's time."""
        at, started = now(), time.monotonic()
        status: int | None = None
        text, failure = "", "broken off"
        try:
            async with asyncio.timeout_at(deadline):
                response = await client.send(request, stream=True)
                try:
                    status = response.status_code
                    body = bytearray()
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > self._max_body:
                            raise Unclear(f"the reply is longer than {self._max_body} bytes")
                finally:
                    await response.aclose()
            raw = self._without_our_keys(bytes(body))
            text, failure = decode(raw), ""
            return Reply(status, text, str(request.url), response.headers, buys, raw)
        except TimeoutError:
            failure = "no complete reply in time"
            raise Unclear(failure) from None
        except _NEVER_LEFT as error:
            failure = self._describe(error)
            raise NotSent(failure) from None
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            failure = self._describe(error)
            raise Unclear(failure) from None
        except Unclear as error:
            failure = error.text
            raise
        finally:
            elapsed = round((time.monotonic() - started) * 1000)
            asked, said = (MASK, MASK) if private else (request.content.decode("utf-8", "replace"), text)
            self._record(request, asked, said, at=at, status=status, elapsed=elapsed, failure=failure)

    def _without_our_keys(self, body: bytes) -> bytes:
        """A supplier that quotes our key, as a debugging PHP page does, would have customers read it in a reason."""
        for secret in self._never_read:
            body = body.replace(secret, MASK.encode())
        return body

    def _redirected(
        self, client: httpx2.AsyncClient, request: httpx2.Request, status: int, location: str
    ) -> httpx2.Request:
        """The request to follow a redirect with, or ``Unclear`` if it may not be followed.

        A POST that is answered by 301, 302 or 303 would have to become a GET. What the supplier did with it first
        cannot be known, so it is unclear; the usual cause is a base URL with http:// or without www.
        """
        try:
            target = request.url.join(location) if location else None
        except httpx2.InvalidURL:
            target = None
        if (
            target is None
            or target.host != request.url.host
            or (request.url.scheme, target.scheme) == ("https", "http")
            or not (status in {307, 308} or (request.method == "GET" and status in {301, 302, 303}))
        ):
            where = f" to {target.copy_with(query=None)}" if target else ""
            raise Unclear(self._redact(f"the supplier redirects (HTTP {status}){where}; set that as its URL", 300))
        again = client.build_request(
            request.method,
            target,
            content=request.content or None,
            headers={name: value for name, value in request.headers.items() if name.lower() != "host"},
        )
        again.extensions = dict(request.extensions)
        return again

    def _describe(self, error: Exception) -> str:
        return self._redact(f"{type(error).__name__}: {error}".rstrip(": "), 300)

    def _record(
        self,
        request: httpx2.Request,
        asked: str,
        said: str,
        *,
        at: datetime,
        status: int | None,
        elapsed: int,
        failure: str,
    ) -> None:
        mine = [exchanges for http, exchanges in _recordings.get() if http is self]
        if not mine:
            return
        exchange = Exchange(
            at=at,
            method=request.method,
            url=self._redact(str(request.url), MAX_TRANSCRIPT),
            request=self._redact(asked, MAX_TRANSCRIPT),
            status=status,
            reply=self._redact(said, MAX_TRANSCRIPT),
            milliseconds=elapsed,
            error=failure,
        )
        for exchanges in mine:
            exchanges.append(exchange)


_recordings: ContextVar[tuple[tuple[SupplierHttp, list[Exchange]], ...]] = ContextVar("recordings", default=())


@cache
def _tls() -> SSLContext:
    return httpx2.create_ssl_context()


def _client(transport: httpx2.AsyncBaseTransport | None, connections: int, kept: int) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=kept)
    return httpx2.AsyncClient(
        transport=transport,
        verify=_tls(),
        limits=limits,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )
