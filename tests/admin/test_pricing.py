"""Prices over HTTP: rules, a look before they are made, what waits and is decided, and what every price ever was."""

from typing import Any

import httpx2
import pytest

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.admin.conftest import ClientOf, ok, refused, token_for
from tests.factories import Shop, make_route, make_service, make_shop

RULE = {"percent": "50", "rounding_step": "0.05"}


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """An IMEI check at 2.00 and a server service at 5.00 that cost 1.00 and 3.00."""
    return await make_shop(db, sealer)


async def history(owner: httpx2.AsyncClient, service_id: int) -> list[tuple[Any, ...]]:
    """Old and new price, source and who, the newest first."""
    found = await ok(owner.get(f"services/{service_id}/prices/history"))
    return [(row["old"], row["new"], row["source"], row["staff"]) for row in found["items"]]


async def test_a_rule_is_set_up_changed_and_removed(owner: httpx2.AsyncClient, shop: Shop) -> None:
    made = await ok(
        owner.post("markup-rules", json={"service_id": shop.imei_service, "percent": "12.5", "fixed": "0.10"}), 201
    )
    assert made == {
        "id": made["id"],
        "price_group_id": None,
        "service_group_id": None,
        "service_id": shop.imei_service,
        "currency": "USD",
        "percent": "12.50",
        "fixed": "0.10",
        "floor": "0.00",
        "least_margin": "0.00",
        "rounding_step": "0.000001",
        "rounding_ending": "0.00",
        "up_percent": 20,
        "down_percent": 20,
        "cost_basis": "dearest",
    }
    path = f"markup-rules/{made['id']}"
    changed = await ok(owner.patch(path, json={"percent": 30, "up_percent": None, "cost_basis": "first"}))
    assert changed == {**made, "percent": "30.00", "up_percent": None, "cost_basis": "first"}
    assert await ok(owner.get(path)) == changed
    await ok(owner.post("markup-rules", json={"percent": 0}), 201)
    first = await ok(owner.get("markup-rules", params={"limit": 1}))
    assert first["items"] == [changed]
    second = await ok(owner.get("markup-rules", params={"limit": 1, "cursor": first["next_cursor"]}))
    assert (len(second["items"]), second["next_cursor"]) == (1, None)
    await refused(owner.post("markup-rules", json={"service_id": shop.imei_service, "percent": 1}), 409, "conflict")
    await refused(owner.post("markup-rules", json={"percent": 1}), 409, "conflict")
    await refused(owner.post("markup-rules", json={}), 422, "invalid", "percent")
    assert await ok(owner.delete(path)) == {"deleted": True}
    await refused(owner.delete(path), 404, "not_found")
    await refused(owner.get(path), 404, "not_found")
    await refused(owner.patch(path, json={}), 404, "not_found")
    await refused(owner.post(f"{path}/adopt"), 404, "not_found")


async def test_a_rule_that_cannot_be_is_refused(owner: httpx2.AsyncClient, shop: Shop) -> None:
    euros = await ok(owner.post("price-groups", json={"name": "E", "currency": "EUR"}), 201)
    for body, status, code, field in (
        ({"service_id": 999}, 404, "not_found", "service_id"),
        ({"service_group_id": 999}, 404, "not_found", "service_group_id"),
        ({"price_group_id": 999}, 404, "not_found", "price_group_id"),
        ({"service_id": shop.imei_service, "service_group_id": 1}, 422, "invalid", "service_id"),
        ({"service_id": shop.imei_service, "currency": "EUR"}, 422, "invalid", "currency"),
        ({"price_group_id": euros["id"]}, 422, "invalid", "currency"),
        ({"percent": "-1"}, 422, "invalid", "percent"),
        ({"percent": "0.001"}, 422, "invalid", "percent"),
        ({"fixed": "-1"}, 422, "invalid", "fixed"),
        ({"rounding_step": 0}, 422, "invalid", "rounding_step"),
        ({"rounding_step": "1", "rounding_ending": "1"}, 422, "invalid", "rounding_ending"),
        ({"up_percent": 1001}, 422, "invalid", "up_percent"),
        ({"down_percent": 101}, 422, "invalid", "down_percent"),
        ({"cost_basis": "cheapest"}, 422, "invalid", "cost_basis"),
    ):
        await refused(owner.post("markup-rules", json={"percent": 1, **body}), status, code, field)
    made = await ok(owner.post("markup-rules", json={"percent": 1, "rounding_step": "1"}), 201)
    path = f"markup-rules/{made['id']}"
    await refused(owner.patch(path, json={"rounding_ending": "1"}), 422, "invalid", "rounding_ending")
    await refused(owner.patch(path, json={"percent": None}), 422, "invalid", "percent")
    await refused(owner.patch(path, json={"cost_basis": None}), 422, "invalid", "cost_basis")


