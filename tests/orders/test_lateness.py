"""The service-level clock: late orders are told once, asked after sooner, and the alarm ends with the last of them."""

from collections.abc import Sequence

from app.connectors.base import Placed, Report, ReportStatus
from app.db import Database
from app.orders.attempts import claim_polls
from app.orders.escalation import escalate
from app.orders.policy import next_poll_seconds
from app.sealing import Sealer
from app.suppliers.service import get
from app.worker.poll import Asker
from tests.factories import imei, make_shop
from tests.worker.scripted import Scripted, ask, send
from tests.worker.test_order_path import buy, rows


async def told(db: Database) -> int:
    async with db.transaction() as conn:
        return await escalate(conn)


async def alarms(db: Database) -> list[tuple[str, str, int]]:
    found = await rows(db, "SELECT subject, text, count FROM alarms WHERE kind = 'late_order' AND state <> 'closed'")
    return [(row["subject"], row["text"], row["count"]) for row in found]


async def test_pain_15_a_late_order_is_told_once_and_asked_after_sooner(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET expected_minutes = 10, guaranteed_minutes = 60")
    await buy(db, shop, imei(1))
    connector = Scripted(placed=Placed("r1"), report=Report("", ReportStatus.PENDING))
    await send(db, shop, connector)
    assert await told(db) == 0
    assert await alarms(db) == []
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE orders SET created_at = now() - interval '5 hours', late_at = late_at - interval '5 hours'"
        )
        await conn.execute(
            "UPDATE attempts SET placed_at = now() - interval '5 hours', due_at = now() + interval '1 hour'"
        )
    assert await told(db) == 1
    assert await told(db) == 0, "once"
    [(subject, text, count)] = await alarms(db)
    assert (subject, count) == (f"service {shop.imei_service}", 1)
    assert text.startswith("1 orders of IMEI check are later than was promised")
    [attempt] = await rows(db, "SELECT due_at <= now() AS due FROM attempts")
    assert attempt["due"], "asked after now"
    await ask(db, shop, connector)
    [attempt] = await rows(db, "SELECT due_at - now() <= interval '60 seconds' AS soon FROM attempts")
    assert attempt["soon"], "and sooner than others of its age from then on"
    connector.report = Report("", ReportStatus.DONE, "ok")
    await ask(db, shop, connector)
    assert await told(db) == 0
    assert await alarms(db) == [], "it ends with the last of them"


async def test_without_a_promise_nothing_is_late(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    async with db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = now() - interval '1 year'")
    assert await told(db) == 0


def test_late_orders_are_asked_after_every_minute_at_least() -> None:
    assert [next_poll_seconds(age, late=True) for age in (5, 300, 7200, 10**6)] == [1.0, 10.0, 60.0, 60.0]
    assert next_poll_seconds(10**6) == 900.0


class Silent(Scripted):
    """Says nothing in bulk of orders that it will answer for singly."""

    check_batch = 10

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        self.checks.append(",".join(remote_ids))
        if len(remote_ids) > 1:
            return [Report(remote_ids[0], ReportStatus.PENDING)]
        return [Report(remote_ids[0], ReportStatus.DONE, "ok")]


async def test_pain_23_a_late_order_that_a_bulk_answer_leaves_out_is_asked_after_alone(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    connector = Silent()
    for number in range(3):
        await buy(db, shop, imei(number))
        connector.placed = Placed(f"r{number}")
        await send(db, shop, connector)
    async with db.transaction() as conn:
        await conn.execute("UPDATE orders SET late_at = now() - interval '1 hour' WHERE device = %s", (imei(2),))
        await conn.execute("UPDATE attempts SET due_at = now()")
        polls = await claim_polls(conn, shop.supplier_id, lease_by="w", lease_seconds=60, limit=10)
        account = await get(conn, shop.supplier_id)
    await Asker(db, account, connector, "w").ask(sorted(polls, key=lambda poll: poll.attempt_id))
    assert connector.checks == ["r0,r1,r2", "r2"]
    states = await rows(db, "SELECT state FROM orders ORDER BY id")
    assert [row["state"] for row in states] == ["in_progress", "in_progress", "completed"]
