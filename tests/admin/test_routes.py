"""Routes: what will go wrong is said when they are made, and what was used is never forgotten."""

import httpx2
import pytest

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import ok, refused
from tests.factories import make_remote_service, make_route, make_service, make_shop, make_supplier


@pytest.mark.parametrize(
    ("remote", "service", "warning"),
    [
        ({"cost": 2_000_001}, {}, "The cost of 2.000001 is above the price of 2.00"),
        ({"cost": None}, {}, "The route may not be used now: the supplier's price is not known."),
        ({"type": "server"}, {}, "The service is of type imei, the remote service of type server."),
        ({}, {"device": "none"}, "The remote service is bought for a device"),
        ({}, {"takes_quantity": True, "max_quantity": 5}, "The service is sold by quantity"),
        ({"fields": [{"name": " Email ", "required": True}]}, {}, "The supplier requires the field Email"),
        ({"fields": [{"name": "Email ", "required": True}]}, {"fields": [{"name": "email"}]}, None),
        ({"fields": [{"name": "Email", "required": False}]}, {}, None),
        ({}, {}, None),
    ],
)
async def test_warnings(
    owner: httpx2.AsyncClient,
    db: Database,
    sealer: Sealer,
    *,
    remote: dict[str, object],
    service: dict[str, object],
    warning: str | None,
) -> None:
    async with db.transaction() as conn:
        supplier_id = await make_supplier(conn, sealer)
        remote_id = await make_remote_service(conn, supplier_id, **remote)  # type: ignore[arg-type]  # of many kinds
        service_id = await make_service(conn, **service)  # type: ignore[arg-type]
    body = {"service_id": service_id, "remote_service_id": remote_id}
    made = await ok(owner.post("routes", json=body), 201)
    assert len(made["warnings"]) == (warning is not None)
    if warning is not None:
        assert made["warnings"][0].startswith(warning)
    await refused(owner.post("routes", json=body), 409, "conflict", "remote_service_id")


async def test_a_paused_supplier_and_customers_prices_are_warned_of(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    await ok(owner.patch(f"suppliers/{shop.supplier_id}", json={"state": "paused"}))
    await ok(owner.put(f"customers/{shop.customer_id}/prices/{shop.imei_service}", json={"price": "0.50"}))
    [route] = (await ok(owner.get("routes", params={"service_id": shop.imei_service})))["items"]
    assert route["blocked"] == "the supplier is paused"
    assert (await ok(owner.get(f"routes/{route['id']}")))["warnings"] == [
        "The cost is above 1 of the customers' own prices.",
        "The route may not be used now: the supplier is paused.",
    ]


async def test_another_currency_is_refused(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        remote_id = await make_remote_service(conn, await make_supplier(conn, sealer, currency="EUR"))
        service_id = await make_service(conn)
    body = {"service_id": service_id, "remote_service_id": remote_id}
    await refused(owner.post("routes", json=body), 422, "currency_mismatch", "remote_service_id")
    await refused(owner.post("routes", json={**body, "service_id": 999}), 404, "not_found", "service_id")
    await refused(owner.post("routes", json={**body, "remote_service_id": 999}), 404, "not_found", "remote_service_id")
    assert (await ok(owner.get("routes")))["items"] == []


async def test_routes_are_changed_paused_and_resumed(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    [route] = (await ok(owner.get("routes", params={"service_id": shop.imei_service})))["items"]
    path = f"routes/{route['id']}"
    assert (route["priority"], route["cost"], route["price"], route["blocked"]) == (100, "1.00", "2.00", None)
    changed = await ok(owner.patch(path, json={"priority": 7}))
    assert (changed["priority"], changed["state"]) == (7, "active")
    assert (await ok(owner.patch(path, json={"state": "paused"})))["blocked"] == "the route is paused"
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET paused_until = now() + interval '1 hour', pause_reason = 'off'")
    assert (await ok(owner.patch(path, json={"state": "active"})))["blocked"] is None
    await refused(owner.patch(path, json={"priority": -1}), 422, "invalid", "priority")
    await refused(owner.patch(path, json={"priority": 2**40}), 422, "invalid", "priority")
    await refused(owner.patch("routes/999", json={"priority": 1}), 404, "not_found")


async def test_a_used_route_is_paused_and_not_deleted(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        remote_id = await make_remote_service(conn, shop.supplier_id, remote_id="9")
        unused = await make_route(conn, shop.imei_service, remote_id)
        await conn.execute(
            "INSERT INTO orders (customer_id, service_id, price, currency, quantity, device, fields, fingerprint,"
            " guarded, source) VALUES (%s, %s, 0, 'USD', 1, '', '{}', '', false, 'test')",
            (shop.customer_id, shop.imei_service),
        )
        await conn.execute(
            "INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id)"
            " SELECT o.id, 1, r.id, %s, r.remote_service_id FROM orders o, routes r"
            " WHERE r.id <> %s AND r.service_id = %s",
            (shop.supplier_id, unused, shop.imei_service),
        )
    assert await ok(owner.delete(f"routes/{unused}")) == {"id": unused, "deleted": True, "state": "deleted"}
    await refused(owner.get(f"routes/{unused}"), 404, "not_found")
    await refused(owner.delete(f"routes/{unused}"), 404, "not_found")
    [used] = (await ok(owner.get("routes", params={"service_id": shop.imei_service})))["items"]
    assert await ok(owner.delete(f"routes/{used['id']}")) == {"id": used["id"], "deleted": False, "state": "paused"}
    assert (await ok(owner.get(f"routes/{used['id']}")))["state"] == "paused"
