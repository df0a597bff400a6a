"""Prices with six places, quantities and partial deliveries: every sum is exact to the micro-unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import RefusalReason, Refused
from app.db import Database
from app.ledger.service import account_of
from app.money import MICRO, format_amount, parse_amount
from app.sealing import Sealer
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import assert_sound, buy, wish
from tests.worker.scripted import Scripted, send
from tests.worker.test_order_path import rows

CREDIT = 1_000_000 * MICRO
DEVICES = count(1)


@dataclass(frozen=True)
class Sale:
    """So many pieces at a price in micro-units, of which so many are delivered; None: the supplier says no."""

    price: int
    quantity: int
    delivered: int | None


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    """Prices with all their places set are the likely ones to be rounded somewhere."""
    price = draw(st.one_of(st.integers(1, 1000), st.integers(1, 20 * MICRO), st.sampled_from([1, 333_333, 9_999_999])))
    quantity = draw(st.integers(1, 997))
    return Sale(price, quantity, draw(st.one_of(st.none(), st.just(quantity), st.integers(0, quantity))))


async def sell(db: Database, shop: Shop, sale: Sale) -> int:
    """Sell as it says through the worker's own parts; return what the customer was charged."""
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE services SET price = %s, takes_quantity = true, min_quantity = 1, max_quantity = 1000"
            " WHERE id = %s",
            (sale.price, shop.imei_service),
        )
        before = (await account_of(conn, shop.customer_id)).balance
    [outcome] = await buy(db, shop, await wish(db, shop.imei_service, imei(next(DEVICES)), sale.quantity))
    assert outcome.kind == "placed"
    async with db.pool.connection() as conn:
        charged = before - (await account_of(conn, shop.customer_id)).balance
    name = f"r{outcome.order_id}"
    if sale.delivered is None:
        await send(db, shop, Scripted(placed=Refused(RefusalReason.BAD_INPUT, "Not for us")))
    else:
        pieces = None if sale.delivered == sale.quantity else sale.delivered
        report = Report(name, ReportStatus.DONE, "the codes", delivered=pieces)
        await send(db, shop, Scripted(placed=Placed(name, report)))
    return charged


@settings(max_examples=20, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(st.lists(sales(), min_size=1, max_size=4))
async def test_pain_12_every_amount_is_exact_whatever_was_ordered_and_delivered(
    db: Database, sealer: Sealer, sold: Sequence[Sale]
) -> None:
    shop = await make_shop(db, sealer, credit=CREDIT, name=f"Reseller{next(DEVICES)}")
    async with db.transaction() as conn:
        # The margin guard is not what this is about.
        await conn.execute("UPDATE remote_services SET cost = 0")
    spent = 0
    for sale in sold:
        assert await sell(db, shop, sale) == sale.price * sale.quantity
        spent += sale.price * (sale.delivered or 0)
    async with db.pool.connection() as conn:
        assert (await account_of(conn, shop.customer_id)).balance == CREDIT - spent
    [sums] = await rows(
        db,
        "SELECT COALESCE(sum(t.amount) FILTER (WHERE t.kind = 'charge'), 0) AS charge,"
        " COALESCE(sum(t.amount) FILTER (WHERE t.kind = 'settle'), 0) AS settle,"
        " COALESCE(sum(t.amount) FILTER (WHERE t.kind = 'refund'), 0) AS refund"
        " FROM transfers t JOIN orders o ON o.id = t.order_id WHERE o.customer_id = %s",
        shop.customer_id,
    )
    ordered = sum(sale.price * sale.quantity for sale in sold)
    assert sums == {"charge": ordered, "settle": spent, "refund": ordered - spent}
    await assert_sound(db)


@given(st.integers(-9_000_000_000 * MICRO, 9_000_000_000 * MICRO))
def test_pain_12_an_amount_is_the_same_after_every_edge(micro: int) -> None:
    text = format_amount(micro)
    assert parse_amount(text) == micro
    assert Decimal(text) == Decimal(micro).scaleb(-6)


@pytest.mark.parametrize("lost", [0.1, 1.0, float("nan"), float("inf")])
def test_pain_12_an_amount_that_was_a_float_is_not_taken(lost: float) -> None:
    with pytest.raises(ValueError, match="decimal"):
        parse_amount(lost)  # type: ignore[arg-type]  # what the type forbids is what is tried
