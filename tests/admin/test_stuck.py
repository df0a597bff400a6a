"""Orders that hang: each with its reason, those that have waited longest first, none twice and none left out."""

from typing import Any

import httpx2
import pytest

from app.db import Database
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from tests.admin.conftest import ok, refused
from tests.admin.test_orders import order, send
from tests.factories import Shop, imei, make_shop

IN_PROCESS = {"order_to": OrderState.IN_PROGRESS}


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop with credit of 1000."""
    return await make_shop(db, sealer)


async def run(db: Database, statement: str, *values: object) -> None:
    """Set the scene: times that tests cannot wait for."""
    async with db.transaction() as conn:
        await conn.execute(statement, values)


async def stuck(owner: httpx2.AsyncClient, **params: Any) -> dict[str, Any]:
    """The report."""
    return await ok(owner.get("orders/stuck", params=params))


async def one_of_each(db: Database, shop: Shop) -> dict[str, int]:
    """Make an order for each reason, the first the longest ago, and two that nothing is wrong with; ids by reason."""
    ids: dict[str, int] = {}

    async def make(why: str, hours_ago: int) -> int:
        [order_id] = await order(db, shop, [imei(len(ids))])
        ids[why] = order_id
        await run(db, "UPDATE orders SET created_at = now() - make_interval(hours => %s), late_at = NULL WHERE id = %s",
                  hours_ago, order_id)  # fmt: skip
        return order_id

    await make("old", 25)
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S4", due=3600)
    await make("unclear", 9)
    attempt = await send(db, shop, AttemptState.UNCLEAR, **IN_PROCESS, text="read time-out")
    await run(db, "UPDATE attempts SET sent_at = now() - interval '9 hours' WHERE id = %s", attempt)
    await make("overdue", 9)
    attempt = await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S1", note="In queue")
    await run(db, "UPDATE attempts SET due_at = now() - interval '8 hours' WHERE id = %s", attempt)
    order_id = await make("cancel", 9)
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S2", due=3600)
    await run(db, "UPDATE orders SET cancel_requested_at = now() - interval '7 hours' WHERE id = %s", order_id)
    order_id = await make("late", 9)
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S3", due=3600)
    await run(db, "UPDATE orders SET late_at = now() - interval '6 hours' WHERE id = %s", order_id)
    order_id = await make("held", 9)
    await send(db, shop, AttemptState.REFUSED, refusal="other", text="no")
    hold = "SELECT hold_orders(json_build_array(json_build_object('order', %s::bigint, 'why', 'ask them')), 'worker')"
    await run(db, hold, order_id)
    await run(db, "UPDATE order_events SET at = now() - interval '5 hours' WHERE kind = 'held'")
    await make("no_attempt", 9)
    attempt = await send(db, shop, AttemptState.REFUSED, refusal="other", text="no, and that is all")
    await run(db, "UPDATE attempts SET closed_at = now() - interval '4 hours' WHERE id = %s", attempt)
    order_id = await make("waiting", 9)
    await run(
        db,
        "UPDATE attempts SET created_at = now() - interval '3 hours', note = 'the supplier is paused',"
        " due_at = now() + interval '1 hour' WHERE order_id = %s",
        order_id,
    )
    await make("fresh", 9)
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S5", due=3600)
    await make("done", 90)
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="S6", text="x", result="x")
    await make("just placed", 0)
    return ids


async def test_pain_15_orders_that_hang_are_listed_with_the_reason_longest_first(
    owner: httpx2.AsyncClient, db: Database, shop: Shop
) -> None:
    assert await stuck(owner) == {"items": [], "next_cursor": None, "counts": []}
    ids = await one_of_each(db, shop)
    expected = ["old", "unclear", "overdue", "cancel", "late", "held", "no_attempt", "waiting"]
    found = await stuck(owner)
    assert [(row["id"], row["why"]) for row in found["items"]] == [(ids[why], [why]) for why in expected]
    assert [(count["why"], count["orders"]) for count in found["counts"]] == [(why, 1) for why in expected]
    by_id = {row["id"]: row for row in found["items"]}
    for why, detail, hours in (
        ("unclear", "read time-out", 9), ("overdue", "In queue", 8), ("held", "ask them", 5), ("late", "", 6),
        ("no_attempt", "no, and that is all", 4), ("waiting", "the supplier is paused", 3), ("old", "", 25),
        ("cancel", "the supplier was not asked yet", 7),
    ):  # fmt: skip
        row = by_id[ids[why]]
        assert (row["detail"], row["seconds"] // 3600) == (detail, hours), why
        assert (row["supplier_id"], row["customer"]) == (shop.supplier_id, shop.username)
    # The path is not taken for an order's id, nor the other way round.
    assert (await ok(owner.get(f"orders/{ids['old']}")))["id"] == ids["old"]


async def test_an_order_with_two_reasons_is_listed_once_and_counted_twice(
    owner: httpx2.AsyncClient, db: Database, shop: Shop
) -> None:
    [order_id] = await order(db, shop)
    attempt = await send(db, shop, AttemptState.UNCLEAR, **IN_PROCESS, text="?")
    await run(db, "UPDATE attempts SET sent_at = now() - interval '1 hour' WHERE id = %s", attempt)
    await run(db, "UPDATE orders SET late_at = now() - interval '2 hours' WHERE id = %s", order_id)
    found = await stuck(owner)
    assert [(row["id"], row["why"], row["seconds"] // 3600) for row in found["items"]] == [
        (order_id, ["late", "unclear"], 2)
    ]
    assert [(count["why"], count["orders"]) for count in found["counts"]] == [("late", 1), ("unclear", 1)]
    [row] = (await stuck(owner, why="unclear"))["items"]
    assert (row["seconds"] // 3600, row["detail"]) == (1, "?")
    # What is cleared up is no longer there.
    await ok(owner.post(f"attempts/{attempt}/resolve", json={"found": True, "remote_id": "S9"}))
    assert [row["why"] for row in (await stuck(owner))["items"]] == [["late"]]


async def test_pages_leave_nothing_out_and_repeat_nothing(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    ids = await order(db, shop, [imei(number) for number in range(7)])
    # Five of them have hung since the same moment.
    await run(db, "UPDATE orders SET late_at = date_trunc('day', now()) - interval '1 day'")
    await run(db, "UPDATE orders SET late_at = late_at - make_interval(secs => 0.000001) WHERE id = %s", ids[6])
    await run(db, "UPDATE orders SET late_at = late_at + make_interval(secs => 0.000001) WHERE id = %s", ids[0])
    expected = [ids[6], *ids[1:6], ids[0]]
    for limit in (1, 2, 3, 7, 8):
        seen, cursor = [], None
        while True:
            params = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
            found = await stuck(owner, **params)
            assert len(found["items"]) <= limit
            seen += [row["id"] for row in found["items"]]
            cursor = found["next_cursor"]
            if cursor is None:
                break
        assert seen == expected, limit
    for cursor in ("1", "-", "1-", "x-1", "1-1-1", "9" * 18 + "-1", "\u0661-1"):
        await refused(owner.get("orders/stuck", params={"cursor": cursor}), 422, "invalid", "cursor")


async def test_reports_are_for_a_reason_a_supplier_or_a_service(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, shop: Shop
) -> None:
    ids = await one_of_each(db, shop)
    other = await make_shop(db, sealer, name="Other")
    [theirs] = await order(db, other)
    await run(db, "UPDATE orders SET late_at = now() - interval '1 hour' WHERE id = %s", theirs)
    for params, expected in (
        ({"why": "late"}, [ids["late"], theirs]),
        ({"why": "late", "supplier_id": other.supplier_id}, [theirs]),
        ({"why": "held", "supplier_id": other.supplier_id}, []),
        ({"service_id": other.imei_service}, [theirs]),
        ({"service_id": 999}, []),
    ):
        assert [row["id"] for row in (await stuck(owner, **params))["items"]] == expected, params
    assert [count["orders"] for count in (await stuck(owner, supplier_id=other.supplier_id))["counts"]] == [1]
    await refused(owner.get("orders/stuck", params={"why": "bored"}), 422, "invalid", "why")


async def test_time_to_think_again_is_no_waiting(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    await run(db, "UPDATE services SET confirm_seconds = 3600")
    [order_id] = await order(db, shop)
    await run(db, "UPDATE attempts SET created_at = now() - interval '50 minutes' WHERE order_id = %s", order_id)
    assert (await stuck(owner))["items"] == []
    await run(db, "UPDATE attempts SET created_at = now() - interval '70 minutes' WHERE order_id = %s", order_id)
    assert [row["why"] for row in (await stuck(owner))["items"]] == [["waiting"]]
