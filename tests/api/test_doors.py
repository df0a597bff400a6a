"""Three doors, one set of books: DHRU, REST and iSave's place the same orders and read the same statement."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from app.api.dhru import dhru_routes
from app.api.dhru.door import Door
from app.api.isave import IsaveDoor, isave_routes
from app.api.v1 import ApiDeps, v1_routes
from app.audit.service import audit
from app.db import Database
from tests.api.isave.conftest import door as isave_door
from tests.api.v1.conftest import parts, read, shop, wakes
from tests.api.v1.test_orders import close
from tests.dhru.conftest import door, xml
from tests.dhru.conftest import read as read_dhru
from tests.factories import IMEIS, Shop, imei
from tests.serving import serving

__all__ = ["door", "isave_door", "parts", "shop", "wakes"]  # fixtures


@dataclass
class Reseller:
    """Comes by every door with one key."""

    http: httpx2.AsyncClient
    shop: Shop

    async def dhru(self, device: str) -> int | None:
        """Place over DHRU; the order's id, None if it was refused."""
        parameters = xml({"ID": str(self.shop.imei_service), "IMEI": device})
        data = {"username": self.shop.username, "apiaccesskey": self.shop.key, "action": "placeimeiorder"}
        reply = read_dhru(await self.http.post("/api/index.php", data={**data, "parameters": parameters}))
        return int(reply["SUCCESS"][0]["REFERENCEID"]) if "SUCCESS" in reply else None

    async def rest(self, device: str) -> int | None:
        """Place by REST."""
        body = {"service": self.shop.imei_service, "device": device}
        headers = {"X-API-Key": self.shop.key}
        answer: dict[str, Any] = (await self.http.post("/api/v1/orders", json=body, headers=headers)).json()
        return answer.get("id")

    async def isave(self, device: str) -> int | None:
        """Place as iSave's clients do; nobody delivers here, so the reply names an order that is not over."""
        body = {"command": str(self.shop.imei_service), "identifier": device}
        headers = {"X-API-Key": self.shop.key}
        answer: dict[str, Any] = (await self.http.post("/api/v1/check", json=body, headers=headers)).json()
        return int(answer["request_id"]) if "request_id" in answer else None


@pytest.fixture
async def reseller(door: Door, isave_door: IsaveDoor, parts: ApiDeps, shop: Shop) -> AsyncIterator[Reseller]:
    """The reseller at a server with all doors, as the program puts them together."""
    isave_door.wait_seconds = 1  # nobody delivers here
    routes = [*dhru_routes(door), *isave_routes(isave_door), *v1_routes(parts)]
    async with (
        serving(Starlette(routes=routes), proxy_headers=False) as url,
        httpx2.AsyncClient(base_url=url, timeout=90) as http,
    ):
        yield Reseller(http, shop)


async def test_the_same_order_by_every_door_is_one_order(reseller: Reseller, db: Database) -> None:
    ways = (reseller.dhru, reseller.rest, reseller.isave)
    for number, first in enumerate(ways):
        order = await first(IMEIS[number])
        assert order is not None
        for other in ways:
            assert await other(IMEIS[number]) == order
    # At once, whoever comes first.
    answers = await asyncio.gather(*(way(IMEIS[3]) for way in ways for _ in range(5)))
    assert len(set(answers)) == 1
    headers = {"X-API-Key": reseller.shop.key}
    statement = read(await reseller.http.get("/api/v1/statement", headers=headers))
    assert [line["change"] for line in statement["items"]] == ["-2.00"] * 4 + ["1000.00"]
    assert statement["closing"] == "992.00"
    orders = read(await reseller.http.get("/api/v1/orders", headers=headers))["items"]
    assert [order["source"] for order in orders[1:]] == ["isave", "rest", "dhru"]
    await close(db, orders[3]["id"])
    parameters = xml({"ID": str(orders[2]["id"])})
    data = {"username": reseller.shop.username, "apiaccesskey": reseller.shop.key, "action": "getimeiorder"}
    told = read_dhru(await reseller.http.post("/api/index.php", data={**data, "parameters": parameters}))
    assert (told["IMEI"], told["SUCCESS"][0]["STATUS"]) == (orders[2]["device"], 0)


async def test_sixty_clients_at_every_door_lose_and_double_nothing(reseller: Reseller, db: Database) -> None:
    # Each device is wanted three times, by whatever door comes up; there is credit for all of them.
    ways = (reseller.dhru, reseller.rest, reseller.isave)
    answers = await asyncio.gather(*(ways[n % 3](imei(n % 20)) for n in range(60)))
    assert None not in answers
    assert len(set(answers)) == 20
    result = await audit(db)
    assert result.ok, result.findings
    assert result.orders == 20
    headers = {"X-API-Key": reseller.shop.key}
    assert read(await reseller.http.get("/api/v1/account", headers=headers))["balance"] == "960.00"
