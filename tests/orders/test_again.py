"""Staff send an order over another route: at a cost they saw, the customer's price untouched, nothing hidden."""

import pytest

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear
from app.db import Database
from app.errors import Conflict, Invalid, NotFound
from app.money import MICRO
from app.orders.again import route_choices, send_again
from app.orders.cancelling import cancel_order
from app.orders.resolution import resolve_attempt
from app.sealing import Sealer
from tests.factories import Shop, imei, make_remote_service, make_route, make_shop, make_supplier
from tests.orders.test_place import assert_sound, balance
from tests.worker.scripted import Forcible, Scripted, ask, claimed, send
from tests.worker.test_order_path import buy, rows


async def second_route(db: Database, sealer: Sealer, shop: Shop, *, cost: int = 3 * MICRO) -> tuple[int, int]:
    """A dearer supplier for the IMEI check, above its price of 2.00; its id and the route's."""
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer, name="Second")
        remote = await make_remote_service(conn, supplier, cost=cost)
        return supplier, await make_route(conn, shop.imei_service, remote, priority=200)


async def again(db: Database, order_id: int, route_id: int, cost: int, *, force: bool = False) -> int:
    async with db.transaction() as conn:
        return await send_again(
            conn, order_id, route_id=route_id, max_cost=cost, force=force, reason="the customer waits", staff_id=1
        )


async def ordered(db: Database, shop: Shop) -> int:
    [outcome] = await buy(db, shop, imei(1))
    assert outcome.order_id is not None
    return outcome.order_id


async def states(db: Database) -> list[str]:
    return [row["state"] for row in await rows(db, "SELECT state FROM attempts ORDER BY number")]


