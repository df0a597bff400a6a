"""What every call keeps to: one connection to the database at a time, and moments told in UTC."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from app.api.guessing import GuardedLookUps
from app.api.lookups import LookUps
from app.api.v1 import PREFIX
from app.api.v1.shelf import Shelves
from app.catalog.snapshot import CatalogCache
from app.db import Database
from app.orders.waiting import Waiters
from tests.api.v1.conftest import Bot, mounted, read, refused
from tests.api.v1.test_orders import close
from tests.factories import IMEIS
from tests.serving import serving


@pytest.fixture
async def narrow(bot: Bot, db: Database, conninfo: str) -> AsyncIterator[Bot]:
    """The bot at a server that has one connection to the database, whose own time zone is India's."""
    async with db.transaction() as conn:
        await conn.execute(
            "DO $$ BEGIN EXECUTE"
            " format('ALTER DATABASE %I SET timezone = ''Asia/Kolkata''', current_database()); END $$"
        )
    own = Database(conninfo, pool_size=1)
    await own.open()
    catalog = CatalogCache(own)
    parts = replace(
        bot.parts,
        db=own,
        catalog=catalog,
        shelves=Shelves(own, catalog),
        lookups=GuardedLookUps(LookUps(own), bot.parts.limiter),
        waiters=Waiters(own),
    )
    async with (
        serving(mounted(parts)) as base,
        httpx2.AsyncClient(base_url=base + PREFIX, timeout=30, headers=bot.http.headers) as http,
    ):
        yield replace(bot, http=http, parts=parts)
    await own.close()


async def test_no_call_holds_a_connection_while_it_wants_another(narrow: Bot, db: Database) -> None:
    service = narrow.shop.imei_service
    paths = (
        "/orders",
        "/orders?service=gone",
        "/account",
        "/services",
        f"/services/{service}",
        "/groups",
        f"/prices/history?service={service}",
        f"/devices?service={service}",
        "/statement",
        "/topups",
        "/webhooks",
        "/webhooks/low-balance",
    )
    for path in paths:
        async with db.transaction() as conn:
            # What was read of the catalogue is old, whoever comes next.
            await conn.execute("UPDATE catalog_version SET version = version + 1")
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(narrow.get(path) for _ in range(4)))
        assert {answer.status_code for answer in answers} <= {200, 404}, path
    async with asyncio.timeout(60):
        body = {"service": service, "device": IMEIS[0], "callback_url": "https://shop.example/x"}
        read(await narrow.http.post("/orders", json=body, headers={"Idempotency-Key": "k", "Prefer": "wait=1"}), 202)


async def test_moments_are_told_in_utc_wherever_the_database_is(narrow: Bot) -> None:
    placed = await narrow.http.post("/orders", json={"service": narrow.shop.imei_service, "device": IMEIS[0]})
    hook = {"url": "https://shop.example/x", "events": ["order.completed"]}
    endpoint = read(await narrow.http.post("/webhooks", json=hook), 201)
    told = [
        placed.text,
        (await narrow.get(f"/prices/history?service={narrow.shop.imei_service}")).text,
        (await narrow.get("/statement")).text,
        (await narrow.get("/webhooks")).text,
        (await narrow.http.post(f"/webhooks/{endpoint['id']}/test")).text,
    ]
    for text in told:
        moments = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', text)
        assert moments, text
        assert all(moment.endswith("Z") for moment in moments), text


async def test_orders_of_a_service_that_is_no_longer_sold_are_listed_by_its_id(bot: Bot, db: Database) -> None:
    order = read(await bot.http.post("/orders", json={"service": bot.shop.imei_service, "device": IMEIS[0]}), 201)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET state = 'hidden' WHERE id = %s", (bot.shop.imei_service,))
    listed = read(await bot.get(f"/orders?service={bot.shop.imei_service}"))
    assert [one["id"] for one in listed["items"]] == [order["id"]]
    assert read(await bot.get(f"/orders?service={bot.shop.server_service}"))["items"] == []
    refused(await bot.get("/orders?service=no-such-code"), 404, "service_not_found", "service")
    refused(await bot.get(f"/orders?service={2**63}"), 404, "service_not_found", "service")


async def test_results_and_reasons_are_plain_text_wherever_they_are_read(bot: Bot, db: Database) -> None:
    ids = []
    for device, to in ((IMEIS[0], "completed"), (IMEIS[1], "rejected")):
        body = {"service": bot.shop.imei_service, "device": device}
        ids.append(read(await bot.http.post("/orders", json=body), 201)["id"])
        text = "Model: X<br>Find My: <b style='color:red'>ON</b> &amp; more"
        await close(db, ids[-1], to, **{"result" if to == "completed" else "reason": text})
    wanted = [("Model: X\nFind My: ON & more", None), (None, "Model: X\nFind My: ON & more")]
    one_by_one = [read(await bot.get(f"/orders/{number}")) for number in ids]
    listed = read(await bot.get("/orders"))["items"][::-1]
    asked = read(await bot.http.post("/orders/status", json={"ids": ids}))["items"]
    for found in (one_by_one, listed, asked):
        assert [(order["result"], order["reason"]) for order in found] == wanted
