"""What a change does to the margin of each service that is bought there."""

from app.db import Database
from app.money import MICRO
from tests.suppliers.catalogue import listed, many, map_to, read, waiting


async def test_the_margin_of_each_service_is_shown(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(2))
    service_id = await map_to(db, price=2 * MICRO)
    async with db.transaction() as conn:
        await conn.execute(
            "WITH g AS (INSERT INTO price_groups (name, currency) VALUES ('G', 'USD') RETURNING id)"
            " INSERT INTO group_prices (price_group_id, service_id, price) SELECT id, %s, 1600000 FROM g",
            (service_id,),
        )
    await read(db, supplier_id, listed(cost=15 * MICRO // 10), listed("2", cost=15 * MICRO // 10))
    mapped, unmapped = await waiting(db, supplier_id)
    assert unmapped.effects == []
    [effect] = mapped.effects
    assert (effect.service_id, effect.service, effect.currency) == (service_id, "IMEI check", "USD")
    assert (effect.price, effect.old_cost, effect.new_cost) == (1_600_000, MICRO, 1_500_000)
    assert (effect.margin_before, effect.margin_after) == (600_000, 100_000)
    async with db.transaction() as conn:
        await conn.execute(
            "WITH c AS (INSERT INTO customers (username, name, email, currency)"
            " VALUES ('fix-it', 'F', 'f@fix.example', 'USD') RETURNING id)"
            " INSERT INTO customer_prices (customer_id, service_id, price) SELECT id, %s, 1400000 FROM c",
            (service_id,),
        )
    mapped, _ = await waiting(db, supplier_id)
    assert (mapped.effects[0].margin_before, mapped.effects[0].margin_after) == (400_000, -100_000)
    # What waits for the price to be read again has no margin that anybody knows.
    await read(db, supplier_id, listed(cost=None), listed("2"))
    [unread] = await waiting(db, supplier_id)
    assert (unread.effects[0].margin_before, unread.effects[0].margin_after) == (400_000, None)


async def test_a_margin_is_in_the_currency_of_the_sale(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed(currency="EUR"))
    await map_to(db, price=2 * MICRO)
    await read(db, supplier_id, listed(currency="EUR", cost=15 * MICRO // 10))
    [change] = await waiting(db, supplier_id)
    assert (change.effects[0].old_cost, change.effects[0].margin_after) == (None, None)
    async with db.transaction() as conn:
        await conn.execute("INSERT INTO exchange_rates (currency, rate) VALUES ('USD', 1), ('EUR', 1.1)")
    [change] = await waiting(db, supplier_id)
    [effect] = change.effects
    assert (effect.currency, effect.old_cost, effect.new_cost) == ("USD", 1_100_000, 1_650_000)
    assert (effect.margin_before, effect.margin_after) == (900_000, 350_000)