async def test_prices_are_looked_at_then_made_then_decided(owner: httpx2.AsyncClient, shop: Shop) -> None:
    rule = await ok(owner.post("markup-rules", json=RULE), 201)
    [imei, server] = (await ok(owner.get("pricing")))["items"]
    assert [line["verdict"] for line in (*imei["prices"], *server["prices"])] == ["by_hand", "by_hand"]
    assert await ok(owner.post(f"markup-rules/{rule['id']}/adopt")) == {"adopted": 2}
    page = await ok(owner.get("pricing", params={"limit": 1}))
    assert page["items"] == [
        {
            "service_id": shop.imei_service,
            "service": "IMEI check",
            "prices": [
                {
                    "price_group_id": None,
                    "price_group": None,
                    "currency": "USD",
                    "rule_id": rule["id"],
                    "cost": "1.00",
                    "old": "2.00",
                    "new": "1.50",
                    "margin_before": "1.00",
                    "margin_after": "0.50",
                    "verdict": "wait",
                }
            ],
        }
    ]
    page = await ok(owner.get("pricing", params={"limit": 1, "cursor": page["next_cursor"]}))
    assert (page["items"][0]["prices"][0]["verdict"], page["next_cursor"]) == ("apply", None)
    assert (await ok(owner.get("price-changes")))["items"] == [], "a look changes nothing"
    assert await ok(owner.post("pricing")) == {"applied": 1, "waiting": 1, "without_cost": 0}
    assert await ok(owner.post("pricing")) == {"applied": 0, "waiting": 1, "without_cost": 0}
    assert (await ok(owner.get(f"services/{shop.server_service}")))["price"] == "4.50"
    [change] = (await ok(owner.get("price-changes")))["items"]
    assert (change["old"], change["new"], change["cost"], change["margin"], change["price"]) == (
        "2.00", "1.50", "1.00", "0.50", "2.00",
    )  # fmt: skip
    path = f"price-changes/{change['id']}"
    assert await ok(owner.get(path)) == change
    assert (await ok(owner.post(f"{path}/reject")))["state"] == "rejected"
    await refused(owner.post(f"{path}/reject"), 409, "conflict")
    approved = await ok(owner.post(f"{path}/approve"))
    assert (approved["state"], approved["price"], approved["staff_id"]) == ("approved", "1.50", 1)
    undone = await ok(owner.post(f"{path}/undo"))
    assert (undone["state"], undone["price"]) == ("undone", "2.00")
    everything = (await ok(owner.get("price-changes", params={"state": "all"})))["items"]
    assert sorted(row["state"] for row in everything) == ["applied", "undone"]
    of_one = await ok(owner.get("price-changes", params={"state": "all", "service_id": shop.server_service}))
    assert [row["state"] for row in of_one["items"]] == ["applied"]


