"""Deposits at suppliers, exchange rates, and routes between currencies, through the staff API."""

import httpx2

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import ok, refused
from tests.factories import make_remote_service, make_service, make_supplier


async def test_a_deposit_counts_once(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer)
    body = {"amount": "100.10", "reference": "bank 1"}
    first = await ok(owner.post(f"suppliers/{supplier}/deposits", json=body), 201)
    again = await ok(owner.post(f"suppliers/{supplier}/deposits", json=body), 200)
    assert (first["new"], again["new"], first["id"]) == (True, False, again["id"])
    await refused(
        owner.post(f"suppliers/{supplier}/deposits", json={**body, "amount": "1"}), 422, "invalid", "reference"
    )
    books = await ok(owner.get(f"suppliers/{supplier}/books"))
    assert (books["paid_in"], books["spent"], books["balance"]) == ("100.10", "0.00", "100.10")
    await refused(owner.get("suppliers/999/books"), 404, "not_found")


async def test_a_route_between_currencies_needs_both_rates(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer, currency="IDR")
        remote = await make_remote_service(conn, supplier, cost=30_000_000_000)
        service = await make_service(conn)
    body = {"service_id": service, "remote_service_id": remote}
    await refused(owner.post("routes", json=body), 422, "currency_mismatch", "remote_service_id")
    await refused(owner.put("rates/USD", json={"rate": "2"}), 422, "invalid", "currency")
    await refused(owner.put("rates/IDR", json={"rate": "0"}), 422, "invalid", "rate")
    rate = await ok(owner.put("rates/IDR", json={"rate": "0.0000615"}))
    assert (rate["rate"], rate["base"]) == ("0.0000615", "USD")
    route = await ok(owner.post("routes", json={**body, "field_map": {"Email": "mail "}, "fixed": {"zone": "EU"}}), 201)
    assert (route["cost"], route["currency"], route["price"], route["price_currency"]) == (
        "30000.00",
        "IDR",
        "2.00",
        "USD",
    )
    assert (route["field_map"], route["fixed"], route["warnings"]) == ({"Email": "mail "}, {"zone": "EU"}, [])
    await ok(owner.put("rates/IDR", json={"rate": "0.0000700"}))
    dear = await ok(owner.patch(f"routes/{route['id']}", json={"fixed": {}}))
    assert dear["fixed"] == {}
    assert dear["warnings"] == [
        "The cost of 2.10 is above the price of 2.00: the route is not used while it would lose money."
    ]
    assert [row["rate"] for row in (await ok(owner.get("rates")))["items"]] == ["0.00007"]
