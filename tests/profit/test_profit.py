"""Profit: equal to what is computed by hand, and to the books, whatever happened to the orders."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from app.clock import now
from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.db import Connection, Database
from app.ledger.rates import set_rate
from app.money import MICRO
from app.orders.again import send_again
from app.orders.resolution import resolve_attempt, reverse_order
from app.profit.building import FINAL_AFTER, build_day, build_due, due_days
from app.profit.report import Earned, Question, earned_by, totals
from app.sealing import Sealer
from app.staff.service import create_staff
from tests.factories import Shop, imei, make_remote_service, make_route, make_shop, make_supplier
from tests.orders.test_place import assert_sound
from tests.worker.scripted import Scripted, send
from tests.worker.test_order_path import buy, rows

pytestmark = pytest.mark.usefixtures("within_an_hour")


def today() -> date:
    return now().astimezone(UTC).date()


def done(remote_id: str) -> Scripted:
    """A supplier that delivers at once."""
    return Scripted(placed=Placed(remote_id, Report(remote_id, ReportStatus.DONE, "the result")))


async def second_route(
    db: Database, sealer: Sealer, shop: Shop, *, cost: int, currency: str = "USD", name: str = "Second"
) -> tuple[int, int]:
    """Another supplier of the IMEI check; its id and the route's."""
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer, name=name, currency=currency)
        remote = await make_remote_service(conn, supplier, cost=cost)
        return supplier, await make_route(conn, shop.imei_service, remote, priority=200)


async def report(db: Database, by: str, *, currency: str = "USD", day: date | None = None) -> dict[str, Earned]:
    """What is told of a day by name, after whatever was due was built."""
    await build_due(db)
    async with db.pool.connection() as conn:
        asked = Question(day or today(), day or today(), currency)
        return {row.name: row for row in await earned_by(conn, asked, by=by)}


