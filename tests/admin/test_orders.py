"""Orders: found by what a customer may quote, told whole, and closed by hand only where nothing can be lost."""

from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from app.audit.service import audit
from app.catalog.snapshot import load_catalog
from app.clock import now
from app.connectors.http import Exchange
from app.db import Database
from app.orders.attempts import Write, claim, record
from app.orders.service import place
from app.orders.states import AttemptState, OrderState
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.suppliers.service import keep_exchanges
from tests.admin.conftest import ok, refused
from tests.factories import IMEIS, Shop, make_remote_service, make_route, make_shop

WORKER = "worker of the test"


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop with credit of 1000."""
    return await make_shop(db, sealer)


async def order(db: Database, shop: Shop, devices: Sequence[str] = IMEIS[:1]) -> list[int]:
    """Place orders with references r0, r1, … and return their ids."""
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        service = catalog.services[shop.imei_service]
        wishes = [
            make_wish(service, device=device, quantity=None, fields={}, reference=f"r{number}")
            for number, device in enumerate(devices)
        ]
        outcomes = await place(
            conn, wishes, key_id=shop.key_id, ip=None, catalog_version=catalog.version, source="test", window_seconds=1
        )
    return [outcome.order_id for outcome in outcomes if outcome.order_id]


async def send(db: Database, shop: Shop, to: AttemptState, **facts: Any) -> int:
    """Claim the one due attempt and record what became of it; return its id."""
    async with db.transaction() as conn:
        [claimed] = await claim(conn, shop.supplier_id, lease_by=WORKER, lease_seconds=60, limit=1)
    exchange = Exchange(now(), "POST", "http://x/", "key=***", 200, '{"ID": 5}', 12, "")
    async with db.transaction() as conn:
        kept = await keep_exchanges(conn, shop.supplier_id, "place", [exchange])
        write = Write(claimed.attempt_id, AttemptState.SENDING, to, place_exchange=kept, **facts)
        assert await record(conn, [write], lease_by=WORKER, actor=WORKER) == {claimed.attempt_id}
    return claimed.attempt_id


async def unclear(db: Database, shop: Shop) -> int:
    """Bring the one due attempt into doubt and return its id."""
    return await send(db, shop, AttemptState.UNCLEAR, order_to=OrderState.IN_PROGRESS, text="read time-out")


async def balance(owner: httpx2.AsyncClient, shop: Shop) -> str:
    """What the customer has; the books balance."""
    assert (await ok(owner.get("audit")))["ok"] is True
    return str((await ok(owner.get(f"customers/{shop.customer_id}")))["balance"])


async def test_orders_are_found_by_what_a_customer_quotes(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    ids = await order(db, shop, IMEIS[:1])
    await send(db, shop, AttemptState.PLACED, order_to=OrderState.IN_PROGRESS, remote_id="SUP-77")
    ids += await order(db, shop, IMEIS[1:3])
    for search, expected in (
        (str(ids[0]), [ids[0]]),
        (IMEIS[1], [ids[1]]),
        (f" {IMEIS[1]} ", [ids[1]]),
        ("SUP-77", [ids[0]]),
        ("r1", [ids[2]]),
        ("r0", [ids[1], ids[0]]),
        ("", ids[::-1]),
        ("nothing", []),
        ("9" * 40, []),
        ("'; DROP TABLE orders; --", []),
    ):
        found = await ok(owner.get("orders", params={"search": search}))
        assert [row["id"] for row in found["items"]] == expected, search
    for params, expected in (
        ({"state": "in_progress"}, ids[:1]),
        ({"state": "accepted"}, ids[:0:-1]),
        ({"customer_id": shop.customer_id}, ids[::-1]),
        ({"customer_id": shop.customer_id + 1}, []),
    ):
        assert [row["id"] for row in (await ok(owner.get("orders", params=params)))["items"]] == expected
    first = await ok(owner.get("orders", params={"limit": 2}))
    rest = await ok(owner.get("orders", params={"limit": 2, "cursor": first["next_cursor"]}))
    assert [row["id"] for row in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


async def test_an_order_is_told_whole(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="clean", result="clean")
    story = await ok(owner.get(f"orders/{order_id}"))
    assert (story["state"], story["result"], story["price"], story["customer"]) == (
        "completed", "clean", "2.00", shop.username,
    )  # fmt: skip
    assert [(row["kind"], row["amount"]) for row in story["transfers"]] == [("charge", "2.00"), ("settle", "2.00")]
    [attempt] = story["attempts"]
    assert (attempt["state"], attempt["remote_id"], attempt["cost"], attempt["currency"]) == (
        "done",
        "5",
        "1.00",
        "USD",
    )
    assert (attempt["placing"]["request"], attempt["placing"]["reply"]) == ("key=***", '{"ID": 5}')
    assert attempt["report"] is None
    assert [(row["kind"], row["old_state"], row["new_state"], row["actor"]) for row in story["events"]] == [
        ("attempt", "sending", "done", WORKER),
        ("order", "accepted", "completed", WORKER),
    ]
    await refused(owner.get("orders/999999"), 404, "not_found")


async def test_only_an_order_nobody_may_have_is_rejected(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    assert await balance(owner, shop) == "998.00"
    await unclear(db, shop)
    await refused(owner.post(f"orders/{order_id}/reject", json={"reason": "no"}), 409, "conflict")
    assert await balance(owner, shop) == "998.00"
    [other] = await order(db, shop, IMEIS[1:2])
    await refused(owner.post(f"orders/{other}/reject", json={"reason": " "}), 422, "invalid", "reason")
    rejected = await ok(owner.post(f"orders/{other}/reject", json={"reason": "Not offered"}))
    assert (rejected["state"], rejected["reason"]) == ("rejected", "Not offered")
    assert rejected["transfers"][-1]["kind"] == "refund"
    await refused(owner.post(f"orders/{other}/reject", json={"reason": "again"}), 409, "conflict")
    await refused(owner.post("orders/999999/reject", json={"reason": "x"}), 404, "not_found")
    assert await balance(owner, shop) == "998.00"


async def test_a_completed_order_is_reversed_once(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    path = f"orders/{order_id}/reverse"
    await refused(owner.post(path, json={"reason": "too early"}), 409, "conflict")
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="x", result="x")
    reversed_ = await ok(owner.post(path, json={"reason": "It was wrong"}))
    assert (reversed_["state"], reversed_["transfers"][-1]["kind"]) == ("rejected", "reverse")
    assert reversed_["transfers"][-1]["reason"] == "It was wrong"
    await refused(owner.post(path, json={"reason": "again"}), 409, "conflict")
    assert await balance(owner, shop) == "1000.00"


async def test_an_unclear_attempt_that_arrived(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    attempt_id = await unclear(db, shop)
    [waiting] = (await ok(owner.get("attempts")))["items"]
    assert (waiting["id"], waiting["order_id"], waiting["device"]) == (attempt_id, order_id, IMEIS[0])
    assert waiting["text"] == "read time-out"
    path = f"attempts/{attempt_id}/resolve"
    for body, field in (
        ({}, "found"),
        ({"found": "perhaps"}, "found"),
        ({"found": "true", "remote_id": "1"}, "found"),
        ({"found": 0}, "found"),
        ({"found": True}, "remote_id"),
        ({"found": True, "remote_id": "  "}, "remote_id"),
        ({"found": True, "remote_id": 7}, "remote_id"),
        ({"found": False, "remote_id": "1"}, "remote_id"),
    ):
        await refused(owner.post(path, json=body), 422, "invalid", field)
    resolved = await ok(owner.post(path, json={"found": True, "remote_id": "SUP-9"}))
    assert (resolved["state"], resolved["remote_id"]) == ("placed", "SUP-9")
    await refused(owner.post(path, json={"found": False}), 409, "conflict")
    assert (await ok(owner.get("attempts")))["items"] == []
    assert (await ok(owner.get(f"attempts/{attempt_id}")))["state"] == "placed"
    assert (await ok(owner.get("attempts", params={"state": "placed"})))["items"][0]["id"] == attempt_id
    story = await ok(owner.get(f"orders/{order_id}"))
    assert story["events"][-1]["actor"] == "staff 1"
    assert await balance(owner, shop) == "998.00"
    [other] = await order(db, shop, IMEIS[1:2])
    second = await unclear(db, shop)
    await refused(
        owner.post(f"attempts/{second}/resolve", json={"found": True, "remote_id": "SUP-9"}),
        409, "conflict", "remote_id",
    )  # fmt: skip
    assert (await ok(owner.get(f"orders/{other}")))["state"] == "in_progress"


@pytest.mark.parametrize("another_route", [True, False])
async def test_an_unclear_attempt_that_did_not_arrive(
    owner: httpx2.AsyncClient, db: Database, shop: Shop, another_route: bool
) -> None:
    [order_id] = await order(db, shop)
    attempt_id = await unclear(db, shop)
    if another_route:
        async with db.transaction() as conn:
            remote = await make_remote_service(conn, shop.supplier_id, remote_id="9")
            await make_route(conn, shop.imei_service, remote, priority=500)
    resolved = await ok(owner.post(f"attempts/{attempt_id}/resolve", json={"found": False}))
    assert resolved["state"] == "refused"
    story = await ok(owner.get(f"orders/{order_id}"))
    states = [attempt["state"] for attempt in story["attempts"]]
    if another_route:
        assert states == ["refused", "prepared"]
        assert await balance(owner, shop) == "998.00"
    else:
        assert (story["state"], states) == ("rejected", ["refused"])
        assert await balance(owner, shop) == "1000.00"


async def test_an_attempt_that_is_not_there(owner: httpx2.AsyncClient) -> None:
    await refused(owner.get("attempts/999"), 404, "not_found")
    await refused(owner.post("attempts/999/resolve", json={"found": False}), 404, "not_found")
    await refused(owner.get("attempts", params={"state": "lost"}), 422, "invalid", "state")


async def test_the_proof_answers_also_when_something_is_broken(
    owner: httpx2.AsyncClient, db: Database, shop: Shop
) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE accounts SET balance = balance + 1 WHERE customer_id = %s", (shop.customer_id,))
    found = await ok(owner.get("audit"))
    assert found["ok"] is False
    assert {"promise", "subject", "detail"} == found["findings"][0].keys()
    assert "every balance equals its transfers" in {finding["promise"] for finding in found["findings"]}
    assert len((await audit(db)).findings) == len(found["findings"])
