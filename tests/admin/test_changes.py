"""Suppliers' changes over HTTP: seen with what they do to the margins, decided, limited."""

from typing import Any

import httpx2

from app.connectors.base import RemoteService, ServiceType
from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.sync import apply_catalog
from tests.admin.conftest import ok, refused
from tests.factories import Shop, make_shop
from tests.fakes.dhru import FakeDhru, Fault, serving_fake


async def offer(db: Database, shop: Shop, **costs: int) -> None:
    """Read a list of the shop's supplier: ``r1`` and ``r2`` are the costs of its services in micro-units."""
    services = [
        RemoteService("1", "Remote 1", "Theirs", ServiceType.IMEI, costs.get("r1", MICRO)),
        RemoteService("2", "Remote 2", "Theirs", ServiceType.SERVER, costs.get("r2", 3 * MICRO)),
    ]
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET fields = '[]'")
        await apply_catalog(conn, shop.supplier_id, services)


async def the_route(owner: httpx2.AsyncClient, shop: Shop) -> dict[str, Any]:
    """The route of the IMEI service."""
    [row] = (await ok(owner.get("routes", params={"service_id": shop.imei_service})))["items"]
    found: dict[str, Any] = row
    return found


async def test_a_rise_is_seen_and_approved(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await offer(db, shop, r1=15 * MICRO // 10)
    [change] = (await ok(owner.get(f"suppliers/{shop.supplier_id}/changes")))["items"]
    assert (change["kind"], change["state"], change["remote_id"], change["remote_name"]) == (
        "price", "waiting", "1", "Remote 1",
    )  # fmt: skip
    assert (change["old"]["cost"], change["new"]["cost"], change["currency"]) == ("1.00", "1.50", "USD")
    assert change["effects"] == [
        {
            "service_id": shop.imei_service,
            "service": "IMEI check",
            "currency": "USD",
            "price": "2.00",
            "old_cost": "1.00",
            "new_cost": "1.50",
            "margin_before": "1.00",
            "margin_after": "0.50",
        }
    ]
    assert (await the_route(owner, shop))["blocked"] == "a price change waits for approval"
    approved = await ok(owner.post(f"changes/{change['id']}/approve"))
    staff = (await ok(owner.get(f"changes/{change['id']}")))["staff_id"]
    assert (approved["state"], approved["staff_id"], staff) == ("approved", 1, 1)
    assert approved["decided_at"] is not None
    route = await the_route(owner, shop)
    assert (route["cost"], route["blocked"]) == ("1.50", None)
    await refused(owner.post(f"changes/{change['id']}/approve"), 409, "conflict")
    undone = await ok(owner.post(f"changes/{change['id']}/undo"))
    assert undone["state"] == "undone"
    assert (await the_route(owner, shop))["blocked"] == "a price change was not accepted"


async def test_a_rise_is_rejected(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await offer(db, shop, r1=15 * MICRO // 10)
    [change] = (await ok(owner.get(f"suppliers/{shop.supplier_id}/changes")))["items"]
    await refused(owner.post(f"changes/{change['id']}/undo"), 409, "conflict")
    assert (await ok(owner.post(f"changes/{change['id']}/reject")))["state"] == "rejected"
    await refused(owner.post(f"changes/{change['id']}/reject"), 409, "conflict")
    assert (await the_route(owner, shop))["blocked"] == "a price change was not accepted"


async def test_many_are_approved_at_once_and_read_page_by_page(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    path = f"suppliers/{shop.supplier_id}/changes"
    await offer(db, shop, r1=5 * MICRO, r2=9 * MICRO)
    first = await ok(owner.get(path, params={"limit": 1}))
    second = await ok(owner.get(path, params={"limit": 1, "cursor": first["next_cursor"]}))
    ids = [first["items"][0]["id"], second["items"][0]["id"]]
    assert second["next_cursor"] is None
    assert await ok(owner.post(f"{path}/approve", json={"ids": [*ids, 10**6]})) == {"approved": 2, "skipped": 1}
    assert await ok(owner.post(f"{path}/approve", json={"ids": ids})) == {"approved": 0, "skipped": 2}
    assert (await ok(owner.get(path)))["items"] == []
    assert len((await ok(owner.get(path, params={"state": "approved"})))["items"]) == 2
    assert {row["kind"] for row in (await ok(owner.get(path, params={"state": "all"})))["items"]} >= {"price"}
    for body, field in (({}, "ids"), ({"ids": []}, "ids"), ({"ids": [0]}, "ids.0"), ({"ids": "1"}, "ids")):
        await refused(owner.post(f"{path}/approve", json=body), 422, "invalid", field)


async def test_many_are_rejected_at_once(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    shop, other = await make_shop(db, sealer), await make_shop(db, sealer, name="Other")
    path = f"suppliers/{shop.supplier_id}/changes"
    await offer(db, shop, r1=5 * MICRO, r2=9 * MICRO)
    ids = [change["id"] for change in (await ok(owner.get(path)))["items"]]
    elsewhere = f"suppliers/{other.supplier_id}/changes/reject"
    assert await ok(owner.post(elsewhere, json={"ids": ids})) == {"rejected": 0, "skipped": 2}
    assert await ok(owner.post(f"{path}/reject", json={"ids": [*ids, 10**6]})) == {"rejected": 2, "skipped": 1}
    assert await ok(owner.post(f"{path}/approve", json={"ids": ids})) == {"approved": 0, "skipped": 2}
    rejected = (await ok(owner.get(path, params={"state": "rejected"})))["items"]
    assert [change["staff_id"] for change in rejected] == [1, 1]
    assert (await the_route(owner, shop))["blocked"] == "a price change was not accepted"
    await refused(owner.post(f"{path}/reject", json={"ids": []}), 422, "invalid", "ids")


async def test_what_is_not_there_is_not_found(owner: httpx2.AsyncClient) -> None:
    await refused(owner.get("suppliers/7/changes"), 404, "not_found")
    for how in ("approve", "reject"):
        await refused(owner.post(f"suppliers/7/changes/{how}", json={"ids": [1]}), 404, "not_found")
    await refused(owner.get("changes/7"), 404, "not_found")
    for how in ("approve", "reject", "undo"):
        await refused(owner.post(f"changes/7/{how}"), 404, "not_found")


async def test_limits_are_seen_and_changed(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    path = f"suppliers/{shop.supplier_id}"
    defaults = {
        "price_up_percent": 20,
        "price_down_percent": 50,
        "apply_new": True,
        "apply_names": True,
        "apply_fields": True,
        "apply_removed": True,
        "missing_limit": 3,
    }
    assert (await ok(owner.get(path)))["limits"] == defaults
    body = {"limits": {"price_up_percent": None, "apply_names": False}}
    changed = {**defaults, "price_up_percent": None, "apply_names": False}
    assert (await ok(owner.patch(path, json=body)))["limits"] == changed
    assert (await ok(owner.patch(path, json={"name": "Other"})))["limits"] == changed
    assert (await ok(owner.get("suppliers")))["items"][0]["limits"] == changed
    for limits, field in (
        ({"price_up_percent": 1001}, "limits.price_up_percent"),
        ({"price_down_percent": 101}, "limits.price_down_percent"),
        ({"missing_limit": 0}, "limits.missing_limit"),
        ({"missing_limit": None}, "limits.missing_limit"),
        ({"apply_new": None}, "limits.apply_new"),
        ({"apply_new": "yes"}, "limits.apply_new"),
        ({"nonsense": 1}, "limits.nonsense"),
    ):
        await refused(owner.patch(path, json={"limits": limits}), 422, "invalid", field)
    await offer(db, shop, r1=19 * MICRO // 10)
    assert (await ok(owner.get(f"{path}/changes")))["items"] == []


async def test_a_reading_says_what_waits(owner: httpx2.AsyncClient, supplier_url: str, db: Database) -> None:
    config = {"base_url": supplier_url, "username": "us", "api_key": "their-secret-key"}
    made = await ok(owner.post("suppliers", json={"name": "A", "kind": "dhru", "config": config}), 201)
    path = f"suppliers/{made['id']}"
    await ok(owner.patch(path, json={"limits": {"apply_new": False}}))
    first = await ok(owner.post(f"{path}/sync"))
    assert first == {"added": 0, "changed": 0, "removed": 0, "held": 0, "waiting": first["waiting"]}
    assert first["waiting"] > 5
    assert (await ok(owner.get(f"{path}/services")))["items"] == []
    waiting = (await ok(owner.get(f"{path}/changes")))["items"]
    ids = [change["id"] for change in waiting]
    assert (await ok(owner.post(f"{path}/changes/approve", json={"ids": ids})))["approved"] == first["waiting"]
    assert len((await ok(owner.get(f"{path}/services")))["items"]) == first["waiting"]
    assert (await ok(owner.post(f"{path}/sync")))["waiting"] == 0


async def test_a_list_that_really_shrank_is_believed_once(owner: httpx2.AsyncClient, db: Database) -> None:
    fake = FakeDhru()
    async with serving_fake(fake) as url:
        made = await ok(owner.post("suppliers", json={"name": "A", "kind": "dhru", "config": fake.config(url)}), 201)
        path = f"suppliers/{made['id']}/sync"
        known = (await ok(owner.post(path)))["added"]
        shrunk = Fault("list_halved", "imeiservicelist", times=-1)
        fake.script(shrunk)
        async with db.transaction() as conn:  # what they had beside it, so that less than half is left
            await conn.execute(
                "INSERT INTO remote_services (supplier_id, remote_id, name, group_name, type, cost, time, info,"
                " takes_serial, takes_quantity, fields) SELECT supplier_id, 'x' || remote_id, name, group_name, type,"
                " cost, time, info, false, false, '[]' FROM remote_services"
            )
        held = await ok(owner.post(path))
        assert (held["removed"], held["held"] > known) == (0, True)
        assert await ok(owner.post(f"{path}?believe=true")) == {**held, "removed": held["held"], "held": 0}
        await refused(owner.post(f"{path}?believe=perhaps"), 422, "invalid", "believe")
    removed = (await ok(owner.get(f"suppliers/{made['id']}/changes?state=approved&limit=100")))["items"]
    assert len(removed) == held["held"]
    assert {change["staff_id"] for change in removed} == {1}
