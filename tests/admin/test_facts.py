"""Facts for an attempt that nobody knows of: what was said, where to look, and what each answer really leads to."""

import json
from typing import Any

import httpx2
import pytest

from app.db import Database
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from tests.admin.conftest import ok, refused
from tests.admin.test_orders import order, send, unclear
from tests.factories import IMEIS, Shop, make_remote_service, make_route, make_shop, make_supplier


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop with credit of 1000 whose supplier's address holds more than a host."""
    shop = await make_shop(db, sealer)
    await run(
        db,
        "UPDATE suppliers SET config = jsonb_set(config, '{base_url}', '\"https://me:pw@up.example:8443/api?k=1\"')",
    )
    return shop


async def run(db: Database, statement: str, *values: object) -> None:
    """Set the scene."""
    async with db.transaction() as conn:
        await conn.execute(statement, values)


async def facts(owner: httpx2.AsyncClient, attempt_id: int) -> dict[str, Any]:
    """The facts of an attempt."""
    return await ok(owner.get(f"attempts/{attempt_id}/facts"))


async def outcomes(owner: httpx2.AsyncClient, attempt_id: int) -> dict[str, dict[str, Any]]:
    """What each answer would lead to."""
    return {one["answer"]: one for one in (await facts(owner, attempt_id))["outcomes"]}


async def second_route(db: Database, sealer: Sealer, shop: Shop, cost: int) -> int:
    """Another supplier that the service may be bought from."""
    async with db.transaction() as conn:
        other = await make_supplier(conn, sealer, name="Second source")
        remote = await make_remote_service(conn, other, remote_id="9", cost=cost)
        return await make_route(conn, shop.imei_service, remote, priority=500)


async def test_pain_1_one_screen_tells_what_was_sent_what_came_back_and_where_to_look(
    owner: httpx2.AsyncClient, db: Database, shop: Shop
) -> None:
    [earlier] = await order(db, shop)
    first = await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="S1", text="x", result="x")
    await run(db, "UPDATE orders SET created_at = now() - interval '1 day'")
    [order_id] = await order(db, shop)
    attempt = await unclear(db, shop)
    await run(db, "UPDATE attempts SET note = 'not there yet', polls = 3 WHERE id = %s", attempt)
    await order(db, shop, IMEIS[1:2])
    async with db.transaction() as conn:
        for minutes, amount in ((40, "10"), (5, "9")):
            await conn.execute(
                "INSERT INTO supplier_balances (supplier_id, amount, currency, asked_at, at) SELECT %(supplier)s,"
                " %(amount)s, 'USD', t, t FROM (SELECT now() - make_interval(mins => %(ago)s) AS t) t",
                {"supplier": shop.supplier_id, "amount": int(amount) * 1_000_000, "ago": minutes},
            )
        await conn.execute("UPDATE attempts SET sent_at = now() - interval '30 minutes' WHERE id = %s", (attempt,))
    found = await facts(owner, attempt)
    assert (found["attempt"]["order_id"], found["attempt"]["state"], found["attempt"]["cost"]) == (
        order_id, "unclear", "1.00",
    )  # fmt: skip
    assert (found["attempt"]["placing"]["request"], found["attempt"]["placing"]["reply"]) == ("key=***", '{"ID": 5}')
    assert found["attempt"]["placing"]["milliseconds"] == 12
    assert (found["price"], found["currency"], found["order_state"]) == ("2.00", "USD", "in_progress")
    assert found["panel"] == "https://up.example:8443/"
    assert (found["finds"], found["find_said"]) == (3, "not there yet")
    assert (found["balance"]["before"], found["balance"]["after"]) == ("10.00", "9.00")
    assert found["balance"]["verdict"] in ("charged", "unknown")
    assert found["balance"]["reason"]
    assert found["find_next"] == found["attempt"]["due_at"]
    assert [(row["id"], row["order_id"], row["state"], row["remote_id"]) for row in found["others"]] == [
        (first, earlier, "done", "S1")
    ]
    await run(db, "UPDATE suppliers SET panel_url = 'https://panel.up.example/orders'")
    assert (await facts(owner, attempt))["panel"] == "https://panel.up.example/orders"
    await refused(owner.get("attempts/999/facts"), 404, "not_found")


@pytest.mark.parametrize("cost", [None, 1_500_000, 2_500_000])
async def test_what_not_found_is_said_to_lead_to_is_what_it_leads_to(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, shop: Shop, cost: int | None
) -> None:
    route = await second_route(db, sealer, shop, cost) if cost else None
    [order_id] = await order(db, shop)
    attempt = await unclear(db, shop)
    told = await outcomes(owner, attempt)
    assert (told["found"]["refund"], told["found"]["supplier"]) == (None, "Reseller's upstream")
    await ok(owner.post(f"attempts/{attempt}/resolve", json={"found": False}))
    after = await ok(owner.get(f"orders/{order_id}"))
    absent = told["not_found"]
    if cost is None:
        assert (absent["refund"], absent["route_id"]) == ("2.00", None)
        assert (after["state"], after["transfers"][-1]["amount"]) == ("rejected", "2.00")
        assert "go_on_without" not in told
    else:
        # One that is too dear now is waited for: the price may fall.
        waits = cost > 2_000_000
        assert (absent["refund"], absent["route_id"], absent["supplier"]) == (None, route, "Second source")
        assert (absent["cost"], absent["waits_seconds"] is not None) == ("2.50" if waits else "1.50", waits)
        assert (after["state"], after["attempts"][-1]["route_id"]) == ("in_progress", route)
        assert ("go_on_without" in told) is not waits
        if not waits:
            assert (told["go_on_without"]["route_id"], told["go_on_without"]["extra_cost"]) == (route, "1.00")
    # The truth is known now.
    assert (await facts(owner, attempt))["outcomes"] == []


async def test_an_order_to_be_cancelled_is_refunded_when_it_is_not_there(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, shop: Shop
) -> None:
    await second_route(db, sealer, shop, 1_500_000)
    [order_id] = await order(db, shop)
    attempt = await unclear(db, shop)
    await run(db, "UPDATE orders SET cancel_requested_at = now() WHERE id = %s", order_id)
    told = await outcomes(owner, attempt)
    assert told.keys() == {"found", "not_found"}
    assert told["not_found"]["refund"] == "2.00"
    await ok(owner.post(f"attempts/{attempt}/resolve", json={"found": False}))
    assert (await ok(owner.get(f"orders/{order_id}")))["state"] == "rejected"


async def test_pain_30_no_secret_is_among_the_facts(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    await order(db, shop)
    attempt = await unclear(db, shop)
    said = "Invalid key their-secret-key for hunter2hunter2"
    await run(db, 'UPDATE orders SET fields = \'{"Apple password": "hunter2hunter2"}\'')
    await run(db, "UPDATE attempts SET text = %s, note = %s", said, said)
    await run(db, "UPDATE exchanges SET request = %s, reply = %s, url = %s", said, said, said)
    text = json.dumps(await facts(owner, attempt))
    for secret in ("their-secret-key", "hunter2hunter2", "pw@", "me:"):
        assert secret not in text
    assert "Invalid key *** for ***" in text
