"""The life of a key through the staff API and at both doors: made, bounded, replaced, taught, ended."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from app.admin import AdminDeps, install_staff_api
from app.api.dhru import Door, dhru_routes
from app.api.lookups import LookUps
from app.api.v1 import PREFIX, ApiDeps
from app.clock import now
from app.customers.learning import MAX_SEEN, SeenAddress, learn, seen_addresses
from app.customers.scopes import ALL_SCOPES
from app.customers.service import authenticate
from app.db import Database
from app.staff.service import create_staff, create_token
from tests.api.v1.conftest import Bot, mounted, read, refused
from tests.factories import Shop, imei
from tests.serving import serving


@pytest.fixture
async def staff(parts: ApiDeps, shop: Shop) -> Any:
    """An operator at the keys of the shop's customer."""
    app = FastAPI(redirect_slashes=False)
    install_staff_api(app, AdminDeps(db=parts.db, sealer=parts.sealer, currency="USD"))
    async with parts.db.transaction() as conn:
        staff_id = await create_staff(conn, email="o@example.com", name="O", role="operator")
        token = (await create_token(conn, parts.sealer, staff_id)).token
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url=f"http://staff.test/api/admin/customers/{shop.customer_id}",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


async def account(bot: Bot, key: str) -> httpx2.Response:
    """Ask for the account with another key."""
    return await bot.get("/account", headers={"Authorization": f"Bearer {key}"})


async def test_a_key_is_replaced_with_an_overlap(bot: Bot, staff: httpx2.AsyncClient, db: Database) -> None:
    given = {
        "label": "shop",
        "scopes": ["money.read", "orders.read"],
        "allowed_ips": ["127.0.0.0/8"],
        "requests_per_minute": 50,
        "sandbox": True,
        "expires_at": (now() + timedelta(days=90)).isoformat(),
    }
    made = read(await staff.post("/keys", json=given), 201)
    assert read(await account(bot, made["key"]))["sandbox"] is True
    replaced = read(await staff.post(f"/keys/{made['id']}/rotate", json={"overlap_hours": 2}), 201)
    assert replaced["key"] != made["key"]
    assert read(await account(bot, replaced["key"])) == read(await account(bot, made["key"]))
    _, old, new = read(await staff.get("/keys"))["items"]
    same = ("label", "scopes", "allowed_ips", "requests_per_minute", "sandbox", "dialect", "learning_until")
    assert {name: old[name] for name in same} == {name: new[name] for name in same}
    assert (new["replaces_id"], new["scopes"]) == (old["id"], ["orders.read", "money.read"])
    assert old["expires_at"] < (now() + timedelta(hours=2, seconds=1)).isoformat() < new["expires_at"]
    # A second click makes no third key, nor can one be made of a key that has ended.
    refused(await staff.post(f"/keys/{made['id']}/rotate", json={}), 409, "conflict")
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (made["id"],))
    refused(await account(bot, made["key"]), 401, "unauthenticated")
    assert read(await account(bot, replaced["key"]))
    read(await staff.delete(f"/keys/{new['id']}"))
    refused(await account(bot, replaced["key"]), 401, "unauthenticated")
    refused(await staff.post(f"/keys/{new['id']}/rotate", json={}), 409, "conflict")
    refused(await staff.patch(f"/keys/{new['id']}", json={"label": "again"}), 409, "conflict")