async def test_many_are_approved_at_once(owner: httpx2.AsyncClient, shop: Shop) -> None:
    rule = await ok(owner.post("markup-rules", json={**RULE, "up_percent": 0, "down_percent": 0}), 201)
    gold = await ok(owner.post("price-groups", json={"name": "Gold"}), 201)
    await ok(owner.put(f"price-groups/{gold['id']}/prices/{shop.imei_service}", json={"price": "1.80"}))
    body = {"price_group_id": gold["id"], "percent": "20", "up_percent": 0, "down_percent": 0}
    group_rule = await ok(owner.post("markup-rules", json=body), 201)
    for one in (rule, group_rule):
        await ok(owner.post(f"markup-rules/{one['id']}/adopt"))
    assert (await ok(owner.post("pricing")))["waiting"] == 4
    ids = [change["id"] for change in (await ok(owner.get("price-changes")))["items"]]
    rejected = await ok(owner.post("price-changes/reject", json={"ids": [ids[0], 10**6]}))
    assert rejected == {"rejected": 1, "skipped": 1}
    assert (await ok(owner.post(f"price-changes/{ids[0]}/approve")))["state"] == "approved"
    ids = ids[1:]
    assert await ok(owner.post("price-changes/approve", json={"ids": [*ids, 10**6]})) == {"approved": 3, "skipped": 1}
    assert await ok(owner.post("price-changes/approve", json={"ids": ids})) == {"approved": 0, "skipped": 3}
    items = (await ok(owner.get(f"price-groups/{gold['id']}/prices")))["items"]
    assert [item["price"] for item in items] == ["1.20", "3.60"]
    assert await ok(owner.post("pricing")) == {"applied": 0, "waiting": 0, "without_cost": 0}
    for how in ("approve", "reject", "undo"):
        await refused(owner.post(f"price-changes/999/{how}"), 404, "not_found")
    await refused(owner.post("price-changes/approve", json={"ids": []}), 422, "invalid", "ids")


async def test_a_price_set_by_hand_leaves_the_rules_until_it_is_handed_back(
    owner: httpx2.AsyncClient, shop: Shop
) -> None:
    path = f"services/{shop.imei_service}"
    await ok(owner.post("markup-rules", json={"percent": "90"}), 201)
    assert (await ok(owner.patch(path, json={"price_source": "rule"})))["price_source"] == "rule"
    assert (await ok(owner.post("pricing")))["applied"] == 1
    assert (await ok(owner.get(path)))["price"] == "1.90"
    same = await ok(owner.patch(path, json={"price": "1.90", "info": "text"}))
    assert same["price_source"] == "rule", "the price that it has is none that was set"
    assert (await ok(owner.patch(path, json={"price": "1.75"})))["price_source"] == "manual"
    assert (await ok(owner.post("pricing")))["applied"] == 0
    both = await ok(owner.patch(path, json={"price": "1.80", "price_source": "rule"}))
    assert (both["price"], both["price_source"]) == ("1.80", "rule")
    assert (await ok(owner.post("pricing")))["applied"] == 1
    assert await history(owner, shop.imei_service) == [
        ("1.80", "1.90", "rule", "owner"),
        ("1.75", "1.80", "rule", "owner"),
        ("1.90", "1.75", "manual", "owner"),
        ("2.00", "1.90", "rule", "owner"),
        (None, "2.00", "manual", None),
    ]


