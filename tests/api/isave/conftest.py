"""The iSave door beside the REST API, and a client of iSave's that knows nothing but a URL and a key."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from app.api.files import FileLinks
from app.api.guessing import GuardedLookUps
from app.api.isave import IsaveDoor, isave_routes
from app.api.lookups import LookUps
from app.api.v1 import ApiDeps, v1_routes
from app.catalog.snapshot import CatalogCache
from app.customers.use import KeyUses
from app.db import Database
from app.orders.waiting import Waiters
from app.redis import Limiter
from app.sealing import Sealer
from tests.api.v1.conftest import parts, wakes
from tests.factories import Shop, make_remote_service, make_route, make_service, make_shop
from tests.serving import serving

__all__ = ["parts", "wakes"]  # fixtures

DEVICE = "356557847079356"


@dataclass
class Client:
    """Sends what iSave's document says."""

    http: httpx2.AsyncClient
    shop: Shop
    door: IsaveDoor
    gsx: int
    db: Database
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, body: Any, **headers: str) -> httpx2.Response:
        """POST a command."""
        return await self.http.post("/api/v1/check", json=body, headers={**self.headers, **headers})

    @contextlib.contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Have the door wait a second only, where no result is to come in time."""
        patience, self.door.wait_seconds = self.door.wait_seconds, 1
        try:
            yield
        finally:
            self.door.wait_seconds = patience

    async def waited_for(self) -> None:
        """Return once a call waits for its result."""
        async with asyncio.timeout(60):
            while not self.door.waiters._waiting:  # noqa: ASYNC110  it has no event
                await asyncio.sleep(0.01)

    async def check(self, identifier: str = DEVICE, **more: Any) -> httpx2.Response:
        """Order a check."""
        return await self.send({"command": "gsx", "identifier": identifier, **more})

    async def orders(self) -> list[dict[str, Any]]:
        """Every order there is."""
        async with self.db.pool.connection() as conn:
            return await (await conn.execute("SELECT * FROM orders ORDER BY id")).fetchall()


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A reseller with credit 1000, an IMEI service at 2.00 and a server service at 5.00 that wants an Email."""
    return await make_shop(db, sealer)


@pytest.fixture
def door(db: Database, sealer: Sealer) -> IsaveDoor:
    """The door without a rate limit, which waits long enough for results on any machine; see ``Client.in_a_hurry``."""
    limiter = Limiter(clock=lambda: 1000.0)  # one minute for the whole test, however long that takes
    return IsaveDoor(
        db=db,
        sealer=sealer,
        catalog=CatalogCache(db),
        lookups=GuardedLookUps(LookUps(db), limiter),
        limiter=limiter,
        uses=KeyUses(db),
        waiters=Waiters(db),
        placed=lambda: None,
        requests_per_minute=0,
        duplicate_window_seconds=30,
        wait_seconds=60,
        file_link=FileLinks("https://panel.example", sealer).link,
    )


@pytest.fixture
async def client(door: IsaveDoor, parts: ApiDeps, shop: Shop, db: Database) -> AsyncIterator[Client]:
    """The client; the document's own service gsx is sold for 0.40, by IMEI or serial number."""
    async with db.transaction() as conn:
        gsx = await make_service(
            conn,
            name="GSX Standard Report",
            info="Official API Service",
            device="imei_or_serial",
            price=400_000,
            code="gsx",
            position=-1,
        )
        remote = await make_remote_service(conn, shop.supplier_id, remote_id="gsx", cost=100_000)
        await make_route(conn, gsx, remote)
        await conn.execute("UPDATE accounts SET balance = 336810000 WHERE customer_id = %s", (shop.customer_id,))
    app = Starlette(routes=[*isave_routes(door), *v1_routes(replace(parts, waiters=door.waiters))])
    async with serving(app, proxy_headers=False) as url, httpx2.AsyncClient(base_url=url, timeout=90) as http:
        yield Client(http, shop, door, gsx, db, {"X-API-Key": shop.key})