def sums(row: Earned) -> tuple[int, int, int, int, int, int]:
    """Orders, and the amounts in hundredths."""
    cents = [amount // 10_000 for amount in (row.revenue, row.reversed, row.cost, row.absorbed, row.profit)]
    return (row.orders, *cents)  # type: ignore[return-value]  # five of them


async def unpaced(db: Database) -> None:
    """Let the day under way be due again at once."""
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE profit_builds SET built_at = built_at - interval '5 minutes'")


async def open_days(conn: Connection) -> list[date]:
    """The days that are not final: today, and the day before if it was last built within an hour of its end."""
    yesterday = today() - timedelta(days=1)
    row = await (await conn.execute("SELECT built_at FROM profit_builds WHERE day = %s", (yesterday,))).fetchone()
    assert row is not None
    final = datetime.combine(today(), time(), UTC) + FINAL_AFTER
    return [yesterday, today()] if row["built_at"] < final else [today()]


async def test_orders_of_every_kind_leave_what_is_computed_by_hand(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    # Sold at 2.00 and bought at 1.00, delivered: 1.00 is left.
    await buy(db, shop, imei(1))
    await send(db, shop, done("a1"))
    # Sold at 5.00 and bought at 3.00, delivered and then taken back: 3.00 are lost.
    [outcome] = await buy(db, shop, "", service=shop.server_service, Email="a@example.com")
    assert outcome.order_id is not None
    await send(db, shop, done("a2"))
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="f@example.com", name="F", role="finance")
        await reverse_order(conn, outcome.order_id, reason="a mistake", staff_id=staff_id)
    # Refused for good and refunded: nothing is left, nothing is lost.
    await buy(db, shop, imei(2))
    await send(db, shop, Scripted(placed=Refused(RefusalReason.BAD_INPUT, "no such device")))
    # Unclear at 1.00, bought again elsewhere at 3.00: sold at 2.00, so 2.00 are lost.
    supplier, route = await second_route(db, sealer, shop, cost=3 * MICRO)
    [unclear] = await buy(db, shop, imei(3))
    assert unclear.order_id is not None
    await send(db, shop, Scripted(placed=Unclear("read time-out")))
    async with db.transaction() as conn:
        await send_again(
            conn, unclear.order_id, route_id=route, max_cost=3 * MICRO, force=False, reason="waits", staff_id=1
        )
    await send(db, shop, done("b1"), supplier_id=supplier)
    # Still open: nothing of it counts yet.
    await buy(db, shop, imei(4))

    [day] = (await report(db, "day")).values()
    assert sums(day) == (3, 900, 500, 700, 100, -400)
    services = await report(db, "service")
    assert sums(services["IMEI check"]) == (2, 400, 0, 400, 100, -100)
    assert sums(services["Activation"]) == (1, 500, 500, 300, 0, -300)
    suppliers = await report(db, "supplier")
    assert sums(suppliers["Reseller's upstream"]) == (2, 700, 500, 400, 100, -300)
    assert sums(suppliers["Second"]) == (1, 200, 0, 300, 0, -100)
    customers = await report(db, "customer")
    assert sums(customers["Reseller"]) == (3, 900, 500, 700, 100, -400)
    await assert_sound(db)

    # The books say the same: sales hold the revenue less what was given back, and the costs are those of the orders.
    [books] = await rows(
        db,
        "SELECT (SELECT COALESCE(sum(CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END), 0)::bigint"
        " FROM transfers t JOIN accounts a ON a.role = 'sales' AND a.id IN (t.debit_id, t.credit_id)) AS sales,"
        " (SELECT sum(COALESCE(c.cost, 0) + c.extra_cost)::bigint FROM order_costs c JOIN orders o ON o.id = c.order_id"
        "  WHERE o.state IN ('completed', 'rejected')) AS costs",
    )
    assert books == {"sales": day.revenue - day.reversed, "costs": day.cost + day.absorbed}


async def test_the_truth_about_an_abandoned_attempt_is_found_on_its_old_day(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop, cost=3 * MICRO)
    [outcome] = await buy(db, shop, imei(1))
    assert outcome.order_id is not None
    await send(db, shop, Scripted(placed=Unclear("read time-out")))
    async with db.transaction() as conn:
        await send_again(
            conn, outcome.order_id, route_id=route, max_cost=3 * MICRO, force=False, reason="waits", staff_id=1
        )
    await send(db, shop, done("b1"), supplier_id=supplier)
    async with db.pool.connection() as conn:
        # All of it happened ten days ago, and that day is final.
        for statement in (
            "UPDATE orders SET created_at = created_at - interval '10 days'",
            "UPDATE transfers SET created_at = created_at - interval '10 days'",
            "UPDATE attempts SET closed_at = closed_at - interval '10 days'",
            "UPDATE order_events SET at = at - interval '10 days'",
        ):
            await conn.execute("SET session_replication_role = replica")
            await conn.execute(statement)
            await conn.execute("SET session_replication_role = DEFAULT")
    then = today() - timedelta(days=10)
    [day] = (await report(db, "day", day=then)).values()
    assert sums(day) == (1, 200, 0, 300, 100, -200)
    await unpaced(db)
    await build_due(db)
    async with db.pool.connection() as conn:
        assert not await due_days(conn), "what is final is not built again"
    [lost] = await rows(db, "SELECT id FROM attempts WHERE state = 'abandoned'")
    async with db.transaction() as conn:
        await resolve_attempt(conn, lost["id"], found=False, remote_id=None, staff_id=1)
    async with db.pool.connection() as conn:
        assert then in await due_days(conn)
    [day] = (await report(db, "day", day=then)).values()
    assert sums(day) == (1, 200, 0, 300, 0, -100)


async def test_an_order_sent_again_after_it_was_completed_costs_beside_it(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop, cost=MICRO)
    [outcome] = await buy(db, shop, imei(1))
    assert outcome.order_id is not None
    await send(db, shop, done("a1"))
    [day] = (await report(db, "day")).values()
    assert sums(day) == (1, 200, 0, 100, 0, 100)
    async with db.transaction() as conn:
        await send_again(
            conn, outcome.order_id, route_id=route, max_cost=MICRO, force=False, reason="a better one", staff_id=1
        )
    await send(db, shop, done("b1"), supplier_id=supplier)
    await unpaced(db)
    [day] = (await report(db, "day")).values()
    assert sums(day) == (1, 200, 0, 100, 100, 0)
    suppliers = await report(db, "supplier")
    assert sums(suppliers["Reseller's upstream"]) == (0, 0, 0, 0, 100, -100)
    assert sums(suppliers["Second"]) == (1, 200, 0, 100, 0, 100)


async def test_costs_in_another_currency_count_at_the_rate_of_their_day(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await set_rate(conn, currency="EUR", rate=Decimal(2), base="USD", staff_id=None)
        await conn.execute("UPDATE exchange_rates SET valid_from = now() - interval '3 days' WHERE currency = 'EUR'")
        await conn.execute("UPDATE routes SET state = 'paused'")
    supplier, _ = await second_route(db, sealer, shop, cost=900_000, currency="EUR")
    await buy(db, shop, imei(1))
    await send(db, shop, done("b1"), supplier_id=supplier)
    async with db.transaction() as conn:
        await set_rate(conn, currency="EUR", rate=Decimal(1), base="USD", staff_id=None)
    [day] = (await report(db, "day")).values()
    assert (day.revenue, day.cost, day.profit) == (2 * MICRO, 1_800_000, 200_000)
    async with db.pool.connection() as conn:
        await conn.execute("DELETE FROM exchange_rates")
    await unpaced(db)
    [day] = (await report(db, "day")).values()
    assert (day.cost, day.unpriced) == (0, 1), "without a rate nothing is guessed, and it is said"


async def test_currencies_are_told_apart_and_their_worth_at_the_rate_of_each_day(db: Database, sealer: Sealer) -> None:
    await make_shop(db, sealer)
    async with db.transaction() as conn:
        for currency, at, rate in (("USD", "-infinity", 1), ("EUR", "2026-01-01", 2), ("EUR", "2026-01-03", 3)):
            await conn.execute(
                "INSERT INTO exchange_rates (currency, valid_from, rate) VALUES (%s, %s, %s)", (currency, at, rate)
            )
        await conn.execute(
            "INSERT INTO profit_days SELECT 'all', c, d::date, 0, 1, 10, 0, 4, 1, 0"
            " FROM unnest(ARRAY['USD', 'EUR', 'XXX']) c,"
            " generate_series('2026-01-01', '2026-01-03', interval '1 day') d"
        )
    async with db.pool.connection() as conn:
        usd, eur, xxx = await totals(conn, date(2026, 1, 1), date(2026, 1, 3), base="USD")
    assert (usd.currency, usd.earned.profit, usd.worth) == ("USD", 15, 15)
    assert (eur.currency, eur.earned.profit, eur.worth) == ("EUR", 15, 5 * 2 + 5 * 2 + 5 * 3)
    assert (xxx.currency, xxx.earned.profit, xxx.worth) == ("XXX", 15, None)


async def test_days_that_were_missed_are_built_and_the_one_under_way_is_paced(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.pool.connection() as conn:
        assert not await due_days(conn), "nothing before the first order"
    await buy(db, shop, imei(9))
    async with db.pool.connection() as conn:
        assert list(await due_days(conn)) == [today()]
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 days'")
        await conn.execute("SET session_replication_role = DEFAULT")
        assert len(await due_days(conn)) == 4
    assert await build_due(db) == 4
    async with db.pool.connection() as conn:
        assert not await due_days(conn)
    await unpaced(db)
    await buy(db, shop, imei(1))
    async with db.pool.connection() as conn:
        assert list(await due_days(conn)) == await open_days(conn)
        await conn.execute("UPDATE profit_builds SET seconds = 60")
        assert not await due_days(conn), "a day that takes long to build rests longer"
    day = today() - timedelta(days=1)
    async with db.transaction() as conn:
        await build_day(conn, day)
        await build_day(conn, day)
    assert await rows(db, "SELECT count(*) AS n FROM profit_builds WHERE day = %s", day) == [{"n": 1}]


async def test_many_who_build_at_once_build_each_day_once_and_none_waits(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(9))
    async with db.pool.connection() as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 days'")
        await conn.execute("SET session_replication_role = DEFAULT")

    async def build_after(milliseconds: int) -> int:
        await asyncio.sleep(milliseconds / 1000)
        return await build_due(db)

    for _ in range(30):  # some look while another builds and has not committed
        async with db.pool.connection() as conn:
            await conn.execute("TRUNCATE profit_builds, profit_days")
        assert sum(await asyncio.gather(*(build_after(3 * n) for n in range(8)))) == 4
    await unpaced(db)
    async with db.transaction() as conn:
        await build_day(conn, today())  # somebody is at it
        assert await asyncio.wait_for(build_due(db), 5) == 0
