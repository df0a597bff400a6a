"""A DHRU supplier's models, providers and MEPs, from its own door through ours to a panel and back with the order."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.systems import any_imei
from tests.acceptance.test_every_supplier import settled
from tests.acceptance.trunkline import Trunkline, running
from tests.fakes.dhru_choices import FakeDhruChoices
from tests.fakes.faults import serving_fake


@pytest.fixture
async def trunkline(conninfo: str, tmp_path: Path) -> AsyncIterator[Trunkline]:
    async with running(conninfo, tmp_path) as whole:
        yield whole


async def sell(trunkline: Trunkline, remote: dict[str, Any]) -> int:
    """Sell a remote service with its fields as they are."""
    body = {"name": remote["name"], "group": "Unlocks", "type": "imei", "price": "5.00", "fields": remote["fields"]}
    service = await trunkline.call("POST", "services", body)
    await trunkline.call("POST", "routes", {"service_id": service["id"], "remote_service_id": remote["id"]})
    return int(service["id"])


async def place(trunkline: Trunkline, service: int, number: int, **chosen: str) -> dict[str, Any]:
    return await trunkline.dhru("placeimeiorder", {"ID": service, "IMEI": any_imei(number), **chosen})


async def listed(trunkline: Trunkline, action: str, service: int) -> Any:
    return (await trunkline.dhru(action, {"ID": service}))["SUCCESS"][0]["LIST"]


async def test_a_panel_chooses_from_the_suppliers_lists_and_the_supplier_gets_the_ids(trunkline: Trunkline) -> None:
    fake = FakeDhruChoices()
    async with serving_fake(fake) as url:
        body = {"name": "Upstream", "kind": "dhru", "config": fake.config(url)}
        supplier = await trunkline.call("POST", "suppliers", body)
        path = f"suppliers/{supplier['id']}"
        await trunkline.call("POST", f"{path}/sync")
        remotes = {row["remote_id"]: row for row in (await trunkline.call("GET", f"{path}/services"))["items"]}
        first, second = [await sell(trunkline, remotes[name]) for name in ("701", "702")]
        found = await trunkline.call("POST", f"{path}/devices/sync")
        assert found == {"brands": 2, "devices": 4, "networks": 3, "meps": 2, "left": 0}
        await trunkline.sell_to_reseller("USD")

        services = (await trunkline.dhru("imeiservicelist"))["SUCCESS"][0]["LIST"]["Unlocks"]["SERVICES"]
        asked = {name: services[str(first)][f"Requires.{name}"] for name in ("Mobile", "Provider", "MEP")}
        assert asked == {"Mobile": "Required", "Provider": "Required", "MEP": "Optional"}
        assert await listed(trunkline, "modellist", first) == [
            {
                "ID": "1",
                "NAME": "Nokia",
                "MODELS": {"11": {"ID": "11", "NAME": "5230"}, "12": {"ID": "12", "NAME": "N95 & N96"}},
            },
            {"ID": "2", "NAME": "Siemens", "MODELS": {"21": {"ID": "21", "NAME": "M65"}}},
        ]
        assert [[*group["MODELS"]] for group in await listed(trunkline, "modellist", second)] == [["13", "12"]]
        assert [group["NAME"] for group in await listed(trunkline, "providerlist", first)] == ["France", "Spain"]
        assert [row["ID"] for row in await listed(trunkline, "meplist", first)] == ["7", "8"]

        for service, wrong in (
            (first, {"MODELID": "13", "PROVIDERID": "502"}),  # a model of the other service
            (first, {"MODELID": "12", "PROVIDERID": "34"}),  # a country
            (first, {"MODELID": "12", "PROVIDERID": "502", "MEP": "9"}),
            (second, {"MODELID": "11"}),
            (second, {}),
        ):
            assert "ERROR" in await place(trunkline, service, 1, **wrong)
        assert fake.counters()["accepted"] == 0

        orders = [
            await place(trunkline, first, 2, MODELID="12", PROVIDERID="502", MEP="8"),
            await place(trunkline, first, 3, MODELID="21", PROVIDERID="501"),
            await place(trunkline, second, 4, MODELID="13", MEP="8"),
        ]
        for order in orders:
            status, code = await settled(trunkline, int(order["SUCCESS"][0]["REFERENCEID"]))
            assert (status, bool(code)) == (4, True)
    assert sorted(fake.chosen, key=lambda one: one["MODELID"]) == [
        {"ID": "701", "MODELID": "12", "PROVIDERID": "502", "MEP": "8"},
        {"ID": "702", "MODELID": "13", "PROVIDERID": "", "MEP": ""},
        {"ID": "701", "MODELID": "21", "PROVIDERID": "501", "MEP": ""},
    ]
    await trunkline.audit_is_clean()


async def test_orders_in_bulk_carry_the_ids_too(trunkline: Trunkline) -> None:
    fake = FakeDhruChoices()
    async with serving_fake(fake) as url:
        body = {"name": "Upstream", "kind": "dhru", "config": fake.config(url)}
        supplier = await trunkline.call("POST", "suppliers", body)
        path = f"suppliers/{supplier['id']}"
        await trunkline.call("POST", f"{path}/sync")
        remotes = {row["remote_id"]: row for row in (await trunkline.call("GET", f"{path}/services"))["items"]}
        service = await sell(trunkline, remotes["702"])
        await trunkline.call("POST", f"{path}/devices/sync")
        await trunkline.sell_to_reseller("USD")
        rows = {
            f"o{number}": {"ID": service, "IMEI": any_imei(number), "MODELID": "12" if number % 2 else "13"}
            for number in range(1, 11)
        } | {"wrong": {"ID": service, "IMEI": any_imei(99), "MODELID": "11"}}
        form = {
            "username": trunkline.username,
            "apiaccesskey": trunkline.key,
            "action": "placeimeiorderbulk",
            "requestformat": "JSON",
            "parameters": base64.b64encode(json.dumps(rows).encode()).decode(),
        }
        async with httpx2.AsyncClient(timeout=30) as client:
            answer = (await client.post(f"{trunkline.url}/api/index.php", data=form)).json()
        assert "ERROR" in answer.pop("wrong")
        references = [int(answer[name]["SUCCESS"][0]["REFERENCEID"]) for name in rows if name != "wrong"]
        async with asyncio.timeout(120):
            for reference in references:
                assert (await settled(trunkline, reference))[0] == 4
    assert sorted(one["MODELID"] for one in fake.chosen) == ["12"] * 5 + ["13"] * 5
    assert fake.requests["placeimeiorderbulk"] > 0
    await trunkline.audit_is_clean()
