"""Orders that wait for a person: seen, delivered or given up, each once, with the money where it belongs."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import ok, refused
from tests.cli.conftest import Run, run
from tests.factories import Shop, imei, make_shop
from tests.worker.test_order_path import assert_sound, buy, rows, until, working

__all__ = ["run"]

SERVICES = "unlock | Unlock by Ana | 1.00 | imei | By hand | Network*"


async def queue(owner: httpx2.AsyncClient, db: Database, sealer: Sealer, orders: int = 2) -> tuple[Shop, list[Any]]:
    """A shop whose IMEI service a person fulfils, and the queue with ``orders`` in it."""
    shop = await make_shop(db, sealer)
    body = {"name": "Ana", "kind": "manual", "config": {"services": SERVICES, "currency": "USD"}}
    ana = (await ok(owner.post("suppliers", json=body), 201))["id"]
    await ok(owner.post(f"suppliers/{ana}/sync"))
    [remote] = (await ok(owner.get(f"suppliers/{ana}/services")))["items"]
    route = {"service_id": shop.imei_service, "remote_service_id": remote["id"], "priority": 1}
    await ok(owner.post("routes", json=route), 201)
    async with working(db, sealer):
        await buy(db, shop, *(imei(n) for n in range(orders)))

        async def waiting() -> bool:
            return len((await ok(owner.get("manual")))["items"]) == orders

        await until(waiting)
    return shop, (await ok(owner.get("manual")))["items"]


async def test_a_person_sees_what_waits_and_delivers_or_gives_up(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer
) -> None:
    shop, [first, second] = await queue(owner, db, sealer)
    assert (first["supplier"], first["code"], first["task"], first["device"], first["quantity"]) == (
        "Ana",
        "unlock",
        "Unlock by Ana",
        imei(0),
        1,
    )
    assert (first["cost"], first["currency"]) == ("1.00", "USD")
    [page] = (await ok(owner.get("manual", params={"limit": 1})))["items"]
    assert page == first
    assert (await ok(owner.get("manual", params={"supplier_id": shop.supplier_id})))["items"] == []

    done = await ok(owner.post(f"manual/{first['id']}", json={"result": " NCK: 12345678\n"}))
    assert (done["state"], done["order_id"]) == ("done", first["order_id"])
    given_up = await ok(owner.post(f"manual/{second['id']}", json={"reject": "Not for this model"}))
    assert given_up["state"] == "failed"
    orders = await rows(db, "SELECT state, result, reason FROM orders ORDER BY id")
    assert orders == [
        {"state": "completed", "result": "NCK: 12345678", "reason": None},
        {"state": "rejected", "result": None, "reason": "Not for this model"},
    ]
    kinds = await rows(db, "SELECT order_id, kind FROM transfers WHERE order_id IS NOT NULL ORDER BY id")
    assert [row["kind"] for row in kinds] == ["charge", "charge", "settle", "refund"]
    actors = await rows(db, "SELECT DISTINCT actor FROM order_events WHERE new_state IN ('done', 'failed')")
    assert actors == [{"actor": "staff 1"}]
    assert (await ok(owner.get("manual")))["items"] == []
    for attempt in (first, second):
        for body in ({"result": "again"}, {"reject": "again"}):
            await refused(owner.post(f"manual/{attempt['id']}", json=body), 409, "conflict")
    await assert_sound(db)


async def test_a_workers_question_does_not_stand_in_a_persons_way(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer
) -> None:
    _, [first] = await queue(owner, db, sealer, 1)
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE attempts SET lease_by = 'a worker', lease_until = now() + interval '1 minute' WHERE id = %s",
            (first["id"],),
        )
    await ok(owner.post(f"manual/{first['id']}", json={"result": "done"}))
    late = json.dumps(
        [{"attempt": first["id"], "from": "placed", "to": "failed", "order_to": "rejected", "reason": "x"}]
    )
    async with db.transaction() as conn:
        answer = await conn.execute("SELECT record_attempts('a worker', 'worker', %s::json) AS w", (late,))
        assert await answer.fetchone() == {"w": []}
    await assert_sound(db)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "result"),
        ({"result": "a", "reject": "b"}, "result"),
        ({"result": "  "}, "result"),
        ({"reject": " \n"}, "reject"),
        ({"result": None, "reject": None}, "result"),
        ({"result": "x" * 100_001}, "result"),
    ],
)
async def test_what_says_nothing_is_refused(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, body: object, field: str
) -> None:
    _, [first] = await queue(owner, db, sealer, 1)
    await refused(owner.post(f"manual/{first['id']}", json=body), 422, "invalid", field)
    assert len((await ok(owner.get("manual")))["items"]) == 1


async def test_only_what_a_person_is_to_do_can_be_entered(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    async with db.transaction() as conn:
        await conn.execute("SELECT * FROM claim_attempts(%s, 'w', interval '1 minute', 10)", (shop.supplier_id,))
        await conn.execute(
            "SELECT record_attempts('w', 'worker', %s::json)",
            ('[{"attempt": 1, "from": "sending", "to": "placed", "remote_id": "7", "order_to": "in_progress"}]',),
        )
    assert (await ok(owner.get("manual")))["items"] == []
    for attempt in (1, 999):
        await refused(owner.post(f"manual/{attempt}", json={"result": "x"}), 404, "not_found")
    await assert_sound(db)


async def test_the_queue_by_commands(owner: httpx2.AsyncClient, db: Database, sealer: Sealer, run: Run) -> None:
    _, [first, second] = await queue(owner, db, sealer)
    listed = (await asyncio.to_thread(run, "manual", "list")).stdout.splitlines()
    assert listed[0].split() == ["ID", "ORDER", "SUPPLIER", "TASK", "DEVICE", "QUANTITY", "INPUTS", "SINCE"]
    assert [line.split()[0] for line in listed[1:]] == [str(first["id"]), str(second["id"])]
    assert imei(0) in listed[1]
    done = await asyncio.to_thread(run, "manual", "finish", str(first["id"]), "@-", typed="NCK: 1\n")
    assert done.exit_code == 0, done.output
    rejected = await asyncio.to_thread(run, "manual", "reject", str(second["id"]), "No such model")
    assert rejected.exit_code == 0, rejected.output
    again = await asyncio.to_thread(run, "manual", "finish", str(first["id"]), "x")
    assert (again.exit_code, again.stderr) == (1, "Nobody waits for this attempt any more.\n")
    assert (await asyncio.to_thread(run, "manual", "list")).stdout == "Nothing waits for a person.\n"
    orders = await rows(db, "SELECT state, result, reason FROM orders ORDER BY id")
    assert [(order["state"], order["result"] or order["reason"]) for order in orders] == [
        ("completed", "NCK: 1"),
        ("rejected", "No such model"),
    ]
    await assert_sound(db)