async def test_every_price_of_a_service_is_kept_with_who_set_it(
    owner: httpx2.AsyncClient, client_of: ClientOf, db: Database, sealer: Sealer, shop: Shop
) -> None:
    operator = await client_of(await token_for(db, sealer, "operator"))
    gold = await ok(owner.post("price-groups", json={"name": "Gold"}), 201)
    group = f"price-groups/{gold['id']}/prices/{shop.imei_service}"
    own = f"customers/{shop.customer_id}/prices/{shop.imei_service}"
    await ok(operator.put(group, json={"price": "1.80"}))
    await ok(owner.put(group, json={"price": "1.70"}))
    await ok(owner.put(group, json={"price": "1.70"}))
    await ok(owner.delete(group))
    await ok(operator.put(own, json={"price": "1.60"}))
    await ok(owner.delete(own))
    assert await history(owner, shop.imei_service) == [
        ("1.60", None, "manual", "owner"),
        (None, "1.60", "manual", "operator"),
        ("1.70", None, "manual", "owner"),
        ("1.80", "1.70", "manual", "owner"),
        (None, "1.80", "manual", "operator"),
        (None, "2.00", "manual", None),
    ]
    path = f"services/{shop.imei_service}/prices/history"
    first = await ok(owner.get(path, params={"limit": 2}))
    assert [(row["customer"], row["price_group"]) for row in first["items"]] == [("reseller", None)] * 2
    second = await ok(owner.get(path, params={"limit": 100, "cursor": first["next_cursor"]}))
    assert [row["price_group"] for row in second["items"]] == ["Gold"] * 3 + [None]
    assert second["next_cursor"] is None
    await refused(owner.get("services/999/prices/history"), 404, "not_found")


async def test_what_everything_costs_a_customer_and_why(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    gold = await ok(owner.post("price-groups", json={"name": "Gold"}), 201)
    await ok(owner.patch(f"customers/{shop.customer_id}", json={"price_group_id": gold["id"]}))
    async with db.transaction() as conn:
        third = await make_service(conn, name="Third", price=9 * MICRO)
        foreign = await make_service(conn, name="Foreign", currency="EUR")
        await make_service(conn, name="Hidden", state="hidden")
        # A second route that is dearer than the price of the customer's group.
        remote = await conn.execute("SELECT id FROM remote_services WHERE remote_id = '2'")
        row = await remote.fetchone()
        assert row is not None
        await make_route(conn, shop.imei_service, row["id"], priority=200)
    for service_id, price in ((shop.imei_service, "1.80"), (shop.server_service, "4.00")):
        await ok(owner.put(f"price-groups/{gold['id']}/prices/{service_id}", json={"price": price}))
    await ok(owner.put(f"customers/{shop.customer_id}/prices/{shop.server_service}", json={"price": "3.50"}))
    path = f"customers/{shop.customer_id}/prices/effective"
    found = (await ok(owner.get(path)))["items"]
    assert [(row["service_id"], row["price"], row["source"], row["cost"], row["margin"]) for row in found] == [
        (shop.imei_service, "1.80", "group", "3.00", "-1.20"),
        (shop.server_service, "3.50", "own", "3.00", "0.50"),
        (third, "9.00", "list", None, None),
        (foreign, None, None, None, None),
    ]
    pages, cursor = [], None
    while True:
        page = await ok(owner.get(path, params={"limit": 1, **({"cursor": cursor} if cursor else {})}))
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == found
    assert [row["service"] for row in (await ok(owner.get(path, params={"search": "thi"})))["items"]] == ["Third"]
    await refused(owner.get("customers/999/prices/effective"), 404, "not_found")


async def test_what_a_customer_is_shown_is_what_orders_are_charged_by(
    owner: httpx2.AsyncClient, db: Database, shop: Shop
) -> None:
    gold = await ok(owner.post("price-groups", json={"name": "Gold"}), 201)
    await ok(owner.patch(f"customers/{shop.customer_id}", json={"price_group_id": gold["id"]}))
    for path in (
        f"price-groups/{gold['id']}/prices/{shop.imei_service}",
        f"price-groups/{gold['id']}/prices/{shop.server_service}",
        f"customers/{shop.customer_id}/prices/{shop.server_service}",
    ):
        await ok(owner.put(path, json={"price": "0.75" if "customers" in path else "1.25"}))
    found = (await ok(owner.get(f"customers/{shop.customer_id}/prices/effective")))["items"]
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT v.id, p.price FROM services v, customers c, price_for(v.id, c.id, c.price_group_id, c.currency) p"
            " ORDER BY v.id"
        )
        charged = {row["id"]: f"{row['price'] / MICRO:.2f}" for row in await cursor.fetchall()}
    assert {row["service_id"]: row["price"] for row in found} == charged
