"""What staff ordered, gave up or let wait is sound because it is written down, and only because of that."""

from app.audit.service import audit
from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import Unclear
from app.db import Database
from app.money import MICRO
from app.orders.again import send_again
from app.orders.resolution import resolve_attempt
from app.sealing import Sealer
from tests.audit.test_promises import DELIVERED, OPEN, REFUNDED, TWICE, broken_by
from tests.factories import Shop, imei, make_shop
from tests.orders.test_again import again, ordered, second_route
from tests.worker.scripted import Scripted, ask, send
from tests.worker.test_order_path import buy, rows

CLOSED = "no supplier is at work on a closed order, unless staff said so"


def delivered(remote_id: str) -> Scripted:
    return Scripted(placed=Placed(remote_id, Report(remote_id, ReportStatus.DONE, f"result {remote_id}")))


async def findings(db: Database) -> set[str]:
    return {finding.promise for finding in (await audit(db)).findings}


async def promises_broken_by(db: Database, statements: str) -> set[str]:
    return {finding.promise for finding in (await broken_by(db, statements)).findings}


async def test_an_order_that_may_have_been_bought_and_went_on(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await send(db, shop, Scripted(placed=Unclear("read time-out")))
    await again(db, order_id, route, 3 * MICRO)
    assert await findings(db) == set()
    await send(db, shop, delivered("s1"), supplier_id=supplier)
    assert await findings(db) == set()
    [lost] = await rows(db, "SELECT id FROM attempts WHERE state = 'abandoned'")
    async with db.transaction() as conn:
        await resolve_attempt(conn, lost["id"], found=True, remote_id="R1", staff_id=1)
    assert [row["state"] for row in await rows(db, "SELECT state FROM attempts ORDER BY number")] == ["done", "done"]
    assert await findings(db) == set()
    # Without the words that it was given up, and without those of staff, it is an order that was bought twice.
    assert await promises_broken_by(
        db,
        "DELETE FROM order_events WHERE new_state = 'abandoned'; UPDATE attempts SET max_cost = NULL",
    ) == {DELIVERED, TWICE}


async def test_a_completed_order_that_staff_sent_again(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    await send(db, shop, delivered("s1"))
    await again(db, order_id, route, 3 * MICRO)
    assert await findings(db) == set(), "prepared"
    await send(db, shop, Scripted(placed=Placed("s2")), supplier_id=supplier)
    assert await findings(db) == set(), "with the supplier"
    assert await _undone(db, "UPDATE attempts SET max_cost = NULL") == {CLOSED, TWICE}
    report = Report("s2", ReportStatus.DONE, "a better one")
    await ask(db, shop, Scripted(report=report), supplier_id=supplier)
    assert await findings(db) == set(), "delivered again"
    assert await promises_broken_by(db, "UPDATE attempts SET max_cost = NULL") == {DELIVERED, TWICE}


async def _undone(db: Database, statement: str) -> set[str]:
    """The promises that a statement breaks, which is then taken back."""
    await db_execute(db, "CREATE TABLE kept AS SELECT id, max_cost FROM attempts")
    found = await promises_broken_by(db, statement)
    await db_execute(db, "UPDATE attempts a SET max_cost = k.max_cost FROM kept k WHERE k.id = a.id; DROP TABLE kept")
    return found


async def db_execute(db: Database, statements: str) -> None:
    async with db.transaction() as conn:
        await conn.execute(statements)


async def test_an_order_that_staff_had_delivered_elsewhere_and_then_refunded_behind_all_backs(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    supplier, route = await second_route(db, sealer, shop)
    order_id = await ordered(db, shop)
    async with db.transaction() as conn:
        await send_again(
            conn, order_id, route_id=route, max_cost=3 * MICRO, force=False, reason="faster there", staff_id=1
        )
    await send(db, shop, delivered("s1"), supplier_id=supplier)
    assert await findings(db) == set()
    assert await promises_broken_by(
        db,
        "UPDATE orders SET state = 'rejected', reason = 'x', result = NULL;"
        "UPDATE transfers SET kind = 'refund', credit_id = (SELECT debit_id FROM transfers WHERE kind = 'charge')"
        " WHERE kind = 'settle';"
        "UPDATE accounts SET balance = balance + 2000000 WHERE role = 'customer';"
        "INSERT INTO order_events (order_id, kind, new_state, actor) SELECT id, 'order', 'rejected', 'x' FROM orders",
    ) == {REFUNDED}


async def test_an_order_that_waits_for_a_person(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    async with db.transaction() as conn:
        await conn.execute("SELECT hold_orders(json_build_array(json_build_object('order', %s::bigint, 'why', 'look'))"
                           ", 'test')", (order_id,))  # fmt: skip
    assert await findings(db) == set()
    without = "DELETE FROM attempts; DELETE FROM order_events WHERE attempt_id IS NOT NULL"
    assert await promises_broken_by(db, without) == set(), "no attempt is at work, but somebody has to look"
    assert await promises_broken_by(db, "UPDATE orders SET held = NULL") == {OPEN}


async def test_an_order_that_repeats_what_an_earlier_one_brought(db: Database, sealer: Sealer) -> None:
    shop: Shop = await make_shop(db, sealer)
    await db_execute(db, "UPDATE services SET duplicates = 'recent', duplicate_hours = 24")
    await ordered(db, shop)
    await send(db, shop, delivered("s1"))
    async with db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '1 hour'")
    [second] = await buy(db, shop, imei(1))
    [order] = await rows(db, "SELECT state, repeats_id FROM orders WHERE id = %s", second.order_id)
    assert order == {"state": "completed", "repeats_id": 1}
    assert await findings(db) == set()
    assert await promises_broken_by(db, "UPDATE orders SET repeats_id = NULL") == {DELIVERED}
