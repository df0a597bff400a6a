"""The REST API behind a real HTTP server, with a shop behind it in a real Postgres."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from app.api.files import FileLinks
from app.api.guessing import GuardedLookUps
from app.api.lookups import LookUps
from app.api.v1 import PREFIX, ApiDeps, v1_routes
from app.api.v1.shelf import Shelves
from app.catalog.snapshot import CatalogCache
from app.customers.keys import create_key
from app.customers.use import KeyUses
from app.db import Database
from app.orders.waiting import Waiters
from app.redis import Limiter
from app.sealing import Sealer
from app.webhooks.destinations import Rules
from tests.factories import Shop, make_shop
from tests.serving import serving

MAX_BODY_BYTES = 1_000_000
MAX_FILE_BYTES = 200_000
PUBLIC_URL = "https://panel.example"


def read(response: httpx2.Response, status: int = 200) -> dict[str, Any]:
    """Return the body of an answer that must have this status."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


def refused(response: httpx2.Response, status: int, code: str, at: str | None = None) -> dict[str, Any]:
    """Return the problem of a call that must be refused with ``status``, ``code`` and the field ``at``."""
    body = read(response, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert (body["status"], body["code"], body.get("field")) == (status, code, at), body
    assert body["title"]
    assert body["detail"]
    return body


@dataclass
class Bot:
    """A reseller's program: holds a key, and counts what the API told the workers."""

    http: httpx2.AsyncClient
    shop: Shop
    parts: ApiDeps
    wakes: list[int] = field(default_factory=list)

    async def key(self, **settings: Any) -> str:
        """Return another key of the same reseller."""
        async with self.parts.db.transaction() as conn:
            return (await create_key(conn, self.parts.sealer, self.shop.customer_id, **settings)).key

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        """GET a path below the API's own."""
        return await self.http.get(path, **options)


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A reseller with credit 1000, an IMEI service at 2.00 and a server service at 5.00 that wants an Email."""
    return await make_shop(db, sealer)


@pytest.fixture
def wakes() -> list[int]:
    """One entry for each time that the workers were woken."""
    return []


@pytest.fixture
def parts(db: Database, sealer: Sealer, wakes: list[int]) -> ApiDeps:
    """What the API is built from as the program does, without a rate limit."""
    catalog = CatalogCache(db)
    limiter = Limiter(clock=lambda: 1000.0)  # one minute for the whole test, however long that takes
    return ApiDeps(
        db=db,
        sealer=sealer,
        catalog=catalog,
        shelves=Shelves(db, catalog),
        lookups=GuardedLookUps(LookUps(db), limiter),
        limiter=limiter,
        uses=KeyUses(db),
        waiters=Waiters(db),
        placed=lambda: wakes.append(1),
        requests_per_minute=0,
        duplicate_window_seconds=30,
        max_body_bytes=MAX_BODY_BYTES,
        max_file_bytes=MAX_FILE_BYTES,
        file_link=FileLinks(PUBLIC_URL, sealer).link,
        base_url=PUBLIC_URL,
        webhook_rules=Rules(),
    )


def mounted(parts: ApiDeps) -> Starlette:
    """Return the API where the server mounts it."""
    return Starlette(routes=v1_routes(parts))


@pytest.fixture
async def bot(parts: ApiDeps, shop: Shop, wakes: list[int]) -> AsyncIterator[Bot]:
    """The reseller's program, talking to the API over HTTP with a key that may do everything."""
    # Without a trusted proxy no header may say where a client is.
    async with (
        serving(mounted(parts), proxy_headers=False) as url,
        httpx2.AsyncClient(base_url=url + PREFIX, timeout=30, headers={"Authorization": f"Bearer {shop.key}"}) as http,
    ):
        yield Bot(http, shop, parts, wakes)
