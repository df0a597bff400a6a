"""Devices and networks by way of the staff API, against a supplier that has them."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import ClientOf, config, ok, refused, token_for
from tests.fakes.doctorsim import FakeDoctorSim
from tests.fakes.faults import Fault, serving_fake


@pytest.fixture
def fake() -> FakeDoctorSim:
    return FakeDoctorSim()


@pytest.fixture
async def supplier(owner: httpx2.AsyncClient, fake: FakeDoctorSim) -> AsyncIterator[str]:
    """The path of a supplier whose catalogue is by device and network."""
    async with serving_fake(fake) as url:
        body = {"name": "By device", "kind": "doctorsim", "config": {**fake.config(url), "pairs": []}}
        made = await ok(owner.post("suppliers", json=body), 201)
        yield f"suppliers/{made['id']}"


async def test_devices_are_read_searched_and_their_services_mapped(owner: httpx2.AsyncClient, supplier: str) -> None:
    assert (await ok(owner.get(f"{supplier}/devices")))["items"] == []
    counts = await ok(owner.post(f"{supplier}/devices/sync"))
    assert (counts["brands"], counts["devices"]) == (3, 2)
    [device] = (await ok(owner.get(f"{supplier}/devices", params={"search": "ot-", "brand_id": "1"})))["items"]
    assert (device["remote_id"], device["name"], device["brand"]) == ("1697", "OT-255", "Alcatel")
    [network] = (await ok(owner.get(f"{supplier}/networks", params={"search": "3"})))["items"]
    assert network["remote_id"] == "3"
    assert network["country"]

    path = f"{supplier}/devices/1697/networks/3/services"
    read = await ok(owner.post(path))
    assert len(read["items"]) >= 5
    assert await ok(owner.post(path)) == read, "reading them again changes nothing"
    service = await ok(owner.post("services", json={"name": "A", "group": "B", "type": "imei", "price": "99"}), 201)
    route = {"service_id": service["id"], "remote_service_id": read["items"][0]["id"]}
    await ok(owner.post("routes", json=route), 201)
    await ok(owner.post(f"{supplier}/sync"))
    listed = await ok(owner.get(f"{supplier}/services"))
    assert {row["id"] for row in read["items"]} <= {row["id"] for row in listed["items"]}


async def test_pages(owner: httpx2.AsyncClient, supplier: str) -> None:
    await ok(owner.post(f"{supplier}/devices/sync"))
    first = await ok(owner.get(f"{supplier}/devices", params={"limit": 1}))
    second = await ok(owner.get(f"{supplier}/devices", params={"limit": 1, "cursor": first["next_cursor"]}))
    assert first["items"][0]["id"] < second["items"][0]["id"]
    assert second["next_cursor"] is None


async def test_what_cannot_be_read_says_why(owner: httpx2.AsyncClient, supplier: str, fake: FakeDoctorSim) -> None:
    await refused(owner.post(f"{supplier}/devices/1697/networks/3/services"), 404, "not_found", "device")
    await ok(owner.post(f"{supplier}/devices/sync"))
    await refused(owner.post(f"{supplier}/devices/1697/networks/99/services"), 404, "not_found", "network")
    before = await ok(owner.get(f"{supplier}/devices"))
    fake.script(Fault("status", times=-1))
    await refused(owner.post(f"{supplier}/devices/sync"), 502, "supplier_failed")
    await refused(owner.post(f"{supplier}/devices/1697/networks/3/services"), 502, "supplier_failed")
    assert await ok(owner.get(f"{supplier}/devices")) == before
    await refused(owner.get("suppliers/999/devices"), 404, "not_found")
    other = await ok(
        owner.post("suppliers", json={"name": "Plain", "kind": "dhru", "config": config("http://127.0.0.1:9")}), 201
    )
    await refused(owner.post(f"suppliers/{other['id']}/devices/sync"), 409, "conflict")


async def test_who_may(supplier: str, client_of: ClientOf, db: Database, sealer: Sealer) -> None:
    reader = await client_of(await token_for(db, sealer, "read_only"))
    await ok(reader.get(f"{supplier}/networks"))
    await refused(reader.post(f"{supplier}/devices/sync"), 403, "forbidden")
    await refused(reader.post(f"{supplier}/devices/1/networks/1/services"), 403, "forbidden")
