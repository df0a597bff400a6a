"""Cancelling: at once while no supplier has the order, else only on the supplier's word, and never against its end."""

import asyncio

import pytest

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.db import Database
from app.errors import Conflict, NotFound
from app.money import MICRO
from app.orders.attempts import Write, claim_polls, record
from app.orders.cancelling import cancel_order
from app.orders.resolution import reject_order, resolve_attempt
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import assert_sound, balance
from tests.worker.scripted import Scripted, ask, claimed, look, send
from tests.worker.test_order_path import buy, rows


async def ordered(db: Database, shop: Shop, number: int = 1) -> int:
    [outcome] = await buy(db, shop, imei(number))
    assert outcome.order_id is not None
    return outcome.order_id


async def cancel(db: Database, order_id: int, customer_id: int | None = None) -> str:
    async with db.transaction() as conn:
        return await cancel_order(conn, order_id, actor="test", customer_id=customer_id)


async def state(db: Database, order_id: int) -> tuple[str, str | None]:
    [row] = await rows(db, "SELECT state, reason FROM orders WHERE id = %s", order_id)
    return row["state"], row["reason"]


async def test_an_order_is_cancelled_in_the_time_its_service_leaves_for_that(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET confirm_seconds = 600")
    order_id = await ordered(db, shop)
    assert await claimed(db, shop.supplier_id) == [], "it is not sent yet"
    assert await cancel(db, order_id) == "cancelled"
    assert await state(db, order_id) == ("rejected", "Cancelled.")
    [attempt] = await rows(db, "SELECT state, text FROM attempts")
    assert attempt == {"state": "not_sent", "text": "the order is closed"}, "nobody can claim it any more"
    assert await balance(db, shop) == 1000 * MICRO
    with pytest.raises(Conflict):
        await cancel(db, order_id)
    await assert_sound(db)


async def test_nobody_cancels_anothers_order(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    other = await make_shop(db, sealer, name="Other")
    with pytest.raises(NotFound):
        await cancel(db, order_id, other.customer_id)
    assert await state(db, order_id) == ("accepted", None)


async def test_pain_29_money_goes_back_only_when_the_supplier_says_cancelled(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    connector = Scripted(placed=Placed("r1"), cancelled=Report("", ReportStatus.FAILED, "Cancelled at your request"))
    await send(db, shop, connector)
    assert await cancel(db, order_id) == "requested"
    assert await state(db, order_id) == ("in_progress", None)
    assert await balance(db, shop) == 998 * MICRO
    await ask(db, shop, connector)
    assert connector.cancels == ["r1"]
    assert await state(db, order_id) == ("rejected", "Cancelled at your request")
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


@pytest.mark.parametrize(
    "answer",
    [Unsupported("no cancel call"), Refused(RefusalReason.OTHER, "too late"), Report("", ReportStatus.PENDING)],
)
async def test_pain_29_a_supplier_that_does_not_cancel_is_asked_once_and_the_order_goes_on(
    db: Database, sealer: Sealer, answer: Report | Unsupported | Refused
) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    connector = Scripted(placed=Placed("r1"), cancelled=answer, report=Report("", ReportStatus.DONE, "the result"))
    await send(db, shop, connector)
    await cancel(db, order_id)
    await ask(db, shop, connector)
    assert await state(db, order_id) == ("in_progress", None)
    assert connector.checks == []
    await ask(db, shop, connector)
    assert connector.cancels == ["r1"]
    assert await state(db, order_id) == ("completed", None), "what was delivered is delivered"
    await assert_sound(db)


async def test_a_cancel_call_that_did_not_get_through_is_made_again(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    connector = Scripted(placed=Placed("r1"), cancelled=Unclear("read time-out"))
    await send(db, shop, connector)
    await cancel(db, order_id)
    await ask(db, shop, connector)
    connector.cancelled = Report("", ReportStatus.FAILED, "Cancelled")
    await ask(db, shop, connector)
    assert connector.cancels == ["r1", "r1"]
    assert await state(db, order_id) == ("rejected", "Cancelled")


async def test_an_order_to_be_cancelled_that_proves_not_sent_goes_nowhere_else(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    sending = await claimed(db, shop.supplier_id)
    assert await cancel(db, order_id) == "requested"
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET state = 'unclear' WHERE id = %s", (sending[0].attempt_id,))
        await resolve_attempt(conn, sending[0].attempt_id, found=False, remote_id=None, staff_id=1)
    assert await state(db, order_id) == ("rejected", "Cancelled.")
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


async def test_an_order_to_be_cancelled_waits_for_no_route(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    connector = Scripted(placed=NotSent("refused connection"))
    await send(db, shop, connector)
    async with db.transaction() as conn:
        # As if the wish came at the very moment at which the attempt was locked by a worker.
        await conn.execute("UPDATE orders SET cancel_requested_at = now()")
        await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'prepared'")
    await send(db, shop, connector)
    assert len(connector.requests) == 1
    assert await state(db, order_id) == ("rejected", "Cancelled.")
    assert await balance(db, shop) == 1000 * MICRO


async def test_an_unclear_order_is_not_cancelled_without_proof(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    order_id = await ordered(db, shop)
    connector = Scripted(placed=Unclear("read time-out"), found=None)
    await send(db, shop, connector)
    assert await cancel(db, order_id) == "requested"
    await look(db, shop, connector, later="5 minutes")
    assert await state(db, order_id) == ("in_progress", None)
    await look(db, shop, connector, later="11 minutes")
    assert await state(db, order_id) == ("rejected", "Cancelled.")
    await assert_sound(db)


async def test_race_of_cancel_against_completion_has_one_outcome(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    for number in range(12):
        order_id = await ordered(db, shop, number)
        await send(db, shop, Scripted(placed=Placed(f"r{number}")))
        async with db.transaction() as conn:
            await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'placed'")
            [poll] = await claim_polls(conn, shop.supplier_id, lease_by="w", lease_seconds=60, limit=10)

        async def complete(attempt: int) -> None:
            done = Write(
                attempt, AttemptState.PLACED, AttemptState.DONE, order_to=OrderState.COMPLETED, result="the result"
            )
            async with db.transaction() as conn:
                await record(conn, [done], lease_by="w", actor="test")

        async def back_out(order: int) -> str:
            try:
                return await cancel(db, order)
            except Conflict:
                return "over"

        _, answer = await asyncio.gather(complete(poll.attempt_id), back_out(order_id))
        assert answer in ("requested", "over")
        assert (await state(db, order_id))[0] == "completed"
    await assert_sound(db)


async def test_race_of_cancel_against_sending_never_waits_in_a_circle(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    connector = Scripted(placed=NotSent("refused connection"))
    for number in range(12):
        order_id = await ordered(db, shop, number)

        async def back_out(order: int) -> str:
            async with db.transaction() as conn:
                try:
                    await reject_order(conn, order, reason="asked for", staff_id=1)
                except Conflict:
                    return "not now"
            return "rejected"

        answers = await asyncio.gather(send(db, shop, connector), back_out(order_id))
        assert answers[1] in ("rejected", "not now")
        async with db.transaction() as conn:
            await conn.execute("UPDATE suppliers SET paused_until = NULL, trips = 0")
            await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'prepared'")
    assert await rows(db, "SELECT 1 FROM attempts WHERE state IN ('unclear', 'sending')") == []
    await assert_sound(db)
