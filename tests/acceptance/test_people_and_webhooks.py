"""Ways a result comes that nobody polls for: a person enters it, or the supplier calls us."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.systems import SYSTEMS
from tests.acceptance.test_every_supplier import set_up, settled
from tests.acceptance.trunkline import Trunkline, running
from tests.factories import imei
from tests.fakes.cekceir import FakeCekCeir
from tests.fakes.faults import Fault, serving_fake
from tests.fakes.isave import FakeIsave


@pytest.fixture
async def trunkline(conninfo: str, tmp_path: Path) -> AsyncIterator[Trunkline]:
    async with running(conninfo, tmp_path) as whole:
        yield whole


async def test_a_person_delivers_one_order_and_turns_down_another(trunkline: Trunkline) -> None:
    config = {"services": "nck | Unlock by hand | 3.00 | imei"}
    supplier = await trunkline.call("POST", "suppliers", {"name": "Ann", "kind": "manual", "config": config})
    assert (await trunkline.call("POST", f"suppliers/{supplier['id']}/test"))["ok"]
    await trunkline.call("POST", f"suppliers/{supplier['id']}/sync")
    [remote] = (await trunkline.call("GET", f"suppliers/{supplier['id']}/services"))["items"]
    service = await trunkline.call(
        "POST", "services", {"name": "Unlock", "group": "By hand", "type": "imei", "price": "5.00"}
    )
    await trunkline.call("POST", "routes", {"service_id": service["id"], "remote_service_id": remote["id"]})
    await trunkline.sell_to_reseller("USD")
    orders = [await trunkline.order(service["id"], imei(number), {}) for number in (1, 2)]
    async with asyncio.timeout(60):
        while len(queue := (await trunkline.call("GET", "manual"))["items"]) < 2:  # noqa: ASYNC110  in Postgres
            await asyncio.sleep(0.1)
    first, second = (next(row for row in queue if row["order_id"] == order) for order in orders)
    await trunkline.call("POST", f"manual/{first['id']}", {"result": "NCK: 12345678"})
    await trunkline.call("POST", f"manual/{second['id']}", {"reject": "Not available for this model"})
    assert await trunkline.status(orders[0]) == (4, "NCK: 12345678")
    assert await trunkline.status(orders[1]) == (3, "Not available for this model")
    await trunkline.audit_is_clean()


async def test_pain_15_a_lost_order_that_no_machine_can_ask_for_is_ended_by_a_person(trunkline: Trunkline) -> None:
    system, fake = SYSTEMS["isave"], FakeIsave()
    async with serving_fake(fake) as url:
        _, service = await set_up(trunkline, system, fake, url)
        fake.script(Fault("cut", system.place))
        order = await trunkline.order(service, system.device(1), {})
        assert (await settled(trunkline, order))[0] == 1
        [attempt] = await trunkline.attempts(order)
        assert (await trunkline.call("GET", "manual"))["items"] == []
        [theirs] = fake.orders.values()
        await trunkline.call(
            "POST", f"attempts/{attempt['id']}/resolve", {"found": True, "remote_id": theirs.request_id}
        )
        [waiting] = (await trunkline.call("GET", "manual"))["items"]
        assert (waiting["order_id"], waiting["device"]) == (order, system.device(1))
        await trunkline.call("POST", f"manual/{attempt['id']}", {"result": "Find My: OFF"})
    assert await trunkline.status(order) == (4, "Find My: OFF")
    assert fake.counters()["accepted"] == 1
    await trunkline.audit_is_clean()


async def test_a_signed_call_brings_the_result_at_once_and_a_forged_one_nothing(trunkline: Trunkline) -> None:
    system = SYSTEMS["cekceir"]
    fake = FakeCekCeir()
    fake.never_close()
    fake.pending_reads = 10**6  # pending until the test says otherwise
    async with serving_fake(fake) as url:
        supplier, service = await set_up(trunkline, system, fake, url)
        order = await trunkline.order(service, system.device(1), {})
        async with asyncio.timeout(60):
            while (attempt := (await trunkline.attempts(order))[-1])["state"] != "placed":  # noqa: ASYNC110  in Postgres
                await asyncio.sleep(0.05)
        async with trunkline.db.pool.connection() as conn:
            await conn.execute("UPDATE attempts SET due_at = now() + interval '1 hour' WHERE id = %s", (attempt["id"],))
        fake.let_all_be_ready()
        headers, body = fake.webhook(int(attempt["remote_id"]))
        async with httpx2.AsyncClient(base_url=trunkline.url) as client:
            forged = await client.post(
                f"/api/webhooks/{supplier}", headers={**headers, "X-Signature": "0" * 64}, content=body
            )
            assert forged.status_code == 401
            assert (await trunkline.status(order))[0] == 1
            taken = await client.post(f"/api/webhooks/{supplier}", headers=headers, content=body)
            assert taken.is_success
        assert (await settled(trunkline, order))[0] == 4
    await trunkline.audit_is_clean()
