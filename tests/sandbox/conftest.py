"""Both doors behind one real HTTP server, with a sandbox key and a live key of one customer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from app.customers.keys import create_key
from app.db import Database
from app.main import build_app
from app.sealing import Sealer
from app.settings import load_settings
from tests.factories import Shop, make_shop
from tests.serving import serving

HOUR = 3600
"""Seconds for which ``hold`` holds."""

SECRET_KEY = "a test key that protects nothing but tests"


@dataclass
class Trial:
    """A customer who tries us out: ``key`` is of the sandbox, ``shop.key`` is live."""

    http: httpx2.AsyncClient
    db: Database
    shop: Shop
    key: str

    async def rest(self, method: str, path: str, *, live: bool = False, **options: Any) -> httpx2.Response:
        """Call the REST API."""
        headers = {"X-API-Key": self.shop.key if live else self.key, **options.pop("headers", {})}
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **options)

    async def place(self, device: str, *, live: bool = False, **more: Any) -> httpx2.Response:
        """Place one order over REST."""
        order = {"service": self.shop.imei_service, "device": device, **more}
        return await self.rest("POST", "/orders", live=live, json=order)

    async def dhru(self, action: str, parameters: str = "", *, live: bool = False) -> dict[str, Any]:
        """Call the DHRU door."""
        form = {
            "username": self.shop.username,
            "apiaccesskey": self.shop.key if live else self.key,
            "action": action,
            "parameters": parameters,
        }
        answer = await self.http.post("/api/index.php", data=form)
        assert answer.status_code == 200
        reply: dict[str, Any] = answer.json()
        return reply

    async def rows(self, query: Any, *values: object) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        async with self.db.pool.connection() as conn:
            return await (await conn.execute(query, values)).fetchall()

    async def pass_time(self, seconds: int) -> None:
        """Do what the passing of time would do to orders of the sandbox."""
        async with self.db.transaction() as conn:
            await conn.execute(
                "UPDATE sandbox_orders SET closes_at = closes_at - make_interval(secs => %(s)s),"
                " created_at = created_at - make_interval(secs => %(s)s)",
                {"s": seconds},
            )

    async def hold(self) -> None:
        """Let no order of the sandbox be due for an hour, however long the test takes to look at it."""
        await self.pass_time(-HOUR)

    async def counts(self) -> dict[str, Any]:
        """Count all that real orders and money would leave."""
        [row] = await self.rows(
            "SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM attempts) AS attempts,"
            " (SELECT count(*) FROM transfers) AS transfers, (SELECT count(*) FROM order_events) AS events,"
            " (SELECT sum(balance) FROM accounts) AS balance"
        )
        return row


@pytest.fixture
async def trial(db: Database, sealer: Sealer, conninfo: str) -> AsyncIterator[Trial]:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        key = await create_key(conn, sealer, shop.customer_id, sandbox=True)
    settings = load_settings(None, database_url=conninfo, secret_key=SECRET_KEY, api_requests_per_minute=0)
    async with (
        serving(build_app(settings), graceful=True) as url,
        httpx2.AsyncClient(base_url=url, timeout=30) as http,
    ):
        yield Trial(http, db, shop, key.key)
