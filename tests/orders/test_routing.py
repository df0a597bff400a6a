"""Which way an order goes: by priority, cost or expected cost, within the price sold, and why is written down."""

from typing import LiteralString

import pytest

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.db import Database
from app.money import MICRO
from app.orders.service import Outcome
from app.sealing import Sealer
from app.suppliers.measures import in_words, measure, show_measured_times
from app.worker.jobs.clock import WINDOW
from tests.factories import Shop, imei, make_remote_service, make_route, make_shop, make_supplier
from tests.orders.test_place import assert_sound, balance
from tests.worker.scripted import Scripted, ask, look, send
from tests.worker.test_order_path import buy, rows


async def add_route(db: Database, sealer: Sealer, shop: Shop, name: str, *, cost: int, priority: int) -> int:
    """Another supplier for the IMEI check; its id."""
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer, name=name)
        remote = await make_remote_service(conn, supplier, cost=cost)
        await make_route(conn, shop.imei_service, remote, priority=priority)
    return supplier


async def set_rules(db: Database, **rules: object) -> None:
    async with db.transaction() as conn:
        for name, value in rules.items():
            await conn.execute(f"UPDATE services SET {name} = %s", (value,))


async def taken(db: Database) -> list[tuple[str, str]]:
    found = await rows(
        db, "SELECT s.name, a.chosen FROM attempts a JOIN suppliers s ON s.id = a.supplier_id ORDER BY a.order_id, a.id"
    )
    return [(row["name"], row["chosen"]) for row in found]


