"""How suppliers did day by day: equal to what the attempts say, and counted once however often it is measured."""

from datetime import timedelta

from app.clock import now
from app.db import Database
from app.sealing import Sealer
from app.suppliers.performance import Counts, forget_days, measure_days, report_days, report_remote_services
from tests.factories import make_shop
from tests.suppliers.accounts import Account


async def test_days_say_what_became_of_what_was_sent(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    account = Account(db, shop)
    noon = now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    for seconds in (10, 20, 90):
        await account.attempt("done", noon, closed_at=noon + timedelta(seconds=seconds))
    await account.attempt("failed", noon, closed_at=noon + timedelta(seconds=5))
    for state in ("refused", "unclear", "placed"):
        await account.attempt(state, noon)
    await account.attempt("done", noon - timedelta(days=2), closed_at=noon)
    await account.attempt("done", noon - timedelta(days=500), closed_at=noon - timedelta(days=500))
    for _ in range(2):
        async with db.transaction() as conn:
            await measure_days(conn, back=600)
    async with db.pool.connection() as conn:
        days = await report_days(conn, shop.supplier_id, days=7)
        (service,) = await report_remote_services(conn, shop.supplier_id, days=7, limit=10)
        nobody = await report_days(conn, shop.supplier_id + 1, days=7)
    assert [one.day for one in days] == [noon.date(), (noon - timedelta(days=2)).date()]
    assert days[0].counts == Counts(sent=7, delivered=3, failed=1, refused=1, open=2)
    assert days[0].counts.success_permille == 600
    assert (days[0].p50_seconds, days[0].p95_seconds) == (20, 90)
    assert days[1].counts == Counts(sent=1, delivered=1, failed=0, refused=0, open=0)
    assert days[1].p50_seconds == 2 * 86_400
    assert service.counts == Counts(sent=8, delivered=4, failed=1, refused=1, open=2)
    assert nobody == []
    async with db.transaction() as conn:
        assert await forget_days(conn) == 2, "the old day's rows, of the supplier and of its service"
        assert Counts(5, 0, 0, 0, 5).success_permille is None


async def test_a_later_answer_changes_the_day_it_was_sent_on(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    account = Account(db, shop)
    sent = now() - timedelta(days=3)
    attempt_id = await account.attempt("placed", sent)
    async with db.transaction() as conn:
        await measure_days(conn, back=5)
    await account.move(attempt_id, "placed", "done")
    async with db.transaction() as conn:
        await measure_days(conn, back=5)
        (day,) = await report_days(conn, shop.supplier_id, days=7)
    assert (day.counts.delivered, day.counts.open) == (1, 0)
