"""Idempotency-Key: one order and one charge, whatever is sent twice, at once, or after an answer was lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from sqlalchemy.engine import make_url

from app.api.guessing import GuardedLookUps
from app.api.lookups import LookUps
from app.api.v1 import PREFIX
from app.audit.service import audit
from app.catalog.snapshot import CatalogCache
from app.clock import now
from app.customers.once import forget_old, once
from app.db import Database
from app.ledger.service import account_of
from app.money import MICRO
from app.orders.waiting import Waiters
from app.topups.requests import MAX_WAITING
from tests.api.v1.conftest import Bot, mounted, read, refused
from tests.dhru.test_faults import Wire
from tests.factories import IMEIS, make_customer
from tests.serving import serving


async def order(bot: Bot, key: str, body: Any, **options: Any) -> httpx2.Response:
    """Order under a key of the caller's."""
    headers = {"Idempotency-Key": key, **options.pop("headers", {})}
    return await bot.http.post("/orders", json=body, headers=headers, **options)


def unguarded(bot: Bot) -> dict[str, Any]:
    """A wish without a device, which nothing but its key keeps from being ordered twice."""
    return {"service": bot.shop.server_service, "fields": {"Email": "mary@example.com"}}


async def standing(bot: Bot, db: Database) -> tuple[int, int]:
    """How many orders there are, and the balance in whole units; the books are sound."""
    result = await audit(db)
    assert result.ok, result.findings
    async with db.pool.connection() as conn:
        return result.orders, (await account_of(conn, bot.shop.customer_id)).balance // MICRO


async def test_sent_again_it_is_the_same_answer_and_one_order(bot: Bot, db: Database) -> None:
    body = unguarded(bot)
    first = await order(bot, "k1", body)
    assert "idempotent-replayed" not in first.headers
    for _ in range(3):
        again = await order(bot, "k1", body)
        assert read(again, 201) == read(first, 201)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["location"] == first.headers["location"]
    # Written otherwise it is the same body.
    text = f'{{ "fields": {{"Email":"mary\\u0040example.com"}},\n "service": {bot.shop.server_service} }}'
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    assert read(await bot.http.post("/orders", content=text, headers=headers), 201) == read(first, 201)
    # A key of the same reseller, made since, changes nothing.
    rotated = await order(bot, "k1", body, headers={"Authorization": f"Bearer {await bot.key()}"})
    assert read(rotated, 201) == read(first, 201)
    assert await standing(bot, db) == (1, 995)
    assert read(await order(bot, "k2", body), 201)["id"] != read(first, 201)["id"]
    assert await standing(bot, db) == (2, 990)


