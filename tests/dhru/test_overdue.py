"""Credit by its age, through the real door: who does not pay in time orders no more on credit, until they pay."""

from app.audit.service import audit
from app.db import Database
from app.ledger.debts import set_credit_days
from app.ledger.service import adjust, set_credit_limit, topup
from app.money import MICRO
from app.sealing import Sealer
from tests.dhru.conftest import Panel
from tests.factories import imei
from tests.worker.test_jobs import run


async def test_an_overdue_customer_orders_again_as_soon_as_they_paid(
    panel: Panel, db: Database, sealer: Sealer
) -> None:
    customer, service = panel.shop.customer_id, panel.shop.imei_service
    async with db.transaction() as conn:
        await adjust(conn, customer, amount=-1000 * MICRO, reference="all", reason="start at zero", staff_id=None)
        await set_credit_limit(conn, customer, 100 * MICRO)
        await set_credit_days(conn, customer, 7)
    assert "SUCCESS" in await panel.place(service, imei(1))
    await run(db, sealer, "mark_overdue")
    assert "SUCCESS" in await panel.place(service, imei(2)), "a debt of today is none that is overdue"

    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")  # only so can a test make a line older
        await conn.execute("UPDATE orders SET created_at = now() - interval '9 days' WHERE id = 1")
        await conn.execute(
            "UPDATE transfers SET created_at = now() - interval '8 days' WHERE kind = 'charge' AND order_id = 1"
        )
    await run(db, sealer, "mark_overdue")
    refused = await panel.place(service, imei(3))
    assert refused["ERROR"][0]["MESSAGE"] == "CreditprocessError"
    assert len(await panel.orders()) == 2

    async with db.transaction() as conn:
        await topup(conn, customer, amount=2 * MICRO - 1, reference="not all of it", staff_id=None)
    assert "ERROR" in await panel.place(service, imei(3)), "a micro-unit of the old debt is left"
    async with db.transaction() as conn:
        await topup(conn, customer, amount=1, reference="the rest", staff_id=None)
    assert "SUCCESS" in await panel.place(service, imei(3)), "paid, without waiting for the next look at the debts"
    assert await panel.balance() == -4 * MICRO
    assert (await audit(db)).ok
