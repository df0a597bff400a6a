"""The door behind a real HTTP server, with a shop behind it in a real Postgres."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import orjson
import pytest
from starlette.applications import Starlette

from app.api.dhru import Door, dhru_routes
from app.api.files import FileLinks
from app.api.lookups import LookUps
from app.catalog.snapshot import CatalogCache
from app.customers.use import KeyUses
from app.db import Database
from app.redis import Limiter
from app.sealing import Sealer
from tests.factories import Shop, make_shop
from tests.serving import serving

MAX_BODY_BYTES = 1_000_000
MAX_FILE_BYTES = 200_000
PUBLIC_URL = "https://panel.example"


@dataclass
class Panel:
    """A reseller's panel: knows the URL, the username and the key, and counts what the door told the workers."""

    http: httpx2.AsyncClient
    shop: Shop
    door: Door
    wakes: list[int] = field(default_factory=list)
    path: str = "/api/index.php"

    async def send(self, action: str, /, **values: Any) -> httpx2.Response:
        """Send a urlencoded call with our credentials."""
        data = {"username": self.shop.username, "apiaccesskey": self.shop.key, "action": action, **values}
        return await self.http.post(self.path, data=data)

    async def call(self, action: str, /, **values: Any) -> dict[str, Any]:
        """Send a urlencoded call with our credentials and return the JSON reply."""
        return read(await self.send(action, **values))

    async def place(self, service: int, imei: str, **more: str) -> dict[str, Any]:
        """Place one order as DHRU panels do."""
        tags = {"ID": str(service), "IMEI": imei, **more}
        return await self.call("placeimeiorder", parameters=xml(tags))

    async def orders(self) -> list[dict[str, Any]]:
        """Return every order there is."""
        async with self.door.db.pool.connection() as conn:
            return await (await conn.execute("SELECT * FROM orders ORDER BY id")).fetchall()

    async def balance(self) -> int:
        """Return the reseller's balance in micro-units."""
        async with self.door.db.pool.connection() as conn:
            cursor = await conn.execute("SELECT balance FROM accounts WHERE customer_id = %s", (self.shop.customer_id,))
            row = await cursor.fetchone()
        assert row is not None
        return int(row["balance"])


def read(response: httpx2.Response) -> dict[str, Any]:
    """Return a JSON reply; every reply is 200 and JSON."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    reply: dict[str, Any] = orjson.loads(response.content)
    return reply


def xml(tags: Mapping[str, str]) -> str:
    """Return parameters as DHRU panels write them."""
    return "<PARAMETERS>" + "".join(f"<{name}>{value}</{name}>" for name, value in tags.items()) + "</PARAMETERS>\n"


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A reseller with credit 1000, an IMEI service at 2.00 and a server service at 5.00 that wants an Email."""
    return await make_shop(db, sealer)


@pytest.fixture
def door(db: Database, sealer: Sealer) -> Door:
    """The door as the program makes it, without a rate limit."""
    return Door(
        db=db,
        sealer=sealer,
        catalog=CatalogCache(db),
        lookups=LookUps(db),
        limit=Limiter(clock=lambda: 1000.0).hit,  # one minute for the whole test, however long that takes
        used=KeyUses(db).note,
        placed=lambda: None,
        requests_per_minute=0,
        duplicate_window_seconds=30,
        max_body_bytes=MAX_BODY_BYTES,
        max_file_bytes=MAX_FILE_BYTES,
        file_link=FileLinks(PUBLIC_URL, sealer).link,
    )


@pytest.fixture
async def panel(door: Door, shop: Shop) -> AsyncIterator[Panel]:
    """The reseller's panel, talking to the door over HTTP."""
    wakes: list[int] = []
    door = replace(door, placed=lambda: wakes.append(1))
    app = Starlette(routes=dhru_routes(door))
    # Without a trusted proxy no header may say where a client is.
    async with serving(app, proxy_headers=False) as url, httpx2.AsyncClient(base_url=url, timeout=30) as http:
        yield Panel(http=http, shop=shop, door=door, wakes=wakes)