async def test_a_key_is_changed_at_once(bot: Bot, staff: httpx2.AsyncClient) -> None:
    path = f"/keys/{bot.shop.key_id}"
    changed = read(await staff.patch(path, json={"scopes": ["services.read"], "allowed_ips": ["127.0.0.1"]}))
    assert (changed["scopes"], changed["allowed_ips"]) == (["services.read"], ["127.0.0.1/32"])
    refused(await bot.get("/account"), 403, "scope_missing")
    mapped = read(await staff.patch(path, json={"allowed_ips": ["::ffff:127.0.0.1", "::ffff:10.0.0.0/104"]}))
    assert mapped["allowed_ips"] == ["127.0.0.1/32", "10.0.0.0/8"]
    read(await bot.get("/services"))
    read(await staff.patch(path, json={"allowed_ips": ["203.0.113.0/24", "2001:db8::/32"]}))
    refused(await bot.get("/services"), 403, "address_refused")
    for body, at in (
        ({"scopes": []}, "scopes"),
        ({"scopes": ["orders.destroy"]}, "scopes.0"),
        ({"allowed_ips": ["here"]}, "allowed_ips"),
        ({"allowed_ips": ["fe80::1%eth0"]}, "allowed_ips"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"dialect": "7"}, "dialect"),
        ({"sandbox": True}, "sandbox"),
    ):
        refused(await staff.patch(path, json=body), 422, "invalid", at)
    refused(await staff.patch("/keys/999999", json={"label": "x"}), 404, "not_found")
    for overlap in (-1, 721):
        refused(await staff.post(f"{path}/rotate", json={"overlap_hours": overlap}), 422, "invalid", "overlap_hours")
    [key] = read(await staff.get("/keys"))["items"]
    assert (key["allowed_ips"], key["requests_per_minute"]) == (["203.0.113.0/24", "2001:db8::/32"], None)


async def test_a_key_learns_where_it_is_used_from_and_a_person_says_what_stays(
    bot: Bot, staff: httpx2.AsyncClient
) -> None:
    path = f"/keys/{bot.shop.key_id}"
    read(await staff.patch(path, json={"allowed_ips": ["203.0.113.7"]}))
    refused(await bot.get("/account"), 403, "address_refused")
    read(await staff.post(f"{path}/learn", json={"hours": 1}))
    for _ in range(3):
        read(await bot.get("/account"))
    await bot.parts.uses.write()
    [seen] = read(await staff.get(f"{path}/addresses"))["items"]
    assert (seen["address"], seen["uses"], seen["allowed"]) == ("127.0.0.1", 3, False)
    # Learning over, nothing has been added by itself.
    read(await staff.post(f"{path}/learn", json={"hours": 0}))
    refused(await bot.get("/account"), 403, "address_refused")
    refused(await staff.post(f"{path}/addresses", json={"addresses": ["198.51.100.9"]}), 422, "invalid", "addresses")
    refused(await staff.post(f"{path}/addresses", json={"addresses": ["127.0.0.0/8"]}), 422, "invalid", "addresses")
    read(await staff.post(f"{path}/learn", json={"hours": 1}))
    read(await bot.get("/account"))
    await bot.parts.uses.write()
    key = read(await staff.post(f"{path}/addresses", json={"addresses": ["127.0.0.1"]}))
    assert (key["allowed_ips"], key["learning_until"]) == (["203.0.113.7/32", "127.0.0.1/32"], None)
    assert read(await bot.get("/account"))
    # What is used from now on is not noted.
    await bot.parts.uses.write()
    assert read(await staff.get(f"{path}/addresses"))["items"][0]["uses"] == 1


