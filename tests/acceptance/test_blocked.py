"""A supplier that lets us in no more, from the order that meets its wall to the address that it has to allow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.acceptance.systems import SYSTEMS, any_imei
from tests.acceptance.test_every_supplier import set_up, settled
from tests.acceptance.trunkline import Trunkline, running
from tests.fakes.faults import Fault, serving_fake


@pytest.fixture
async def trunkline(conninfo: str, tmp_path: Path) -> AsyncIterator[Trunkline]:
    async with running(conninfo, tmp_path) as whole:
        yield whole


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110  what is waited for happens in Postgres
            await asyncio.sleep(0.05)


async def test_pain_19_a_supplier_that_blocks_us_is_left_alone_and_staff_learn_which_address_to_allow(
    trunkline: Trunkline,
) -> None:
    system = SYSTEMS["dhru"]
    fake = system.fake()
    async with serving_fake(fake) as url:
        supplier, service = await set_up(trunkline, system, fake, url)
        fake.script(Fault("refuse", system.place, -1, text="Invalid IP Request! [127.0.0.1]"))
        order = await trunkline.order(service, any_imei(1), {})

        async def alarmed() -> bool:
            found = (await trunkline.call("GET", "alarms"))["items"]
            return any(one["kind"] == "supplier_blocked" for one in found)

        await until(alarmed)
        shown = await trunkline.call("GET", f"suppliers/{supplier}")
        assert shown["circuit"] == "open"
        assert "blocked" in shown["pause_reason"]
        assert fake.requests[system.place] == 1, "it is left alone"
        assert (await trunkline.status(order))[0] in (0, 1), "the customer waits and notices nothing"
        # What the alarm tells staff to do: the test of the connection says which address.
        fake.faults.clear()
        fake.script(Fault("firewall", "accountinfo", 1))
        tried = await trunkline.call("POST", f"suppliers/{supplier}/test")
        assert (tried["ok"], tried["code"]) == (False, "firewall")
        assert "127.0.0.1" in tried["hint"]
        # They allowed it.
        fake.faults.clear()
        await trunkline.call("PATCH", f"suppliers/{supplier}", {"state": "active"})
        async with trunkline.db.transaction() as conn:  # what the passing of the time does that the order waits
            await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'prepared'")
        assert (await settled(trunkline, order))[0] == 4
        assert fake.counters()["bought_twice"] == 0
        assert not (await trunkline.call("GET", "alarms"))["items"]
        await trunkline.audit_is_clean()
