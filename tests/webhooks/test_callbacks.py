"""Callbacks: an order that names a URL is told there too, signed with the customer's one secret for callbacks."""

from typing import Any

from app.sandbox.orders import place_sandbox
from app.webhooks.delivery import PER_ENDPOINT
from app.webhooks.endpoints import callbacks_of, change_endpoint, ensure_callbacks
from app.webhooks.log import list_deliveries
from tests.factories import imei
from tests.webhooks.conftest import Told
from tests.webhooks.test_events import move, order, wished


async def secret(told: Told, *paths: str) -> int:
    """Have the customer's callbacks signed, let the receiver know how, and return their endpoint's id."""
    async with told.db.transaction() as conn:
        await ensure_callbacks(conn, told.sealer, told.shop.customer_id)
        callbacks = await callbacks_of(conn, told.sealer, told.shop.customer_id)
    told.receiver.secrets |= dict.fromkeys(paths, callbacks.secret)
    return callbacks.endpoint.id


async def test_an_order_is_told_to_its_own_url_and_to_the_endpoints(told: Told) -> None:
    number = await secret(told, "/order/1")
    await told.endpoint("order.completed")
    first = await order(told, imei(1), callback=f"{told.url}/order/1")
    await order(told, imei(2))
    await move(told, first, "completed", result="Yes")
    assert await told.deliver() == 2
    assert [message["data"]["id"] for message in told.receiver.took] == [first, first]
    assert len(set(told.receiver.ids)) == 1
    async with told.db.pool.connection() as conn:
        [row] = await list_deliveries(conn, told.shop.customer_id, number, limit=10)
    assert (row.url, row.state, row.subject) == (f"{told.url}/order/1", "delivered", f"order {first}")


async def test_without_an_endpoint_only_orders_with_a_callback_are_told(told: Told) -> None:
    await secret(told, "/order/1")
    first = await order(told, imei(1), callback=f"{told.url}/order/1")
    second = await order(told, imei(2))
    for number in (first, second):
        await move(told, number, "rejected", reason="No")
    assert await told.deliver() == 1
    [message] = told.receiver.took
    assert (message["type"], message["data"]["id"]) == ("order.rejected", first)


async def test_a_callback_that_fails_keeps_no_other_callback_back(told: Told) -> None:
    await secret(told, "/good")
    # The receiver answers 401 where it knows no secret.
    told.receiver.secrets["/bad"] = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA=="
    for n in range(PER_ENDPOINT * 2):
        await move(told, await order(told, imei(n), callback=f"{told.url}/bad"), "rejected", reason="No")
    for n in range(20, 23):
        await move(told, await order(told, imei(n), callback=f"{told.url}/good"), "rejected", reason="No")
    assert await told.deliver() == 3
    [endpoint] = await told.rows("SELECT state, failures, not_before FROM webhook_endpoints")
    assert endpoint == {"state": "active", "failures": 0, "not_before": None}


async def test_a_callback_that_fails_after_callbacks_were_paused_is_held(told: Told) -> None:
    number = await secret(told)
    await move(told, await order(told, imei(1), callback=f"{told.url}/unknown"), "rejected", reason="No")
    [claimed] = await told.sender.claim(10)
    async with told.db.transaction() as conn:
        await change_endpoint(conn, told.rules, told.shop.customer_id, number, state="paused")
    assert not await told.sender.send(claimed)
    [row] = await told.rows("SELECT state FROM webhook_deliveries")
    assert row["state"] == "held"


async def test_orders_of_the_sandbox_are_told_as_what_they_are(told: Told) -> None:
    await secret(told, "/order/1")
    await told.endpoint("order.completed", "order.rejected")

    async def place(device: str, callback: str | None = None) -> Any:
        wish = await wished(told, device, callback)
        async with told.db.pool.connection() as conn:
            customer = told.shop.customer_id
            [outcome] = await place_sandbox(conn, [wish], customer_id=customer, source="rest", window_seconds=0)
        return outcome.order_id

    done = await place("001010000000107", f"{told.url}/order/1")
    rejected = await place("001010000000602")
    assert await told.deliver() == 3
    told_of = [(message["type"], message["data"]["id"], message["sandbox"]) for message in told.receiver.took]
    assert sorted(told_of) == [
        ("order.completed", done, True),
        ("order.completed", done, True),
        ("order.rejected", rejected, True),
    ]
    assert await told.rows("SELECT 1 FROM orders") == []
    [names] = {frozenset(message["data"]) for message in told.receiver.took}
    real = await order(told, imei(1))
    await move(told, real, "completed", result="Yes")
    await told.deliver()
    assert set(told.receiver.took[-1]["data"]) == names
    assert told.receiver.took[-1]["sandbox"] is False