async def test_by_priority_by_cost_and_why(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await add_route(db, sealer, shop, "Cheap", cost=800_000, priority=200)
    await buy(db, shop, imei(1))
    await set_rules(db, routing="cost")
    await buy(db, shop, imei(2))
    assert await taken(db) == [("Reseller's upstream", "priority 100"), ("Cheap", "cost 0.8")]


async def test_by_expected_cost_a_cheap_one_that_seldom_delivers_comes_last(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    cheap = await add_route(db, sealer, shop, "Cheap", cost=800_000, priority=200)
    await set_rules(db, routing="cost")
    for number in range(10):
        await buy(db, shop, imei(number))
        status = ReportStatus.DONE if number < 2 else ReportStatus.FAILED
        await send(db, shop, Scripted(placed=Placed(f"c{number}", Report("", status, "words"))), supplier_id=cheap)
    async with db.transaction() as conn:
        assert await measure(conn, WINDOW) == 1
    [measured] = await rows(db, "SELECT answered, delivered, success_permille FROM remote_measures")
    assert measured == {"answered": 10, "delivered": 2, "success_permille": (2000 + 9000) // 20}
    await set_rules(db, routing="expected_cost")
    await buy(db, shop, imei(50))
    name, why = (await taken(db))[-1]
    assert (name, why) == ("Reseller's upstream", "expected cost 1.111112: 1 at 90 % delivered")
    await assert_sound(db)


async def test_measures_of_what_was_long_ago_are_forgotten(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    await send(db, shop, Scripted(placed=Placed("r1", Report("r1", ReportStatus.DONE, "ok"))))
    async with db.transaction() as conn:
        assert await measure(conn, WINDOW) == 1
        await conn.execute("UPDATE attempts SET created_at = now() - interval '8 days'")
        assert await measure(conn, WINDOW) == 0
    assert await rows(db, "SELECT 1 FROM remote_measures") == []


async def test_the_measured_time_is_shown_where_the_operator_wants_it(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    connector = Scripted(placed=Placed("r"))
    for number in range(10):
        await buy(db, shop, imei(number))
        connector.placed = Placed(f"r{number}", Report("", ReportStatus.DONE, "ok"))
        await send(db, shop, connector)
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET sent_at = closed_at - make_interval(secs => 60 + 20 * (id % 10)::int)")
        await measure(conn, WINDOW)
        assert await show_measured_times(conn) == 0
        await conn.execute(
            "UPDATE services SET measured_time = true, time = 'soon' WHERE id = %s", (shop.imei_service,)
        )
        assert await show_measured_times(conn) == 1
        assert await show_measured_times(conn) == 0, "told once"
    [service] = await rows(db, "SELECT time FROM services WHERE id = %s", shop.imei_service)
    assert service["time"] == "2-5 Minutes"


def test_times_in_words() -> None:
    found = [in_words(*seconds) for seconds in ((2, 5), (40, 280), (600, 1700), (5400, 20_000), (90_000, 250_000))]
    assert found == ["1 Minute", "1-5 Minutes", "10-30 Minutes", "1-10 Hours", "1-3 Days"]


async def test_pain_13_every_leg_keeps_within_the_price_sold_and_the_customer_pays_no_more(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    dear = await add_route(db, sealer, shop, "Dear", cost=2_100_000, priority=150)
    fair = await add_route(db, sealer, shop, "Fair", cost=1_900_000, priority=200)
    await buy(db, shop, imei(1))
    await send(db, shop, Scripted(placed=Refused(RefusalReason.OTHER, "busy")))
    connector = Scripted(placed=Placed("d1"))
    await send(db, shop, connector, supplier_id=dear)
    assert connector.requests == [], "above the price sold"
    await send(db, shop, Scripted(placed=Placed("f1", Report("f1", ReportStatus.DONE, "ok"))), supplier_id=fair)
    [order] = await rows(db, "SELECT state, price FROM orders")
    assert order == {"state": "completed", "price": 2 * MICRO}
    [cost] = await rows(db, "SELECT cost, extra_cost FROM order_costs")
    assert cost == {"cost": 1_900_000, "extra_cost": 0}
    assert await balance(db, shop) == 998 * MICRO
    await assert_sound(db)


async def reject_first(db: Database, shop: Shop) -> None:
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Placed("r1"), report=Report("", ReportStatus.FAILED, "Not eligible"))
    await send(db, shop, connector)
    await ask(db, shop, connector)


async def test_pain_33_a_checks_answer_is_never_shopped_around(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await add_route(db, sealer, shop, "Second", cost=MICRO, priority=200)
    await reject_first(db, shop)
    assert [name for name, _ in await taken(db)] == ["Reseller's upstream"]
    [order] = await rows(db, "SELECT state, reason FROM orders")
    assert order == {"state": "rejected", "reason": "Not eligible"}


async def test_an_unlock_may_be_tried_elsewhere_after_a_definite_no_where_its_service_says_so(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    second = await add_route(db, sealer, shop, "Second", cost=MICRO, priority=200)
    await set_rules(db, service_class="unlock", next_after_rejection=True)
    await reject_first(db, shop)
    [order] = await rows(db, "SELECT state, reason FROM orders")
    assert order == {"state": "in_progress", "reason": None}
    assert await balance(db, shop) == 998 * MICRO
    no = Report("", ReportStatus.FAILED, "Not here either")
    await send(db, shop, Scripted(placed=Placed("s1")), supplier_id=second)
    await ask(db, shop, Scripted(report=no), supplier_id=second)
    [order] = await rows(db, "SELECT state, reason FROM orders")
    assert order == {"state": "rejected", "reason": "Not here either"}, "nobody is left to try"
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


async def test_after_a_definite_no_nobody_waits_for_a_route_that_is_closed(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    second = await add_route(db, sealer, shop, "Second", cost=MICRO, priority=200)
    await set_rules(db, service_class="unlock", next_after_rejection=True)
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET state = 'paused' WHERE id = %s", (second,))
    await reject_first(db, shop)
    [order] = await rows(db, "SELECT state FROM orders")
    assert order["state"] == "rejected"


async def test_an_unclear_order_waits_for_ever_unless_its_route_says_for_how_long(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await add_route(db, sealer, shop, "Second", cost=MICRO, priority=200)
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Unclear("read time-out"), found=Unclear("no list"))
    await send(db, shop, connector)
    await look(db, shop, connector, later="1000 hours")
    assert [row["state"] for row in await rows(db, "SELECT state FROM attempts")] == ["unclear"]
    async with db.transaction() as conn:
        await conn.execute("UPDATE routes SET next_after_unclear_hours = 6")
    await look(db, shop, connector, later="5 hours")
    assert [row["state"] for row in await rows(db, "SELECT state FROM attempts")] == ["unclear"]
    [waiting] = await rows(db, "SELECT due_at - now() <= interval '1 hour' AS soon FROM attempts")
    assert waiting["soon"], "it is looked at again when the time has come"
    await look(db, shop, connector, later="6 hours")
    found = await rows(db, "SELECT state FROM attempts ORDER BY number")
    assert [row["state"] for row in found] == ["abandoned", "prepared"]
    assert await balance(db, shop) == 998 * MICRO
    await assert_sound(db)


async def test_without_another_route_an_unclear_order_stays_unclear(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    assert (await buy(db, shop, imei(1)))[0] != Outcome("unavailable", None)
    connector = Scripted(placed=Unclear("read time-out"), found=Unclear("no list"))
    await send(db, shop, connector)
    async with db.transaction() as conn:
        await conn.execute("UPDATE routes SET next_after_unclear_hours = 6")
    await look(db, shop, connector, later="60 hours")
    assert [row["state"] for row in await rows(db, "SELECT state FROM attempts")] == ["unclear"]


@pytest.mark.parametrize(
    "closed",
    [
        "UPDATE routes SET state = 'paused'",
        "UPDATE suppliers SET state = 'paused'",
        "UPDATE remote_services SET removed_at = now()",
        "UPDATE remote_services SET cost = NULL",
    ],
)
async def test_pain_6_what_no_supplier_sells_any_more_is_not_sold_and_nothing_charged(
    db: Database, sealer: Sealer, closed: LiteralString
) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute(closed)
    assert await buy(db, shop, imei(1)) == [Outcome("unavailable", None)]
    assert await balance(db, shop) == 1000 * MICRO


async def test_what_only_waits_for_the_moment_is_sold(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET paused_until = now() + interval '1 hour'")
        await conn.execute("UPDATE remote_services SET paused_until = now() + interval '1 hour'")
    assert [outcome.kind for outcome in await buy(db, shop, imei(1))] == ["placed"]
