"""iSave's commands: balance, services, and any service's name, which orders a check and waits for its result.

"504 Gateway Timeout: retry once later." A client that was answered so, or never, sends the same command for the same
device again and must not pay twice. Such an order therefore counts once until its result has been handed out, for a day
at most; only then the same check is a new one.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout

from app.api.guessing import GuardedLookUps
from app.api.isave.replies import No, amount
from app.api.isave.results import data_of
from app.api.kept import Kept
from app.catalog.snapshot import Catalog, CatalogCache, Service, prices_for
from app.connectors.base import ServiceType
from app.customers.once import Once
from app.customers.scopes import Scope, ScopeMissing
from app.customers.service import AddressRefused, Asker, Identity
from app.customers.use import KeyUses
from app.db import Database
from app.errors import NoCredit, NotFound, Throttled, TrunklineError, Unauthenticated, Unavailable
from app.ledger.service import available
from app.money import format_amount
from app.orders.book import Book, one_order
from app.orders.own import OwnOrder
from app.orders.placing import Doubtful, DuplicateOrder, Stands, not_sold
from app.orders.waiting import Waiters
from app.orders.wishes import Wish, make_wish
from app.redis import Limiter
from app.sandbox.book import orders_for
from app.sealing import Sealer

RESERVED = frozenset({"balance", "services"})
"""Commands that share one name space with the services."""

log = structlog.get_logger()


@dataclass
class IsaveDoor:
    """What the door is built from. ``wait_seconds`` is how long a reply waits for its result; their clients hang up
    after 20. ``file_link(order_id, name)`` is the URL of the file that came with a result."""

    db: Database
    sealer: Sealer
    catalog: CatalogCache
    lookups: GuardedLookUps
    limiter: Limiter
    uses: KeyUses
    waiters: Waiters
    placed: Callable[[], None]
    requests_per_minute: int
    duplicate_window_seconds: int
    wait_seconds: int
    file_link: Callable[[int, str], str]

    def orders_of(self, caller: Identity) -> Book:
        """Return the orders that the caller's key is for: the real ones, or those of the sandbox."""
        return orders_for(
            caller,
            db=self.db,
            catalog=self.catalog,
            placed=self.placed,
            window_seconds=self.duplicate_window_seconds,
            source="isave",
            waiters=self.waiters,
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What a call is answered with; ``handed`` is the order whose result is in it, and the call for it."""

    body: Mapping[str, Any]
    handed: tuple[int, Once] | None = None


class Commands:
    """Answers calls."""

    def __init__(self, door: IsaveDoor) -> None:
        self._door = door
        self._lists: Kept[tuple[Any, ...], bytes] = Kept(len)

    async def admit(self, key: str, ip: str | None) -> Identity:
        """Return who calls and count the call with those of the REST API; raises No."""
        door = self._door
        if not key:
            raise No(401)
        try:
            identity = await door.lookups.identify(Asker(door.sealer.hashes(key), ip))
        except Unauthenticated as error:
            raise No(401) from error
        except AddressRefused as error:
            raise No(403, f"Forbidden: {error.message}") from error
        except Throttled as error:
            raise No(429, error.message, headers={"Retry-After": str(error.seconds)}) from error
        per_minute = identity.requests_per_minute
        if per_minute is None:
            per_minute = door.requests_per_minute
        if per_minute and not await door.limiter.hit(f"v1:{identity.key_id}", per_minute):
            wait = (await door.limiter.look(f"v1:{identity.key_id}", per_minute)).seconds
            raise No(429, f"Too many requests: {per_minute} a minute.", headers={"Retry-After": str(wait)})
        door.uses.note(identity, ip)
        return identity

    async def answer(self, identity: Identity, ip: str | None, body: Mapping[str, Any]) -> Told:
        """Return what the command is answered with; raises No."""
        command = _text(body, "command")
        try:
            match command.lower():
                case "":
                    raise No(400, "Bad Request: command is required.")
                case "balance":
                    identity.require(Scope.MONEY_READ)
                    return Told(_balance(identity))
                case "services":
                    identity.require(Scope.SERVICES_READ)
                    return Told({"success": True, "services": orjson.Fragment(await self._services(identity))})
            identity.require(Scope.ORDERS_CREATE)
            return await self._check(identity, ip, command, _text(body, "identifier"), _text(body, "custom_request_id"))
        except ScopeMissing as error:
            raise No(403, f"Forbidden: {error.message}") from error

    async def _services(self, identity: Identity) -> bytes:
        catalog = await self._door.catalog.at_least(identity.catalog_version)

        async def make() -> bytes:
            async with self._door.db.pool.connection() as conn:
                prices = await prices_for(
                    conn,
                    customer_id=identity.customer_id,
                    price_group_id=identity.price_group_id,
                    currency=identity.currency,
                )
            # A large list takes tens of milliseconds, in which other calls must go on.
            return await asyncio.to_thread(_rendered, catalog, prices)

        return await self._lists.get((catalog.version, *identity.prices_of), make)

    async def _check(self, identity: Identity, ip: str | None, command: str, identifier: str, tracking: str) -> Told:
        if not identifier:
            raise No(400, "Bad Request: identifier is required.")

        def read(catalog: Catalog) -> Wish:
            service = catalog.find(command)
            if service is None:
                raise not_sold()
            return make_wish(service, device=identifier, quantity=None, fields={}, reference=tracking)

        call = _call(command, identifier)
        order = await self._over(identity, await self._placed(identity, ip, read, call))
        async with self._door.db.pool.connection() as conn:
            left = {"request_id": str(order.id), "credits": amount(await available(conn, identity.customer_id))}
        if order.state == "rejected":
            return Told({"success": False, "error": order.reason or "Rejected", **left}, (order.id, call))
        data = data_of(order.result or "", order.device)
        if order.file is not None:
            data["file"] = self._door.file_link(order.id, order.file)
        return Told({"success": True, **left, "data": data}, (order.id, call))

    async def handed_out(self, identity: Identity, order_id: int, call: Once) -> None:
        """Let the same check be a new one from now on, but for the moment of the duplicate window."""
        try:
            async with self._door.db.pool.connection() as conn:
                await self._door.orders_of(identity).forget(conn, identity.customer_id, call, order_id)
        except (PoolTimeout, DatabaseError) as error:
            # Sent again within a day it is told the same once more.
            log.warning("a result that was handed out is kept", error=type(error).__name__)

    async def _placed(self, identity: Identity, ip: str | None, read: Callable[[Catalog], Wish], call: Once) -> int:
        """Return the order for what is asked: a new one, or the one that is open for the same service and device."""
        orders = self._door.orders_of(identity)
        try:
            [row] = (await orders.placer.place(identity, ip, [read], call=call)).rows
        except Doubtful as error:
            raise No(504) from error
        except (Unavailable, PoolTimeout, DatabaseError) as error:
            log.error("an iSave call failed", error=type(error).__name__, customer_id=identity.customer_id)
            raise No(504) from error
        except Unauthenticated as error:
            raise No(401) from error
        if isinstance(row, Stands):
            return row.order_id
        if isinstance(row, DuplicateOrder):
            async with self._door.db.pool.connection() as conn:
                earlier = await one_order(orders, conn, identity.customer_id, row.order_id)
            if earlier.closed_at is None:
                return earlier.id
        raise _no(row)

    async def _over(self, identity: Identity, order_id: int) -> OwnOrder:
        """Return the order when it is over; No 504 if that takes longer than a reply may."""
        orders = self._door.orders_of(identity)
        await orders.wait(identity.customer_id, [order_id], self._door.wait_seconds)
        async with self._door.db.pool.connection() as conn:
            order = await one_order(orders, conn, identity.customer_id, order_id)
        if order.closed_at is None:
            raise No(504, request_id=str(order_id))
        return order


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    # PHP programs send an IMEI as a number.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise No(400, f"Bad Request: {name} must be a string.")
    text = str(value).strip()
    if len(text) > 200:
        raise No(400, f"Bad Request: {name} is longer than 200 characters.")
    return text


def _call(command: str, identifier: str) -> Once:
    digest = hashlib.sha256(orjson.dumps([command.lower(), identifier])).digest()
    return Once(f"isave:{digest.hex()}", digest)


def _balance(identity: Identity) -> Mapping[str, Any]:
    return {
        "success": True,
        "username": identity.username,
        "balance": amount(identity.balance + identity.credit_limit),
        "currency": identity.currency,
    }


def _rendered(catalog: Catalog, prices: Mapping[int, int]) -> bytes:
    return orjson.dumps(
        [
            {
                "command_name": command_name(service),
                "service_title": service.name,
                "description": service.info,
                "price": format_amount(prices[service.id] * (service.min_quantity if service.takes_quantity else 1)),
            }
            for group in catalog.groups
            for service in group.services
            if service.id in prices and _takes_one_identifier(service)
        ]
    )


def command_name(service: Service) -> str:
    """Return the name by which a service is ordered here: its code, or its id if that is none or a command."""
    return str(service.id) if service.code is None or service.code in RESERVED else service.code


def _takes_one_identifier(service: Service) -> bool:
    """Say whether an identifier is all that the service needs; nothing else can be said here."""
    required = sum(field.required for field in service.fields)
    if service.type is ServiceType.FILE:
        return False
    return required <= 1 if service.device == "none" else required == 0


def _no(error: TrunklineError) -> No:
    match error:
        case NoCredit():
            return No(402)
        case NotFound():
            return No(404)
        case Unavailable():
            # Certainly not ordered, which 504 would leave open.
            return No(404, "Service Not Found: it cannot be ordered at the moment, nothing was charged.")
        case _:
            return No(400, f"Bad Request: {error.message}")