async def test_who_calls_from_everywhere_does_not_fill_the_table(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        await learn(conn, bot.shop.key_id, hours=1)
        identity = await authenticate(conn, bot.parts.sealer.hashes(bot.shop.key), ip=None)

    async def seen() -> list[SeenAddress]:
        await bot.parts.uses.write()
        async with db.pool.connection() as conn:
            return await seen_addresses(conn, bot.shop.key_id)

    for number in range(MAX_SEEN - 5):
        bot.parts.uses.note(identity, f"2001:db8::{number:x}")
    assert len(await seen()) == MAX_SEEN - 5
    # All at once, between one writing and the next; those that are known go on being counted.
    for number in range(MAX_SEEN * 2):
        bot.parts.uses.note(identity, f"2001:db8::{number:x}")
    found = await seen()
    assert len(found) == MAX_SEEN
    assert sum(one.uses == 2 for one in found) == MAX_SEEN - 5


async def test_last_use_is_written_beside_the_calls_and_seldom(bot: Bot, staff: httpx2.AsyncClient) -> None:
    assert read(await staff.get("/keys"))["items"][0]["last_used_at"] is None
    read(await bot.get("/account"))
    await bot.parts.uses.write()
    first = read(await staff.get("/keys"))["items"][0]["last_used_at"]
    assert first is not None
    read(await bot.get("/account"))
    await bot.parts.uses.write()
    assert read(await staff.get("/keys"))["items"][0]["last_used_at"] == first


def dhru(parts: ApiDeps) -> Starlette:
    """The DHRU door over the same parts."""
    door = Door(
        db=parts.db,
        sealer=parts.sealer,
        catalog=parts.catalog,
        lookups=LookUps(parts.db),
        limit=parts.limiter.hit,
        used=parts.uses.note,
        placed=parts.placed,
        requests_per_minute=0,
        duplicate_window_seconds=parts.duplicate_window_seconds,
        max_body_bytes=parts.max_body_bytes,
        max_file_bytes=parts.max_file_bytes,
        file_link=parts.file_link,
    )
    return Starlette(routes=dhru_routes(door))


async def test_scopes_hold_over_dhru_in_its_words(bot: Bot, db: Database) -> None:
    calls = {
        "accountinfo": "money.read",
        "imeiservicelist": "services.read",
        "getimeiservicedetails": "services.read",
        "modellist": "services.read",
        "placeimeiorder": "orders.create",
        "placeimeiorderbulk": "orders.create",
        "getimeiorder": "orders.read",
        "getimeiorderbulk": "orders.read",
    }
    parameters = f"<PARAMETERS><ID>{bot.shop.imei_service}</ID><IMEI>{imei(1)}</IMEI></PARAMETERS>"
    async with (
        serving(dhru(bot.parts), proxy_headers=False) as url,
        httpx2.AsyncClient(base_url=url, timeout=30) as http,
    ):
        for action, needed in calls.items():
            key = await bot.key(scopes=[scope for scope in ALL_SCOPES if scope != needed])
            data = {"apiaccesskey": key, "action": action, "parameters": parameters}
            error = (await http.post("/api/index.php", data=data)).json()["ERROR"][0]
            assert error["MESSAGE"] == "Access denied for this API key"
            assert needed in error["FULL_DESCRIPTION"]
        # A scope that is taken away ends what is remembered: the statement that places looks again.
        placing = {"apiaccesskey": bot.shop.key, "action": "placeimeiorder", "parameters": parameters}
        assert "SUCCESS" in (await http.post("/api/index.php", data=placing)).json()
        async with db.transaction() as conn:
            await conn.execute("UPDATE api_keys SET scopes = '{money.read}' WHERE id = %s", (bot.shop.key_id,))
        placing["parameters"] = parameters.replace(imei(1), imei(2))
        assert "ERROR" in (await http.post("/api/index.php", data=placing)).json()
        async with db.pool.connection() as conn:
            row = await (await conn.execute("SELECT count(*) AS n FROM orders")).fetchone()
        assert row == {"n": 1}


async def test_an_address_is_believed_from_a_trusted_proxy_alone(bot: Bot) -> None:
    key = await bot.key(allowed_ips=["203.0.113.0/24"])
    forged = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"}
    refused(await bot.get("/account", headers=forged), 403, "address_refused")
    async with (
        serving(mounted(bot.parts), proxy_headers=True, forwarded_allow_ips=["127.0.0.1"]) as url,
        httpx2.AsyncClient(base_url=url + PREFIX, timeout=30) as http,
    ):
        assert read(await http.get("/account", headers=forged))
        # What a client itself put before the proxy's own entry counts for nothing.
        forged["X-Forwarded-For"] = "203.0.113.9, 198.51.100.4"
        refused(await http.get("/account", headers=forged), 403, "address_refused")
