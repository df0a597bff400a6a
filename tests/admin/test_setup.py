"""A shop from nothing by HTTP alone, with a supplier that really answers."""

import httpx2

from app.catalog.snapshot import load_catalog
from app.customers.service import authenticate
from app.db import Database
from app.orders.service import place
from app.orders.wishes import make_wish
from app.sealing import Sealer
from tests.admin.conftest import SUPPLIER_USER, config, ok
from tests.factories import IMEIS


async def test_a_shop_from_nothing(owner: httpx2.AsyncClient, db: Database, sealer: Sealer, supplier_url: str) -> None:
    kinds = await ok(owner.get("kinds"))
    dhru = next(kind for kind in kinds["items"] if kind["kind"] == "dhru")
    assert dhru["secrets"] == ["api_key"]
    assert {"base_url", "username", "api_key"} <= dhru["config_schema"]["properties"].keys()

    supplier = await ok(
        owner.post("suppliers", json={"name": "Simulator", "kind": "dhru", "config": config(supplier_url)}), 201
    )
    path = f"suppliers/{supplier['id']}"
    assert supplier["config"]["username"] == SUPPLIER_USER
    assert supplier["balance"] is None

    tried = await ok(owner.post(f"{path}/test"))
    assert tried["ok"] is True
    assert tried["services"] > 5
    assert tried["currency"] == "USD"
    assert (await ok(owner.get(path)))["balance"] == tried["balance"] is not None

    synced = await ok(owner.post(f"{path}/sync"))
    assert synced == {"added": tried["services"], "changed": 0, "removed": 0, "held": 0, "waiting": 0}
    assert await ok(owner.post(f"{path}/sync")) == {"added": 0, "changed": 0, "removed": 0, "held": 0, "waiting": 0}

    listed = await ok(owner.get(f"{path}/services", params={"search": "carrier"}))
    [remote] = listed["items"]
    assert (remote["remote_id"], remote["cost"], remote["currency"], remote["type"]) == ("101", "0.09", "USD", "imei")

    service = await ok(
        owner.post("services", json={"name": "Carrier", "group": "Checks", "type": "imei", "price": "0.20"}), 201
    )
    assert (service["price"], service["device"], service["group"]) == ("0.20", "imei", "Checks")
    route = await ok(owner.post("routes", json={"service_id": service["id"], "remote_service_id": remote["id"]}), 201)
    assert route["warnings"] == []

    customer = await ok(owner.post("customers", json={"name": "Fix It", "email": "a@fix.example"}), 201)
    assert (customer["balance"], customer["currency"], customer["username"]) == ("0.00", "USD", "fix-it")
    path = f"customers/{customer['id']}"
    topped = await ok(owner.post(f"{path}/topups", json={"amount": "12.50", "reference": "bank 1"}), 201)
    assert (topped["balance"], topped["new"]) == ("12.50", True)
    price = await ok(owner.put(f"{path}/prices/{service['id']}", json={"price": "0.15"}))
    assert price == {"service_id": service["id"], "price": "0.15", "currency": "USD"}
    key = await ok(owner.post(f"{path}/keys", json={"label": "panel", "requests_per_minute": 0}), 201)
    assert key["key"].startswith("tk_")

    async with db.pool.connection() as conn:
        who = await authenticate(conn, sealer.hashes(key["key"]), ip="127.0.0.1", username=key["username"])
        catalog = await load_catalog(conn)
        wish = make_wish(catalog.services[service["id"]], device=IMEIS[0], quantity=None, fields={})
        [outcome] = await place(
            conn,
            [wish],
            key_id=who.key_id,
            ip="127.0.0.1",
            catalog_version=catalog.version,
            source="test",
            window_seconds=30,
        )
    assert outcome.kind == "placed"
    assert (await ok(owner.get(path)))["balance"] == "12.35"

    story = await ok(owner.get(f"orders/{outcome.order_id}"))
    assert (story["state"], story["price"], story["device"]) == ("accepted", "0.15", IMEIS[0])
    assert [transfer["kind"] for transfer in story["transfers"]] == ["charge"]
    assert [attempt["state"] for attempt in story["attempts"]] == ["prepared"]
    statement = await ok(owner.get(f"{path}/statement"))
    assert [(row["kind"], row["change"]) for row in statement["items"]] == [("charge", "-0.15"), ("topup", "12.50")]

    rejected = await ok(owner.post(f"orders/{outcome.order_id}/reject", json={"reason": "Not offered any more."}))
    assert rejected["state"] == "rejected"
    assert (await ok(owner.get(path)))["balance"] == "12.50"
    audit = await ok(owner.get("audit"))
    assert audit.pop("seconds") > 0
    counts = {"accounts": 5, "transfers": 3, "orders": 1, "attempts": 1}
    assert audit == {"ok": True, **counts, "breaks": {}, "findings": []}