async def test_thirty_at_once_make_one_order(bot: Bot, db: Database) -> None:
    for number in range(3):
        answers = await asyncio.gather(*(order(bot, f"k{number}", unguarded(bot)) for _ in range(30)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert await standing(bot, db) == (3, 985)


async def test_the_key_of_another_request_is_refused(bot: Bot, db: Database) -> None:
    body = unguarded(bot)
    read(await order(bot, "k1", body), 201)
    others = [
        {**body, "reference": "x"},
        {**body, "fields": {"Email": "john@example.com"}},
        {"orders": [body]},
        {"service": bot.shop.imei_service, "device": IMEIS[0]},
        {"service": 4711},
    ]
    for other in others:
        refused(await order(bot, "k1", other), 422, "idempotency_key_reused", "Idempotency-Key")
    said = {"method_id": 1, "amount": "5", "sender": "Mary", "paid_on": "2026-01-01"}
    response = await bot.http.post("/topups", json=said, headers={"Idempotency-Key": "k1"})
    refused(response, 422, "idempotency_key_reused", "Idempotency-Key")
    assert await standing(bot, db) == (1, 995)


async def test_at_once_with_other_bodies_one_wins(bot: Bot, db: Database) -> None:
    bodies = [{**unguarded(bot), "reference": f"r{number}"} for number in range(12)]
    answers = await asyncio.gather(*(order(bot, "k1", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 11
    assert await standing(bot, db) == (1, 995)


async def test_an_order_and_a_top_up_at_once_under_one_key_are_one_of_them(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO payment_methods (name, currency, min_amount, instructions) VALUES ('Bank', 'USD', 1, '')"
        )
    [method] = read(await bot.get("/topups"))["methods"]
    said = {"method_id": method["id"], "amount": "5", "sender": "Mary", "paid_on": f"{now():%Y-%m-%d}"}
    for number in range(MAX_WAITING):
        key = {"Idempotency-Key": f"k{number}"}
        answers = await asyncio.gather(
            *(bot.http.post("/topups", json=said, headers=key) for _ in range(2)),
            *(order(bot, f"k{number}", unguarded(bot)) for _ in range(2)),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 201, 422, 422]
    assert (await audit(db)).ok


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "k\xe9y"])
async def test_a_key_has_a_form(bot: Bot, db: Database, key: str) -> None:
    headers = [("Idempotency-Key", key.encode("latin-1"))]
    request = bot.http.build_request("POST", "/orders", json=unguarded(bot))
    request.headers = httpx2.Headers([*request.headers.raw, *[(k.encode(), v) for k, v in headers]])
    refused(await bot.http.send(request), 422, "invalid", "Idempotency-Key")
    assert await standing(bot, db) == (0, 1000)


async def test_what_a_later_version_knows_besides_does_not_make_it_another_request(bot: Bot, db: Database) -> None:
    first = read(await order(bot, "k1", unguarded(bot)), 201)
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT request FROM idempotency_keys")).fetchone()
    assert row is not None
    # Only what was said counts, so a field that comes with an update is not missing in what was sent before it.
    assert row["request"] == once("k1", "orders", unguarded(bot)).request
    nulls = {"quantity": None, "callback_url": None, "file": None, "reference": ""}
    assert read(await order(bot, "k1", {**unguarded(bot), **nulls}), 201) == first


async def test_two_resellers_may_use_the_same_key(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        _, _, key, _ = await make_customer(conn, bot.parts.sealer, name="Other")
    mine = read(await order(bot, "k1", unguarded(bot)), 201)
    theirs = read(await order(bot, "k1", unguarded(bot), headers={"Authorization": f"Bearer {key}"}), 201)
    assert theirs["id"] != mine["id"]


async def test_what_placed_nothing_is_not_kept_so_that_it_may_be_tried_again(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET price = %s WHERE id = %s", (1001 * MICRO, bot.shop.server_service))
    refused(await order(bot, "k1", unguarded(bot)), 402, "no_credit")
    refused(await order(bot, "k1", {"service": 4711}), 404, "service_not_found", "service")
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET price = %s WHERE id = %s", (5 * MICRO, bot.shop.server_service))
    read(await order(bot, "k1", unguarded(bot)), 201)
    assert await standing(bot, db) == (1, 995)


async def test_rows_that_were_refused_stay_refused(bot: Bot, db: Database) -> None:
    rows = [unguarded(bot), {"service": bot.shop.imei_service, "device": "1"}, {"service": 4711}]
    first = read(await order(bot, "k1", {"orders": rows}), 201)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET device = 'none' WHERE id = %s", (bot.shop.imei_service,))
    again = read(await order(bot, "k1", {"orders": rows}), 201)
    assert again == first
    assert [row["error"] and row["error"]["code"] for row in again["items"]] == [None, "invalid", "service_not_found"]
    assert await standing(bot, db) == (1, 995)


async def test_a_repeated_order_is_kept_too(bot: Bot, db: Database) -> None:
    body = {"service": bot.shop.imei_service, "device": IMEIS[0]}
    first = read(await bot.http.post("/orders", json=body), 201)
    assert read(await order(bot, "k1", body), 200)["id"] == first["id"]
    read(await bot.http.post(f"/orders/{first['id']}/cancel"))
    async with db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '1 hour'")
    # Beyond the duplicate window the same wish would be another order.
    assert read(await order(bot, "k1", body), 200)["id"] == first["id"]
    assert await standing(bot, db) == (1, 1000)


async def test_after_a_day_a_key_is_free_again(bot: Bot, db: Database) -> None:
    first = read(await order(bot, "k1", unguarded(bot)), 201)
    async with db.transaction() as conn:
        await conn.execute("UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes'")
        assert await forget_old(conn) == 0
    assert read(await order(bot, "k1", unguarded(bot)), 201)["id"] == first["id"]
    async with db.transaction() as conn:
        await conn.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 minute'")
    second = read(await order(bot, "k1", {**unguarded(bot), "reference": "another day"}), 201)
    assert second["id"] != first["id"]
    async with db.transaction() as conn:
        assert await forget_old(conn) == 0
        await conn.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 minute'")
        assert await forget_old(conn) == 1


@pytest.fixture
async def wired(bot: Bot, conninfo: str) -> AsyncIterator[tuple[Bot, Wire]]:
    """The bot at a server that reaches Postgres over a wire, which can lose an answer."""
    url = make_url(conninfo)
    wire = Wire((url.host or "127.0.0.1", url.port or 5432))
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    far = Database(url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False), pool_size=2)
    await far.open()
    parts = replace(
        bot.parts,
        db=far,
        catalog=CatalogCache(far),
        lookups=GuardedLookUps(LookUps(far), bot.parts.limiter),
        waiters=Waiters(far),
    )
    async with (
        serving(mounted(parts)) as base,
        httpx2.AsyncClient(base_url=base + PREFIX, timeout=60, headers=bot.http.headers) as http,
    ):
        yield replace(bot, http=http), wire
    await far.close()
    server.close()
    for writer in wire.writers:
        writer.close()


async def test_an_answer_lost_between_commit_and_reply_comes_with_the_same_key(
    wired: tuple[Bot, Wire], db: Database
) -> None:
    bot, wire = wired
    read(await order(bot, "warm", unguarded(bot)), 201)
    for body in (unguarded(bot), {"orders": [unguarded(bot), {"service": 4711}]}):
        key = f"lost-{'orders' in body}"
        wire.needle = key.encode()
        # The first statement that says the key is the look whether it was answered; the second one places.
        first = await order(bot, key, body)
        assert first.status_code == 503, first.text
        if first.json()["code"] != "uncertain":
            wire.needle = b"mary@example.com"
            first = await order(bot, key, body)
        refused(first, 503, "uncertain")
        again = await order(bot, key, body)
        assert again.headers["idempotent-replayed"] == "true"
        assert read(again, 201) == read(await order(bot, key, body), 201)
    assert await standing(bot, db) == (3, 985)
