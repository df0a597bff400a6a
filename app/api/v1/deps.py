"""What the handlers of the REST API ask for: the parts, who is calling, and a transaction of their own.

The transactions end in the ``function`` scope, which is before the reply is sent: a client that holds a reply holds
committed rows, and a commit that fails becomes an error instead of a lie.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from app.addresses import client_ip
from app.api.guessing import GuardedLookUps
from app.api.v1.shelf import Shelves
from app.catalog.snapshot import CatalogCache
from app.customers.scopes import Scope
from app.customers.service import Asker, Identity
from app.customers.use import KeyUses
from app.db import Connection, Database
from app.errors import Throttled, Unauthenticated
from app.orders.book import Book
from app.orders.waiting import Waiters
from app.redis import Limiter
from app.sandbox.book import orders_for
from app.sealing import Sealer
from app.webhooks.destinations import Rules


@dataclass(slots=True)
class ApiDeps:
    """What the REST API is built from.

    ``placed()`` is called after a commit that placed something, to wake the workers. ``requests_per_minute`` (0: no
    limit) goes for keys without a limit of their own. ``file_link(order_id, name)`` is the URL of the file that came
    with a result. ``webhook_rules`` say where messages may go.
    """

    db: Database
    sealer: Sealer
    catalog: CatalogCache
    shelves: Shelves
    lookups: GuardedLookUps
    limiter: Limiter
    uses: KeyUses
    waiters: Waiters
    placed: Callable[[], None]
    requests_per_minute: int
    duplicate_window_seconds: int
    max_body_bytes: int
    max_file_bytes: int
    file_link: Callable[[int, str], str]
    base_url: str
    webhook_rules: Rules

    def orders_of(self, caller: Identity) -> Book:
        """Return the orders that the caller's key is for: the real ones, or those of the sandbox."""
        return orders_for(
            caller,
            db=self.db,
            catalog=self.catalog,
            placed=self.placed,
            window_seconds=self.duplicate_window_seconds,
            source="rest",
            waiters=self.waiters,
        )


def parts_of(request: Request) -> ApiDeps:
    """Return what the app that a request came to was built from."""
    return cast("ApiDeps", request.app.state.parts)


Parts = Annotated[ApiDeps, Depends(parts_of)]

_bearer = HTTPBearer(auto_error=False, scheme_name="Bearer", description="`Authorization: Bearer tk_…`")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="X-API-Key", description="`X-API-Key: tk_…`")


def _ip(request: Request) -> str | None:
    return client_ip(request.scope)


ClientIp = Annotated[str | None, Depends(_ip)]


def _key(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> str:
    return bearer.credentials if bearer is not None else (header or "").strip()


async def _caller(
    request: Request, parts: Parts, ip: ClientIp, needed: SecurityScopes, key: Annotated[str, Security(_key)]
) -> Identity:
    if not key:
        raise Unauthenticated("A key is needed: Authorization: Bearer tk_…, or X-API-Key: tk_…")
    identity = await parts.lookups.identify(Asker(parts.sealer.hashes(key), ip))
    await _count(request, parts, identity)
    for scope in needed.scopes:
        identity.require(Scope(scope))
    parts.uses.note(identity, ip)
    return identity


async def _count(request: Request, parts: ApiDeps, identity: Identity) -> None:
    per_minute = identity.requests_per_minute
    if per_minute is None:
        per_minute = parts.requests_per_minute
    if not per_minute:
        return
    key = f"v1:{identity.key_id}"
    allowed = await parts.limiter.hit(key, per_minute)
    # What the answer says of the limit, whatever becomes of the call.
    standing = request.state.standing = await parts.limiter.look(key, per_minute)
    if not allowed:
        raise Throttled(f"This key may make {per_minute} calls a minute.", seconds=standing.seconds)


Caller = Annotated[Identity, Security(_caller)]
ServicesReader = Annotated[Identity, Security(_caller, scopes=[Scope.SERVICES_READ])]
OrdersReader = Annotated[Identity, Security(_caller, scopes=[Scope.ORDERS_READ])]
OrdersCreator = Annotated[Identity, Security(_caller, scopes=[Scope.ORDERS_CREATE])]
MoneyReader = Annotated[Identity, Security(_caller, scopes=[Scope.MONEY_READ])]
TopupsCreator = Annotated[Identity, Security(_caller, scopes=[Scope.TOPUPS_CREATE])]
WebhooksManager = Annotated[Identity, Security(_caller, scopes=[Scope.WEBHOOKS_MANAGE])]


async def _transaction(parts: Parts) -> AsyncIterator[Connection]:
    async with parts.db.transaction() as conn:
        yield conn


Transaction = Annotated[Connection, Depends(_transaction, scope="function")]
"""A transaction for a handler that is given who calls before it: dependencies are met in the order they are named."""
