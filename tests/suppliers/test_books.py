"""Our own books of a supplier: deposits once per reference, costs by what became of the attempts."""

import pytest

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import Unclear
from app.db import Database
from app.errors import Invalid, NotFound
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.books import add_deposit, books_of
from tests.factories import imei, make_shop
from tests.worker.scripted import Scripted, send
from tests.worker.test_order_path import buy


async def test_the_balance_is_what_was_paid_in_less_what_attempts_cost(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        first = await add_deposit(conn, shop.supplier_id, amount=50 * MICRO, reference="bank 1", note="", staff_id=None)
        again = await add_deposit(
            conn, shop.supplier_id, amount=50 * MICRO, reference=" bank 1", note="", staff_id=None
        )
        assert (first[1], again) == (True, (first[0], False))
        with pytest.raises(Invalid):
            await add_deposit(conn, shop.supplier_id, amount=9, reference="bank 1", note="", staff_id=None)
        with pytest.raises(NotFound):
            await add_deposit(conn, 999, amount=9, reference="x", note="", staff_id=None)
    outcomes: list[Placed | Unclear] = [
        Placed("1"),
        Placed("2", Report("2", ReportStatus.DONE, "code", cost=1_500_000)),
        Placed("3", Report("3", ReportStatus.FAILED, "no")),
        Unclear("time-out"),
    ]
    for number, outcome in enumerate(outcomes):
        await buy(db, shop, imei(number))
        await send(db, shop, Scripted(placed=outcome))
    async with db.transaction() as conn:
        books = await books_of(conn, shop.supplier_id)
        with pytest.raises(NotFound):
            await books_of(conn, 999)
    assert (books.paid_in, books.spent, books.in_doubt) == (50 * MICRO, 2_500_000, MICRO)
    assert (books.balance, books.currency) == (47_500_000, "USD")
