"""Webhooks by REST: endpoints with secrets shown once, tests, the log, and nobody else's."""

from typing import Any

import pytest

from app.sealing import Sealer
from app.webhooks.endpoints import ensure_callbacks
from tests.api.v1.conftest import Bot, read, refused
from tests.factories import make_customer

HOOK = {"url": "https://shop.example/hook", "events": ["order.completed", "balance.low"]}


async def add(bot: Bot, **changes: Any) -> dict[str, Any]:
    return read(await bot.http.post("/webhooks", json={**HOOK, **changes}), 201)


async def test_an_endpoint_shows_its_secret_once(bot: Bot) -> None:
    new = await add(bot, label="Shop")
    secret = new.pop("secret")
    assert secret.startswith("whsec_")
    assert (new["url"], new["events"], new["state"]) == (HOOK["url"], ["balance.low", "order.completed"], "active")
    listed = await bot.get("/webhooks")
    assert read(listed) == {"items": [new]}
    assert read(await bot.get(f"/webhooks/{new['id']}")) == new
    assert secret not in listed.text
    rotated = read(await bot.http.post(f"/webhooks/{new['id']}/rotate", json={"overlap_hours": 2}))
    assert rotated["secret"] != secret
    assert rotated["overlap_until"] is not None


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({**HOOK, "url": "http://shop.example/"}, "url"),
        ({**HOOK, "url": "https://169.254.169.254/"}, "url"),
        ({**HOOK, "url": "https://shop.example:25/"}, "url"),
        ({**HOOK, "events": []}, "events"),
        ({**HOOK, "events": ["<b>all</b>"]}, "events"),
        ({**HOOK, "secret": "mine"}, "secret"),
        ({"url": HOOK["url"]}, "events"),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused_beside_its_field(bot: Bot, body: dict[str, Any], at: str) -> None:
    refused(await bot.http.post("/webhooks", json=body), 422, "invalid", at)
    assert read(await bot.get("/webhooks")) == {"items": []}


async def test_a_key_needs_the_scope(bot: Bot) -> None:
    key = await bot.key(scopes=["services.read", "orders.create", "orders.read", "money.read"])
    headers = {"X-API-Key": key, "Authorization": ""}
    for method, path in (("GET", "/webhooks"), ("GET", "/webhooks/callbacks"), ("GET", "/webhooks/low-balance")):
        refused(await bot.http.request(method, path, headers=headers), 403, "scope_missing")
    refused(await bot.http.post("/webhooks", json=HOOK, headers=headers), 403, "scope_missing")


async def test_another_customers_endpoint_is_not_there(bot: Bot, sealer: Sealer) -> None:
    number = (await add(bot))["id"]
    sent = read(await bot.http.post(f"/webhooks/{number}/test"), 202)
    async with bot.parts.db.transaction() as conn:
        _, _, key, _ = await make_customer(conn, sealer, name="Other")
    headers = {"X-API-Key": key, "Authorization": ""}
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"state": "paused"}),
        ("DELETE", "", None),
        ("POST", "/rotate", {}),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("GET", f"/deliveries/{sent['id']}", None),
        ("POST", f"/deliveries/{sent['id']}/resend", None),
    ):
        answer = await bot.http.request(method, f"/webhooks/{number}{path}", json=body, headers=headers)
        refused(answer, 404, "not_found")
    assert read(await bot.get(f"/webhooks/{number}"))["state"] == "active"


async def test_the_log_comes_in_pages_and_by_state(bot: Bot) -> None:
    number = (await add(bot))["id"]
    sent = [read(await bot.http.post(f"/webhooks/{number}/test"), 202)["id"] for _ in range(5)]
    where = f"/webhooks/{number}/deliveries"
    first = read(await bot.get(where, params={"limit": 3}))
    second = read(await bot.get(where, params={"limit": 3, "cursor": first["next_cursor"]}))
    assert [row["id"] for row in first["items"] + second["items"]] == sent[::-1]
    assert second["next_cursor"] is None
    assert read(await bot.get(where, params={"state": "failed"}))["items"] == []
    refused(await bot.get(where, params={"state": "lost"}), 422, "invalid", "state")


async def test_paused_changed_and_removed(bot: Bot) -> None:
    number = (await add(bot))["id"]
    paused = read(await bot.http.patch(f"/webhooks/{number}", json={"state": "paused", "label": "Old"}))
    assert (paused["state"], paused["label"]) == ("paused", "Old")
    refused(await bot.http.patch(f"/webhooks/{number}", json={"url": "https://10.0.0.1/"}), 422, "invalid", "url")
    assert read(await bot.http.delete(f"/webhooks/{number}")) == {"deleted": True}
    refused(await bot.http.delete(f"/webhooks/{number}"), 404, "not_found")


async def test_the_secret_of_callbacks_can_be_read_but_not_removed(bot: Bot) -> None:
    refused(await bot.get("/webhooks/callbacks"), 404, "not_found")
    async with bot.parts.db.pool.connection() as conn:
        await ensure_callbacks(conn, bot.parts.sealer, bot.shop.customer_id)
    callbacks = read(await bot.get("/webhooks/callbacks"))
    assert (callbacks["url"], callbacks["events"]) == (None, [])
    number = callbacks["id"]
    assert read(await bot.http.post(f"/webhooks/{number}/rotate", json={}))["secret"] != callbacks["secret"]
    refused(await bot.http.delete(f"/webhooks/{number}"), 409, "conflict")
    refused(await bot.http.post(f"/webhooks/{number}/test"), 409, "conflict")


async def test_the_threshold_of_the_balance(bot: Bot) -> None:
    assert read(await bot.get("/webhooks/low-balance")) == {"threshold": None, "currency": "USD"}
    assert read(await bot.http.put("/webhooks/low-balance", json={"threshold": "12.5"})) == {
        "threshold": "12.50",
        "currency": "USD",
    }
    async with bot.parts.db.pool.connection() as conn:
        row = await (await conn.execute("SELECT low_balance FROM accounts WHERE customer_id IS NOT NULL")).fetchone()
    assert row == {"low_balance": 12_500_000}
    refused(await bot.http.put("/webhooks/low-balance", json={"threshold": "much"}), 422, "invalid", "threshold")
    assert read(await bot.http.put("/webhooks/low-balance", json={"threshold": None}))["threshold"] is None
