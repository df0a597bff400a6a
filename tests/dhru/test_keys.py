"""Keys: revoked, expired, suspended, used from elsewhere, used too often; and what is remembered of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from starlette.applications import Starlette

from app.api.dhru import dhru_routes
from app.api.dhru.callers import MAX_REMEMBERED, Callers
from app.api.dhru.door import Door
from app.api.dhru.envelope import Envelope, read_envelope
from app.customers.keys import create_key, revoke_key
from app.customers.service import set_state
from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.dhru.conftest import Panel, xml
from tests.factories import IMEIS, Shop, imei, make_customer
from tests.serving import serving

ACTIONS = (
    "accountinfo",
    "imeiservicelist",
    "placeimeiorder",
    "placeimeiorderbulk",
    "getimeiorder",
    "getimeiorderbulk",
    "x",
)


async def messages(panel: Panel) -> set[str]:
    """Return what the door says to every action, with parameters that would do something."""
    order = xml({"ID": str(panel.shop.imei_service), "IMEI": IMEIS[4]})
    replies = [await panel.call(action, parameters=order) for action in ACTIONS]
    return {reply["ERROR"][0]["MESSAGE"] if "ERROR" in reply else "" for reply in replies}


async def warm(panel: Panel) -> None:
    """Make the door remember the key."""
    assert "SUCCESS" in await panel.place(panel.shop.imei_service, IMEIS[0])


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("parameters", ["an order", "broken"])
async def test_a_revoked_key_ends_at_once(panel: Panel, db: Database, action: str, parameters: str) -> None:
    await warm(panel)
    async with db.transaction() as conn:
        await revoke_key(conn, panel.shop.key_id)
    order = xml({"ID": str(panel.shop.imei_service), "IMEI": IMEIS[4]})
    reply = await panel.call(action, parameters=order if parameters == "an order" else "%%%")
    assert reply["ERROR"][0]["MESSAGE"] == "Authentication Failed"
    assert len(await panel.orders()) == 1


async def test_an_expired_key_ends_at_once(panel: Panel, db: Database) -> None:
    await warm(panel)
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET expires_at = now()")
    assert await messages(panel) == {"Authentication Failed"}


async def test_a_suspended_customer_ends_at_once_and_may_come_back(panel: Panel, db: Database) -> None:
    await warm(panel)
    async with db.transaction() as conn:
        await set_state(conn, panel.shop.customer_id, "suspended")
    assert await messages(panel) == {"Authentication Failed"}
    async with db.transaction() as conn:
        await set_state(conn, panel.shop.customer_id, "active")
    assert "SUCCESS" in await panel.place(panel.shop.imei_service, IMEIS[1])


async def test_an_address_that_is_no_longer_allowed(panel: Panel, db: Database) -> None:
    await warm(panel)
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET allowed_ips = '{203.0.113.0/24}'")
    assert await messages(panel) == {"Invalid IP Request"}
    reply = await panel.call("accountinfo")
    assert "127.0.0.1" in reply["ERROR"][0]["FULL_DESCRIPTION"]
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET allowed_ips = '{127.0.0.0/8}'")
    assert "SUCCESS" in await panel.place(panel.shop.imei_service, IMEIS[1])


async def test_forged_headers_do_not_change_the_address(panel: Panel, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET allowed_ips = '{203.0.113.7}'")
    for name in ("X-Forwarded-For", "X-Real-IP", "Client-IP", "CF-Connecting-IP"):
        values = {"apiaccesskey": panel.shop.key, "action": "accountinfo"}
        response = await panel.http.post(panel.path, data=values, headers={name: "203.0.113.7"})
        assert "Invalid IP Request" in response.text, name


async def test_a_username_is_compared_even_when_the_key_is_remembered(panel: Panel) -> None:
    await warm(panel)
    order = xml({"ID": str(panel.shop.imei_service), "IMEI": IMEIS[1]})
    for username in ("somebody", "reseller2"):
        reply = await panel.call("placeimeiorder", username=username, parameters=order)
        assert reply["ERROR"][0]["MESSAGE"] == "Authentication Failed"
    for username in ("", "RESELLER", " reseller ", "Reseller@Example.com"):
        reply = await panel.call("placeimeiorder", username=username, parameters=order)
        assert "SUCCESS" in reply, username


async def test_the_same_words_for_every_wrong_key(panel: Panel) -> None:
    replies = [
        await panel.call("accountinfo", apiaccesskey=key) for key in ("", "x", "tk_" + "a" * 43, "ключ", "a" * 9000)
    ]
    assert all(reply == replies[0] for reply in replies)


async def test_two_keys_of_one_customer(panel: Panel, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        second = await create_key(conn, sealer, panel.shop.customer_id, dialect="8.2")
    first = await panel.place(panel.shop.imei_service, IMEIS[0])
    order = xml({"ID": str(panel.shop.imei_service), "IMEI": IMEIS[0]})
    again = await panel.call("placeimeiorder", apiaccesskey=second.key, parameters=order)
    assert str(first["SUCCESS"][0]["REFERENCEID"]) == again["SUCCESS"][0]["REFERENCEID"]
    assert await panel.balance() == 998 * MICRO


@pytest.fixture
async def limited(door: Door, shop: Shop) -> AsyncIterator[Panel]:
    """A panel whose door allows three requests a minute."""
    door = replace(door, requests_per_minute=3)
    async with (
        serving(Starlette(routes=dhru_routes(door))) as url,
        httpx2.AsyncClient(base_url=url, timeout=30) as http,
    ):
        yield Panel(http=http, shop=shop, door=door)


async def test_the_limit_of_requests(limited: Panel, db: Database, sealer: Sealer) -> None:
    replies = [await limited.place(limited.shop.imei_service, imei(number)) for number in range(5)]
    assert ["SUCCESS" in reply for reply in replies] == [True, True, True, False, False]
    assert "calling this API too frequently" in replies[4]["ERROR"][0]["MESSAGE"]
    assert len(await limited.orders()) == 3
    # Another key has a limit of its own, and 0 means none.
    async with db.transaction() as conn:
        _, username, key, _ = await make_customer(conn, sealer, name="Another")
        free = await create_key(conn, sealer, limited.shop.customer_id, requests_per_minute=0)
    assert "SUCCESS" in await limited.call("accountinfo", username=username, apiaccesskey=key)
    for _ in range(6):
        assert "SUCCESS" in await limited.call("accountinfo", apiaccesskey=free.key)


async def test_a_status_call_beyond_the_limit_gets_silence(limited: Panel) -> None:
    for _ in range(3):
        await limited.call("accountinfo")
    for action in ("getimeiorder", "getimeiorderbulk"):
        # An ERROR would make some clients give the order up.
        response = await limited.send(action, parameters=xml({"ID": "1"}))
        assert (response.status_code, response.content) == (503, b"")
    assert "too frequently" in (await limited.call("imeiservicelist"))["ERROR"][0]["MESSAGE"]


async def test_a_strangers_requests_do_not_use_up_ours(limited: Panel) -> None:
    for _ in range(8):
        await limited.call("accountinfo", username="somebody")
        await limited.call("accountinfo", apiaccesskey="wrong")
    assert "SUCCESS" in await limited.call("accountinfo")


def envelope(shop: Shop, username: str = "") -> Envelope:
    return read_envelope([("apiaccesskey", shop.key), ("username", username)])


async def test_what_is_remembered_is_bounded_and_ages(door: Door, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("app.api.dhru.callers.time.monotonic", lambda: clock[0])
    callers = Callers(door)
    first = await callers.admit(envelope(shop), "127.0.0.1", None)
    assert await callers.admit(envelope(shop, "reseller"), "127.0.0.1", None) is first
    clock[0] += 31
    renewed = await callers.admit(envelope(shop), "127.0.0.1", None)
    assert renewed is not first
    async with door.db.transaction() as conn:
        keys = [await create_key(conn, door.sealer, shop.customer_id) for _ in range(3)]
    monkeypatch.setattr("app.api.dhru.callers.MAX_REMEMBERED", 2)
    assert MAX_REMEMBERED > 2
    for key in keys:
        await callers.admit(read_envelope([("key", key.key)]), None, None)
    assert await callers.admit(envelope(shop), "127.0.0.1", None) is not renewed


async def test_an_address_is_checked_in_parallel_too(panel: Panel, db: Database) -> None:
    await warm(panel)
    async with db.transaction() as conn:
        await revoke_key(conn, panel.shop.key_id)
    replies = await asyncio.gather(*(panel.place(panel.shop.imei_service, imei(number)) for number in range(20)))
    assert all(reply["ERROR"][0]["MESSAGE"] == "Authentication Failed" for reply in replies)
    assert len(await panel.orders()) == 1