async def test_an_unclear_order_goes_on_over_a_dearer_route_at_our_cost(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await send(db, shop, Scripted(placed=Unclear("read time-out")))
    async with db.pool.connection() as conn:
        choice = next(one for one in await route_choices(conn, order_id) if one.route_id == route)
    assert (choice.cost, choice.margin, choice.blocked, choice.tried) == (3 * MICRO, -1 * MICRO, None, None)
    with pytest.raises(Invalid, match=r"costs 3\.00"):
        await again(db, order_id, route, 2 * MICRO)
    await again(db, order_id, route, 3 * MICRO)
    assert await states(db) == ["abandoned", "prepared"]
    delivered = Placed("s1", Report("s1", ReportStatus.DONE, "the result"))
    await send(db, shop, Scripted(placed=delivered), supplier_id=supplier)
    [order] = await rows(db, "SELECT state, result, price FROM orders")
    assert order == {"state": "completed", "result": "the result", "price": 2 * MICRO}
    assert await balance(db, shop) == 998 * MICRO, "the customer's price never changes"
    [cost] = await rows(db, "SELECT cost, extra_cost FROM order_costs")
    assert cost == {"cost": 3 * MICRO, "extra_cost": MICRO}, "what the abandoned one may have cost is booked"
    [event] = await rows(db, "SELECT actor, detail FROM order_events WHERE kind = 'again'")
    assert event == {"actor": "staff 1", "detail": "the customer waits"}
    await assert_sound(db)


async def test_the_truth_about_an_abandoned_attempt_changes_no_order(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await send(db, shop, Scripted(placed=Unclear("read time-out")))
    await again(db, order_id, route, 3 * MICRO)
    await send(db, shop, Scripted(placed=Placed("s1", Report("s1", ReportStatus.DONE, "ok"))), supplier_id=supplier)
    [lost] = await rows(db, "SELECT id FROM attempts WHERE state = 'abandoned'")
    async with db.transaction() as conn:
        await resolve_attempt(conn, lost["id"], found=False, remote_id=None, staff_id=1)
    assert await states(db) == ["refused", "done"]
    [cost] = await rows(db, "SELECT cost, extra_cost FROM order_costs")
    assert cost == {"cost": 3 * MICRO, "extra_cost": 0}
    [order] = await rows(db, "SELECT state FROM orders")
    assert order["state"] == "completed"
    await assert_sound(db)


async def test_pain_2_an_order_that_may_have_been_bought_is_not_rejected_for_want_of_another_route(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop, cost=MICRO)
    order_id = await ordered(db, shop)
    await send(db, shop, Scripted(placed=Unclear("read time-out")))
    await again(db, order_id, route, MICRO)
    await send(db, shop, Scripted(placed=Refused(RefusalReason.OTHER, "no")), supplier_id=supplier)
    [order] = await rows(db, "SELECT state, held FROM orders")
    assert order["state"] == "in_progress"
    assert "did not take it" in order["held"]
    assert await balance(db, shop) == 998 * MICRO
    await assert_sound(db)
    # Staff who know better end the waiting: nobody has it any more, so it is rejected and refunded.
    async with db.transaction() as conn:
        assert await cancel_order(conn, order_id, actor="staff 1") == "cancelled"
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


async def test_a_completed_order_gets_a_better_result_and_no_money_moves(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await send(db, shop, Scripted(placed=Placed("r1", Report("r1", ReportStatus.DONE, "wrong"))))
    await again(db, order_id, route, 3 * MICRO)
    await send(db, shop, Scripted(placed=Placed("s1")), supplier_id=supplier)
    await ask(db, shop, Scripted(report=Report("", ReportStatus.DONE, "right")), supplier_id=supplier)
    [order] = await rows(db, "SELECT state, result FROM orders")
    assert order == {"state": "completed", "result": "right"}
    [cost] = await rows(db, "SELECT cost, extra_cost FROM order_costs")
    assert cost == {"cost": 3 * MICRO, "extra_cost": MICRO}
    assert await balance(db, shop) == 998 * MICRO
    await assert_sound(db)


async def test_a_second_try_that_fails_leaves_a_completed_order_as_it_was(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await send(db, shop, Scripted(placed=Placed("r1", Report("r1", ReportStatus.DONE, "the result"))))
    await again(db, order_id, route, 3 * MICRO)
    await send(db, shop, Scripted(placed=Refused(RefusalReason.BAD_INPUT, "no")), supplier_id=supplier)
    [order] = await rows(db, "SELECT state, result, held FROM orders")
    assert order == {"state": "completed", "result": "the result", "held": None}
    assert await states(db) == ["done", "refused"]
    await assert_sound(db)


async def test_a_route_that_grew_dearer_than_agreed_waits(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await again(db, order_id, route, 3 * MICRO)
    assert await states(db) == ["not_sent", "prepared"]
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET cost = cost + 1 WHERE supplier_id = %s", (supplier,))
    connector = Scripted(placed=Placed("s1"))
    await send(db, shop, connector, supplier_id=supplier)
    assert connector.requests == []
    [attempt] = await rows(db, "SELECT state, note FROM attempts WHERE number = 2")
    assert attempt == {"state": "prepared", "note": "the supplier's price is above what staff agreed to"}


async def test_out_of_reach_it_goes_the_way_that_staff_chose_later(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await again(db, order_id, route, 3 * MICRO)
    await send(db, shop, Scripted(placed=NotSent("refused connection")), supplier_id=supplier)
    last = (await rows(db, "SELECT state, route_id, max_cost FROM attempts ORDER BY number"))[-1]
    assert last == {"state": "prepared", "route_id": route, "max_cost": 3 * MICRO}


async def test_what_is_being_sent_rejected_or_to_be_cancelled_is_not_sent_again(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    _, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await claimed(db, shop.supplier_id)
    with pytest.raises(Conflict, match="being sent"):
        await again(db, order_id, route, 3 * MICRO)
    async with db.transaction() as conn:
        await cancel_order(conn, order_id, actor="test")
        await conn.execute("UPDATE attempts SET state = 'unclear'")
    with pytest.raises(Conflict, match="cancelled"):
        await again(db, order_id, route, 3 * MICRO)
    async with db.transaction() as conn:
        [attempt] = await (await conn.execute("SELECT id FROM attempts")).fetchall()
        await resolve_attempt(conn, attempt["id"], found=False, remote_id=None, staff_id=1)
    with pytest.raises(Conflict, match="rejected"):
        await again(db, order_id, route, 3 * MICRO)
    with pytest.raises(NotFound):
        await again(db, 10**9, route, 3 * MICRO)


async def test_a_duplicate_waits_for_a_person_where_insisting_helps_and_is_then_forced(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    connector = Forcible(placed=Refused(RefusalReason.DUPLICATE, "Duplicate record detected"))
    await send(db, shop, connector)
    [order] = await rows(db, "SELECT state, held FROM orders")
    assert order == {"state": "accepted", "held": "The supplier calls it a duplicate: Duplicate record detected"}
    assert await balance(db, shop) == 998 * MICRO
    [alarm] = await rows(db, "SELECT kind FROM alarms")
    assert alarm["kind"] == "duplicate_at_supplier"
    [route] = await rows(db, "SELECT route_id FROM attempts")
    await again(db, order_id, route["route_id"], MICRO, force=True)
    connector.placed = Placed("r1")
    await send(db, shop, connector)
    assert [request.force for request in connector.requests] == [False, True]
    [order] = await rows(db, "SELECT state, held FROM orders")
    assert order == {"state": "in_progress", "held": None}
    await assert_sound(db)


async def test_a_duplicate_at_a_supplier_that_cannot_be_told_otherwise_is_rejected(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    await ordered(db, shop)
    await send(db, shop, Scripted(placed=Refused(RefusalReason.DUPLICATE, "IMEI exists")))
    [order] = await rows(db, "SELECT state, reason FROM orders")
    assert order == {"state": "rejected", "reason": "IMEI exists"}
    await assert_sound(db)
