"""The ledger holds its rules against whoever asks: append-only, one outcome, once per reference, never uncovered."""

import pytest

from app.audit.promises import AuditResult
from app.audit.service import audit
from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import NotSent
from app.db import Database
from app.errors import Conflict, Invalid
from app.ledger.service import account_of, adjust, set_credit_limit, topup
from app.ledger.statement import Filter, page, span_of
from app.money import MICRO
from app.orders.resolution import reverse_order
from app.sealing import Sealer
from app.staff.service import create_staff
from tests.audit.lives import send
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import buy, wish


async def prove(db: Database) -> AuditResult:
    return await audit(db)


async def shop_with_orders(db: Database, sealer: Sealer) -> Shop:
    """A shop with three orders: open, completed, rejected."""
    shop = await make_shop(db, sealer)
    await buy(db, shop, *[await wish(db, shop.imei_service, imei(n)) for n in range(3)])
    done = Placed("R2", Report("R2", ReportStatus.DONE, "Code 1"))
    failed = Placed("R3", Report("R3", ReportStatus.FAILED, "no"))
    await send(db, shop.supplier_id, {1: NotSent("refused connection"), 2: done, 3: failed})
    assert (await prove(db)).ok
    return shop


@pytest.mark.parametrize(
    "statement", ["UPDATE transfers SET amount = 1", "DELETE FROM transfers", "TRUNCATE transfers CASCADE"]
)
async def test_transfers_are_append_only(db: Database, sealer: Sealer, statement: str) -> None:
    await shop_with_orders(db, sealer)
    async with db.pool.connection() as conn:
        with pytest.raises(Exception, match="append-only"):
            await conn.execute(statement)
    assert (await prove(db)).ok


@pytest.mark.parametrize(
    ("order", "state"), [(3, "completed"), (3, "accepted"), (2, "in_progress"), (2, "accepted"), (1, "nonsense")]
)
async def test_the_database_refuses_a_move_that_no_table_names(
    db: Database, sealer: Sealer, order: int, state: str
) -> None:
    await shop_with_orders(db, sealer)
    async with db.pool.connection() as conn:
        with pytest.raises(Exception, match=r"no way from|violates check constraint"):
            await conn.execute("UPDATE orders SET state = %s WHERE id = %s", (state, order))


async def test_pain_7_an_order_has_one_outcome_whoever_asks(db: Database, sealer: Sealer) -> None:
    await shop_with_orders(db, sealer)
    tries = (
        "SELECT ledger_refund('{2}', NULL)",
        "SELECT ledger_settle('{3}', NULL)",
        "SELECT ledger_refund('{3}', '{1}')",
    )
    for again in tries:
        async with db.pool.connection() as conn:
            with pytest.raises(Exception, match=r"more than was charged|uq_transfers"):
                await conn.execute(again)
    assert (await prove(db)).ok


async def test_a_topup_is_credited_once_per_reference(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=0)
    async with db.transaction() as conn:
        first = await topup(conn, shop.customer_id, amount=5 * MICRO, reference="bank 1", staff_id=None)
        again = await topup(conn, shop.customer_id, amount=5 * MICRO, reference=" bank 1 ", staff_id=None)
        assert first == (again[0], True)
        assert again[1] is False
        with pytest.raises(Conflict):
            await topup(conn, shop.customer_id, amount=6 * MICRO, reference="bank 1", staff_id=None)
        with pytest.raises(Invalid):
            await topup(conn, shop.customer_id, amount=0, reference="bank 2", staff_id=None)
        assert (await account_of(conn, shop.customer_id)).balance == 5 * MICRO
    assert (await prove(db)).ok


async def test_a_completed_order_is_reversed_once(db: Database, sealer: Sealer) -> None:
    shop = await shop_with_orders(db, sealer)
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="a@b.c", name="A", role="owner")
        await reverse_order(conn, 2, reason="wrong code", staff_id=staff_id)
        for order in (1, 2, 3):
            with pytest.raises(Conflict):
                await reverse_order(conn, order, reason="again", staff_id=staff_id)
        assert (await account_of(conn, shop.customer_id)).balance == 998 * MICRO  # the open order's price is away
        lines = await page(conn, await span_of(conn, shop.customer_id), Filter(), limit=50)
    assert [(line.kind, line.change) for line in lines[:2]] == [("reverse", 2 * MICRO), ("refund", 2 * MICRO)]
    assert (await prove(db)).ok


async def test_credit_ends_at_the_limit_and_not_a_micro_unit_later(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=MICRO)
    async with db.transaction() as conn:
        await set_credit_limit(conn, shop.customer_id, 3 * MICRO)
    first = await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    second = await buy(db, shop, await wish(db, shop.imei_service, imei(2)))
    third = await buy(db, shop, await wish(db, shop.imei_service, imei(3)))
    assert [first[0].kind, second[0].kind, third[0].kind] == ["placed", "placed", "no_credit"]
    async with db.transaction() as conn:
        with pytest.raises(Conflict):
            await set_credit_limit(conn, shop.customer_id, 3 * MICRO - 1)
        with pytest.raises(Conflict):
            await adjust(conn, shop.customer_id, amount=-1, reference="x", reason="too much", staff_id=None)
    assert (await prove(db)).ok
