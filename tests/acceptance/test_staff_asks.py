"""What staff ask of suppliers: to cancel, to hurry (doctorSIM), to take a duplicate all the same (XiaomiToolkit)."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.systems import CPID, SYSTEMS
from tests.acceptance.test_every_supplier import set_up, settled
from tests.acceptance.trunkline import Trunkline, running
from tests.fakes.doctorsim import FakeDoctorSim
from tests.fakes.faults import serving_fake
from tests.fakes.xiaomitoolkit import FakeXiaomitoolkit


@pytest.fixture
async def trunkline(conninfo: str, tmp_path: Path) -> AsyncIterator[Trunkline]:
    async with running(conninfo, tmp_path) as whole:
        yield whole


async def placed(trunkline: Trunkline, order: int) -> int:
    """Wait until the supplier has the order; return the attempt."""
    async with asyncio.timeout(60):
        while (attempt := (await trunkline.attempts(order))[-1])["state"] != "placed":  # noqa: ASYNC110  in Postgres
            await asyncio.sleep(0.05)
    return int(attempt["id"])


async def ask(trunkline: Trunkline, attempt: int, wish: str) -> httpx2.Response:
    return await trunkline.staff.post(f"/api/admin/attempts/{attempt}/{wish}")


async def asked(trunkline: Trunkline, order: int) -> tuple[list[str], list[str]]:
    """What the order's evidence says of wishes: the calls that were kept, and what staff asked with which answer."""
    told = await trunkline.call("GET", f"orders/{order}/evidence")
    calls = [entry["facts"]["call"] for entry in told["timeline"] if entry["kind"] == "request"]
    staff = [
        entry["facts"]["detail"] for entry in told["timeline"] if entry["what"].endswith("the supplier was asked.")
    ]
    return [call for call in calls if call in ("cancel", "hurry")], staff


async def test_cancelled_within_ten_minutes_is_refunded_and_later_it_is_not(trunkline: Trunkline) -> None:
    fake = FakeDoctorSim(work_seconds=10_000)
    system = SYSTEMS["doctorsim"]
    async with serving_fake(fake) as url:
        _, service = await set_up(trunkline, system, fake, url)
        first = await trunkline.order(service, system.device(1), {})
        attempt = await placed(trunkline, first)
        answer = (await ask(trunkline, attempt, "cancel")).json()
        assert answer["status"] == "failed"
        assert (await trunkline.status(first))[0] == 3
        again = await ask(trunkline, attempt, "cancel")
        assert (again.status_code, again.json()["code"]) == (409, "conflict")

        second = await trunkline.order(service, system.device(2), {})
        attempt = await placed(trunkline, second)
        fake.clock = lambda: time.time() + 601
        refused = await ask(trunkline, attempt, "cancel")
        assert (refused.status_code, refused.json()["code"]) == (502, "supplier_failed")
        assert (await trunkline.status(second))[0] == 1
        for order, began in ((first, "cancel: failed: "), (second, "cancel: no answer: ")):
            calls, [told] = await asked(trunkline, order)
            assert calls == ["cancel"]
            assert told.startswith(began)
    await trunkline.audit_is_clean()


async def test_hurried_ends_with_what_there_is(trunkline: Trunkline) -> None:
    fake = FakeDoctorSim(work_seconds=10_000)
    system = SYSTEMS["doctorsim"]
    async with serving_fake(fake) as url:
        _, service = await set_up(trunkline, system, fake, url)
        order = await trunkline.order(service, system.device(1), {})
        answer = await ask(trunkline, await placed(trunkline, order), "hurry")
        assert answer.status_code == 200
        async with asyncio.timeout(60):
            while (await trunkline.status(order))[0] not in (3, 4):  # noqa: ASYNC110  in Postgres
                await asyncio.sleep(0.1)
    await trunkline.audit_is_clean()


async def test_what_a_system_cannot_do_is_said(trunkline: Trunkline) -> None:
    system = SYSTEMS["dhru"]
    fake = system.fake()
    fake.supplier.work_seconds = 1000  # type: ignore[attr-defined]
    async with serving_fake(fake) as url:
        _, service = await set_up(trunkline, system, fake, url)
        order = await trunkline.order(service, system.device(1), {})
        answer = await ask(trunkline, await placed(trunkline, order), "cancel")
        assert (answer.status_code, answer.json()["code"]) == (502, "supplier_failed")
        assert "no cancel call" in answer.json()["detail"]
        assert (await ask(trunkline, 999, "cancel")).status_code == 404


async def test_what_xiaomitoolkit_calls_a_duplicate_is_forced_by_staff_alone(trunkline: Trunkline) -> None:
    fake = FakeXiaomitoolkit()
    system = SYSTEMS["xiaomitoolkit"]
    async with serving_fake(fake) as url:
        _, service = await set_up(trunkline, system, fake, url)
        first = await trunkline.order(service, system.device(1), CPID)
        assert (await settled(trunkline, first))[0] == 4
        # The same phone with another processor id: not the record they have, but one of its numbers.
        second = await trunkline.order(service, system.device(1), {**CPID, "cpu_id": CPID["cpu_id"][::-1]})
        async with asyncio.timeout(60):
            while not (stuck := (await trunkline.call("GET", "orders/stuck"))["items"]):  # noqa: ASYNC110  in Postgres
                await asyncio.sleep(0.05)
        assert [one["id"] for one in stuck] == [second]
        assert (await trunkline.status(second))[0] == 0, "the customer sees that it waits"
        bought = fake.state()["accepted"]
        [choice] = await trunkline.call("GET", f"orders/{second}/routes")
        order = {
            "route_id": choice["route_id"],
            "max_cost": choice["cost"],
            "force": True,
            "reason": "customer insists",
        }
        await trunkline.call("POST", f"orders/{second}/again", order)
        assert (await settled(trunkline, second))[0] == 4
        assert fake.state()["accepted"] == bought + 1
    await trunkline.audit_is_clean()
