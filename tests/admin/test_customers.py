"""Customers: their keys are shown once and end at once, and what is taken or wrong is said."""

from typing import Any

import httpx2
import pytest

from app.customers.service import AddressRefused, Identity, authenticate
from app.db import Database
from app.errors import Unauthenticated
from app.sealing import Sealer
from tests.admin.conftest import ok, refused


async def create(owner: httpx2.AsyncClient, name: str = "Fix It", **more: Any) -> dict[str, Any]:
    """Create a customer with an address made of the name."""
    email = f"{name.lower().replace(' ', '.')}@example.com"
    return await ok(owner.post("customers", json={"name": name, "email": email, **more}), 201)


async def use(db: Database, sealer: Sealer, key: str, ip: str = "203.0.113.9") -> Identity:
    """Use a key as the doors do."""
    async with db.pool.connection() as conn:
        return await authenticate(conn, sealer.hashes(key), ip=ip)


async def test_a_key_is_shown_once_and_ends_at_once(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    path = f"customers/{(await create(owner))['id']}/keys"
    body = {"label": "panel", "dialect": "8.2", "allowed_ips": ["203.0.113.9", "198.51.100.0/24"]}
    made = await ok(owner.post(path, json=body), 201)
    assert made.keys() == {"id", "username", "key"}
    who = await use(db, sealer, made["key"])
    assert (who.username, who.dialect, who.requests_per_minute) == ("fix-it", "8.2", None)
    with pytest.raises(AddressRefused):
        await use(db, sealer, made["key"], ip="192.0.2.1")

    response = await owner.get(path)
    assert made["key"] not in response.text
    [listed] = response.json()["items"]
    assert listed["hint"] == made["key"][-4:]
    assert (listed["allowed_ips"], listed["revoked_at"]) == (["203.0.113.9/32", "198.51.100.0/24"], None)

    other = await create(owner, "Other")
    await refused(owner.delete(f"customers/{other['id']}/keys/{made['id']}"), 404, "not_found")
    await use(db, sealer, made["key"])
    for _ in range(2):
        assert await ok(owner.delete(f"{path}/{made['id']}")) == {"deleted": True}
    with pytest.raises(Unauthenticated):
        await use(db, sealer, made["key"])
    assert (await ok(owner.get(path)))["items"][0]["revoked_at"] is not None


async def test_a_key_that_cannot_be_is_refused(owner: httpx2.AsyncClient) -> None:
    path = f"customers/{(await create(owner))['id']}/keys"
    for body, field in (
        ({"dialect": "9"}, "dialect"),
        ({"allowed_ips": ["nowhere"]}, "allowed_ips"),
        ({"allowed_ips": "203.0.113.9"}, "allowed_ips"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"label": "x" * 201}, "label"),
    ):
        await refused(owner.post(path, json=body), 422, "invalid", field)
    assert (await ok(owner.get(path)))["items"] == []
    await refused(owner.post("customers/999/keys", json={}), 404, "not_found")
    await refused(owner.get("customers/999/keys"), 404, "not_found")


async def test_a_suspended_customers_keys_rest(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    customer = await create(owner)
    path = f"customers/{customer['id']}"
    key = (await ok(owner.post(f"{path}/keys", json={}), 201))["key"]
    assert (await ok(owner.patch(path, json={"state": "suspended"})))["state"] == "suspended"
    with pytest.raises(Unauthenticated):
        await use(db, sealer, key)
    await ok(owner.patch(path, json={"state": "active", "name": "Fix That"}))
    assert (await use(db, sealer, key)).name == "Fix That"


async def test_what_cannot_be_a_customer_is_refused(owner: httpx2.AsyncClient) -> None:
    customer = await create(owner, currency="EUR", credit_limit="7.5")
    assert (customer["currency"], customer["credit_limit"], customer["balance"]) == ("EUR", "7.50", "0.00")
    assert customer["statement"] == f"/api/admin/customers/{customer['id']}/statement"
    body = {"name": "A", "email": customer["email"]}
    await refused(owner.post("customers", json=body), 409, "conflict", "email")
    shouted = {"name": "A", "email": customer["email"].upper()}  # it is one mailbox, and one way into the portal
    await refused(owner.post("customers", json=shouted), 409, "conflict", "email")
    for changes, field in (
        ({"name": " "}, "name"),
        ({"email": "nobody"}, "email"),
        ({"currency": "usd"}, "currency"),
        ({"credit_limit": "-1"}, "credit_limit"),
        ({"price_group_id": 999}, "price_group_id"),
    ):
        new = {"name": "A", "email": "new@example.com", **changes}
        await refused(owner.post("customers", json=new), 422, "invalid", field)
    path = f"customers/{customer['id']}"
    for changes, field in (({"name": ""}, "name"), ({"state": "gone"}, "state"), ({"email": "x@y.z"}, "email")):
        await refused(owner.patch(path, json=changes), 422, "invalid", field)
    for change in ({"name": "A"}, {"state": "suspended"}, {"price_group_id": None}):
        await refused(owner.patch("customers/999", json=change), 404, "not_found")
    await refused(owner.get("customers/999"), 404, "not_found")
    assert len((await ok(owner.get("customers")))["items"]) == 1


async def test_customers_are_searched_and_read_page_by_page(owner: httpx2.AsyncClient) -> None:
    for name in ("Alpha One", "Alpha Two", "Beta", "Alpha Three", "100%"):
        await create(owner, name)
    page = await ok(owner.get("customers", params={"search": "ALPHA", "limit": 2}))
    rest = await ok(owner.get("customers", params={"search": "ALPHA", "limit": 2, "cursor": page["next_cursor"]}))
    assert [row["name"] for row in page["items"] + rest["items"]] == ["Alpha One", "Alpha Two", "Alpha Three"]
    assert rest["next_cursor"] is None
    assert [row["name"] for row in (await ok(owner.get("customers", params={"search": "%"})))["items"]] == ["100%"]
