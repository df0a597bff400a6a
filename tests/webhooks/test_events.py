"""What happens is written down with the change itself: closed orders of every door, balances that fall, prices."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from app.catalog.snapshot import load_catalog
from app.ledger.service import low_balance_of, set_credit_limit, set_low_balance, topup
from app.money import MICRO, format_amount
from app.orders.service import place
from app.orders.wishes import Wish, make_wish
from app.sealing import Sealer
from app.staff.service import create_staff
from app.webhooks.endpoints import remove_endpoint
from app.webhooks.services_changed import PART, behind, tell_changes
from tests.factories import imei, make_customer, make_service
from tests.webhooks.conftest import Told


async def wished(told: Told, device: str, callback: str | None = None) -> Wish:
    async with told.db.pool.connection() as conn:
        catalog = await load_catalog(conn)
    service = catalog.services[told.shop.imei_service]
    wish = make_wish(service, device=device, quantity=None, fields={}, reference="mine")
    return replace(wish, callback_url=callback)


async def order(told: Told, device: str, *, callback: str | None = None) -> int:
    wish = await wished(told, device, callback)
    async with told.db.pool.connection() as conn:
        [outcome] = await place(
            conn,
            [wish],
            key_id=told.shop.key_id,
            ip=None,
            catalog_version=(await load_catalog(conn)).version,
            source="dhru",
            window_seconds=0,
        )
    assert outcome.kind == "placed"
    assert outcome.order_id is not None
    return outcome.order_id


async def move(told: Told, number: int, to: str, came: tuple[str, ...] = ("accepted",), **words: str) -> None:
    async with told.db.transaction() as conn:
        rows = json.dumps([{"order": number, "to": to, **words}])
        await conn.execute("SELECT move_orders(%s::json, %s, 'test')", (rows, list(came)))


async def events(told: Told) -> list[dict[str, Any]]:
    return await told.rows("SELECT kind, subject, body, sandbox FROM webhook_events ORDER BY id")


async def test_an_order_that_is_completed_is_told_as_its_customer_may_see_it(told: Told) -> None:
    await told.endpoint("order.completed", "order.rejected", "order.reversed")
    number = await order(told, imei(1))
    await move(told, number, "in_progress")
    assert await events(told) == []
    await move(told, number, "completed", ("in_progress",), result="Model: X<br>Find My: <b>&amp;</b>")
    assert await told.deliver() == 1
    [message] = told.receiver.took
    assert message["type"] == "order.completed"
    data = message["data"]
    [row] = await told.rows("SELECT created_at, closed_at FROM orders")
    assert data == {
        "id": number,
        "state": "completed",
        "service_id": told.shop.imei_service,
        "service": "IMEI check",
        "device": imei(1),
        "quantity": 1,
        "delivered": None,
        "price": "2.00",
        "refunded": "0.00",
        "currency": "USD",
        "reference": "mine",
        "result": "Model: X\nFind My: &",
        "reason": None,
        "file_name": None,
        "created_at": f"{row['created_at']:%Y-%m-%dT%H:%M:%S.%f}Z",
        "closed_at": f"{row['closed_at']:%Y-%m-%dT%H:%M:%S.%f}Z",
    }


async def test_rejected_and_taken_back_are_told_each_in_its_word(told: Told) -> None:
    await told.endpoint()
    first, second = await order(told, imei(1)), await order(told, imei(2))
    await move(told, first, "rejected", reason="Not found")
    await move(told, second, "completed", result="Yes")
    async with told.db.transaction() as conn:
        staff = await create_staff(conn, email="a@b.c", name="A", role="owner")
        await conn.execute("SELECT reverse_order(%s, %s, 'They lied')", (second, staff))
    found = await events(told)
    assert [(event["kind"], event["subject"]) for event in found] == [
        ("order.rejected", f"order {first}"),
        ("order.completed", f"order {second}"),
        ("order.reversed", f"order {second}"),
    ]
    assert [event["body"]["reason"] for event in found] == ["Not found", None, "They lied"]
    assert [event["body"]["result"] for event in found] == [None, "Yes", None]


async def test_an_order_that_was_not_closed_after_all_is_told_by_nobody(told: Told) -> None:
    await told.endpoint()
    number = await order(told, imei(1))
    async with told.db.pool.connection() as conn, conn.transaction(force_rollback=True):
        rows = json.dumps([{"order": number, "to": "completed", "result": "Yes"}])
        await conn.execute("SELECT move_orders(%s::json, '{accepted}', 'test')", (rows,))
    assert await events(told) == []


async def test_an_endpoint_that_is_removed_in_that_moment_keeps_no_order_from_closing(told: Told) -> None:
    going = await told.endpoint()
    number = await order(told, imei(1))
    async with told.db.transaction() as conn:
        await remove_endpoint(conn, told.shop.customer_id, going.id)
        closing = asyncio.create_task(move(told, number, "rejected", reason="No"))
        await asyncio.sleep(0.3)
    async with asyncio.timeout(60):
        await closing
    assert await told.rows("SELECT state FROM orders") == [{"state": "rejected"}]
    assert await events(told) == []


async def test_orders_of_others_and_of_paused_endpoints_are_not_told(told: Told, sealer: Sealer) -> None:
    async with told.db.transaction() as conn:
        other, *_ = await make_customer(conn, sealer, name="Other")
    await told.endpoint(customer_id=other)
    number = await order(told, imei(1))
    await move(told, number, "rejected", reason="No")
    mine = await told.endpoint()
    async with told.db.transaction() as conn:
        await conn.execute("UPDATE webhook_endpoints SET state = 'paused' WHERE id = %s", (mine.id,))
    number = await order(told, imei(1))
    await move(told, number, "rejected", reason="No")
    assert await events(told) == []


async def test_a_balance_that_falls_below_the_threshold_is_told_once_each_time(told: Told) -> None:
    await told.endpoint("balance.low")
    customer = told.shop.customer_id
    async with told.db.transaction() as conn:
        await set_credit_limit(conn, customer, 10 * MICRO)
        await set_low_balance(conn, customer, 998 * MICRO)
        assert await low_balance_of(conn, customer) == 998 * MICRO
    await order(told, imei(1))
    assert await events(told) == []
    number = await order(told, imei(2))
    await order(told, imei(3))
    [event] = await events(told)
    assert event == {
        "kind": "balance.low",
        "subject": "account",
        "body": {"balance": "996.00", "threshold": "998.00", "credit_limit": "10.00", "currency": "USD"},
        "sandbox": False,
    }
    await move(told, number, "rejected", reason="No")
    assert len(await events(told)) == 1
    async with told.db.transaction() as conn:
        await topup(conn, customer, amount=3 * MICRO, reference="more", staff_id=None)
    await order(told, imei(4))
    await order(told, imei(5))
    assert len(await events(told)) == 2
    async with told.db.transaction() as conn:
        await set_low_balance(conn, customer, None)
        await topup(conn, customer, amount=30 * MICRO, reference="much", staff_id=None)
    for device in range(6, 22):
        await order(told, imei(device))
    assert len(await events(told)) == 2


@pytest.mark.parametrize(
    "amount", [0, 1, -1, 10, 999_999, 1_000_000, 1_500_000, 12_345_678, -2_000_000, 123, 9_000_000_000_000_000]
)
async def test_amounts_are_written_as_everywhere(told: Told, amount: int) -> None:
    assert await told.rows("SELECT amount_text(%s::bigint) AS text", amount) == [{"text": format_amount(amount)}]


async def tell(told: Told) -> list[list[dict[str, Any]]]:
    """Have every customer who is behind told, and return the parts that were told."""
    async with told.db.pool.connection() as conn:
        customers = await behind(conn)
    for customer in customers:
        async with told.db.transaction() as conn:
            await tell_changes(conn, customer)
    found = await told.rows("DELETE FROM webhook_events RETURNING id, body")
    return [row["body"]["services"] for row in sorted(found, key=lambda row: row["id"])]


async def change(told: Told, statement: Any, *values: object) -> None:
    async with told.db.transaction() as conn:
        await conn.execute(statement, values)


async def test_services_are_told_when_they_come_go_or_cost_something_else(told: Told) -> None:
    await told.endpoint("service.changed")
    imei_service, server = told.shop.imei_service, told.shop.server_service
    assert await tell(told) == []
    await change(told, "UPDATE services SET info = 'new words' WHERE id = %s", imei_service)
    assert await tell(told) == [], "nothing changed that is told"

    await change(told, "UPDATE services SET price = 2500000 WHERE id = %s", imei_service)
    await change(told, "UPDATE services SET state = 'hidden' WHERE id = %s", server)
    async with told.db.transaction() as conn:
        added = await make_service(conn, name="Another", price=7 * MICRO)
        await make_service(conn, name="In euros", price=7 * MICRO, currency="EUR")
    usd = {"currency": "USD"}
    assert await tell(told) == [
        [
            {"id": imei_service, "name": "IMEI check", "change": "price", "price": "2.50", "old_price": "2.00", **usd},
            {"id": server, "name": "Activation", "change": "removed", "price": None, "old_price": "5.00", **usd},
            {"id": added, "name": "Another", "change": "added", "price": "7.00", "old_price": None, **usd},
        ]
    ]
    assert await tell(told) == []


async def test_a_price_that_does_not_concern_the_customer_is_not_told(told: Told) -> None:
    await told.endpoint("service.changed")
    service = told.shop.imei_service
    await change(told, "INSERT INTO price_groups (name, currency) VALUES ('Gold', 'USD')")
    await change(told, "INSERT INTO group_prices SELECT id, %s, 1500000 FROM price_groups", service)
    assert await tell(told) == []
    await change(told, "UPDATE customers SET price_group_id = (SELECT id FROM price_groups)")
    [[told_of]] = await tell(told)
    assert (told_of["old_price"], told_of["price"]) == ("2.00", "1.50")
    await change(told, "UPDATE services SET price = 9000000 WHERE id = %s", service)
    assert await tell(told) == [], "the group's price goes on"
    await change(told, "INSERT INTO customer_prices SELECT id, %s, 1000000 FROM customers", service)
    [[told_of]] = await tell(told)
    assert told_of["price"] == "1.00"


async def test_thousands_of_changes_are_a_few_messages(told: Told) -> None:
    await told.endpoint("service.changed")
    await change(
        told,
        "INSERT INTO services (group_id, name, type, device, price, currency)"
        " SELECT (SELECT min(id) FROM service_groups), 'Service ' || n, 'imei', 'imei', n * 1000, 'USD'"
        " FROM generate_series(1, 1200) n",
    )
    parts = await tell(told)
    assert [len(part) for part in parts] == [PART, PART, 200]
    assert len({service["id"] for part in parts for service in part}) == 1200


async def test_only_customers_who_want_it_are_compared(told: Told) -> None:
    endpoint = await told.endpoint("order.completed")
    await change(told, "UPDATE services SET price = 1")
    assert await told.rows("SELECT 1 FROM webhook_told_catalogs") == []
    await change(told, "DELETE FROM webhook_endpoints WHERE id = %s", endpoint.id)
    await told.endpoint("service.changed")
    assert len(await told.rows("SELECT 1 FROM webhook_told_prices")) == 2
