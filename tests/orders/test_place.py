"""Placing: charged, recorded and committed in one statement, or refused without a trace."""

import asyncio

import pytest

from app.audit.service import audit
from app.catalog.snapshot import load_catalog
from app.customers.keys import revoke_key
from app.customers.service import set_state
from app.db import Database
from app.errors import Unauthenticated
from app.ledger.service import account_of
from app.money import MICRO
from app.orders.service import Outcome, StaleCatalog, place, status
from app.orders.wishes import Wish, make_wish
from app.sealing import Sealer
from tests.factories import Shop, imei, make_route, make_service, make_shop


async def wish(db: Database, service_id: int, device: str = "", quantity: int | None = None, **fields: str) -> Wish:
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
    return make_wish(catalog.services[service_id], device=device, quantity=quantity, fields=fields)


async def buy(db: Database, shop: Shop, *wishes: Wish, window: int = 30, version: int | None = None) -> list[Outcome]:
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        return await place(
            conn,
            wishes,
            key_id=shop.key_id,
            ip="127.0.0.1",
            catalog_version=catalog.version if version is None else version,
            source="dhru",
            window_seconds=window,
        )


async def balance(db: Database, shop: Shop) -> int:
    async with db.pool.connection() as conn:
        return (await account_of(conn, shop.customer_id)).balance


async def count(db: Database, table: str) -> int:
    async with db.pool.connection() as conn:
        row = await (await conn.execute(f"SELECT count(*) AS n FROM {table}")).fetchone()
    assert row is not None
    return int(row["n"])


async def assert_sound(db: Database) -> None:
    result = await audit(db)
    assert result.ok, result.findings


async def test_an_order_is_charged_and_has_its_first_attempt(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    [outcome] = await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    assert outcome.kind == "placed"
    assert await balance(db, shop) == 998 * MICRO
    async with db.pool.connection() as conn:
        row = await (
            await conn.execute(
                "SELECT o.state, o.price, o.device, a.state AS attempt, a.number, t.kind, t.amount FROM orders o"
                " JOIN attempts a ON a.order_id = o.id JOIN transfers t ON t.order_id = o.id WHERE o.id = %s",
                (outcome.order_id,),
            )
        ).fetchone()
    assert row == {
        "state": "accepted",
        "price": 2 * MICRO,
        "device": imei(1),
        "attempt": "prepared",
        "number": 1,
        "kind": "charge",
        "amount": 2 * MICRO,
    }
    await assert_sound(db)


async def test_the_identical_order_within_the_window_is_the_first_one(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    same = await wish(db, shop.imei_service, imei(1))
    [first] = await buy(db, shop, same)
    [second] = await buy(db, shop, same)
    assert second == Outcome("repeated", first.order_id)
    assert await balance(db, shop) == 998 * MICRO


async def test_a_second_open_order_for_a_device_is_a_duplicate(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    same = await wish(db, shop.imei_service, imei(1))
    [first] = await buy(db, shop, same)
    [second] = await buy(db, shop, same, window=0)
    assert second == Outcome("duplicate", first.order_id)
    assert await count(db, "orders") == 1


async def test_services_that_allow_repeats_are_not_guarded(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET duplicates = 'allow' WHERE id = %s", (shop.imei_service,))
    same = await wish(db, shop.imei_service, imei(1))
    outcomes = await buy(db, shop, same, same)
    assert [outcome.kind for outcome in outcomes] == ["placed", "placed"]
    assert len({outcome.order_id for outcome in outcomes}) == 2
    await assert_sound(db)


async def test_server_services_without_an_identifier_may_be_bought_twice(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    same = await wish(db, shop.server_service, Email="a@example.com")
    outcomes = [*await buy(db, shop, same, same), *await buy(db, shop, same)]
    assert len({outcome.order_id for outcome in outcomes}) == 3
    assert await balance(db, shop) == 985 * MICRO


async def test_each_row_of_a_bulk_stands_for_itself(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=5 * MICRO)
    async with db.transaction() as conn:
        unrouted = await make_service(conn, name="Unrouted")
    first = await wish(db, shop.imei_service, imei(1))
    outcomes = await buy(
        db,
        shop,
        first,
        await wish(db, shop.server_service, Email="a@example.com"),  # 5.00 of the 3.00 left
        await wish(db, unrouted, imei(2)),
        first,
        await wish(db, shop.imei_service, imei(3)),
        await wish(db, shop.imei_service, imei(4)),
    )
    kinds = [outcome.kind for outcome in outcomes]
    assert kinds == ["placed", "no_credit", "unavailable", "repeated", "placed", "no_credit"]
    assert outcomes[3].order_id == outcomes[0].order_id
    assert await balance(db, shop) == MICRO
    await assert_sound(db)


async def test_a_service_sold_at_a_loss_is_unavailable(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET cost = %s", (2 * MICRO + 1,))
    [outcome] = await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    assert outcome == Outcome("unavailable", None)
    assert await balance(db, shop) == 1000 * MICRO


async def test_the_customers_own_price_wins_over_the_groups_and_the_list(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        group = await (
            await conn.execute("INSERT INTO price_groups (name, currency) VALUES ('Gold', 'USD') RETURNING id")
        ).fetchone()
        assert group is not None
        await conn.execute("INSERT INTO group_prices VALUES (%s, %s, 1800000)", (group["id"], shop.imei_service))
        await conn.execute("UPDATE customers SET price_group_id = %s", (group["id"],))
    await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    assert await balance(db, shop) == 1000 * MICRO - 1_800_000
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO customer_prices VALUES (%s, %s, 1500000)", (shop.customer_id, shop.imei_service)
        )
    await buy(db, shop, await wish(db, shop.imei_service, imei(2)))
    assert await balance(db, shop) == 1000 * MICRO - 3_300_000


async def test_wishes_checked_against_an_older_catalogue_are_not_placed(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    one = await wish(db, shop.imei_service, imei(1))
    with pytest.raises(StaleCatalog):
        await buy(db, shop, one, version=1)
    assert await count(db, "orders") == 0


@pytest.mark.parametrize("how", ["revoked", "suspended", "address"])
async def test_a_key_that_ended_a_moment_ago_places_nothing(db: Database, sealer: Sealer, how: str) -> None:
    shop = await make_shop(db, sealer)
    one = await wish(db, shop.imei_service, imei(1))
    async with db.transaction() as conn:
        if how == "revoked":
            await revoke_key(conn, shop.key_id)
        elif how == "suspended":
            await set_state(conn, shop.customer_id, "suspended")
        else:
            await conn.execute("UPDATE api_keys SET allowed_ips = '{203.0.113.0/24}'")
    with pytest.raises(Unauthenticated):
        await buy(db, shop, one)
    async with db.pool.connection() as conn:
        with pytest.raises(Unauthenticated):
            await status(conn, [1], key_id=shop.key_id, ip="127.0.0.1")
    assert await balance(db, shop) == 1000 * MICRO


async def test_the_best_usable_route_gets_the_first_attempt(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET paused_until = now() + interval '1 hour'")
        other = await (
            await conn.execute(
                "INSERT INTO suppliers (name, kind, config, sealed, currency) VALUES ('B', 'dhru', '{}', '', 'USD')"
                " RETURNING id"
            )
        ).fetchone()
        assert other is not None
        remote = await (
            await conn.execute(
                "INSERT INTO remote_services (supplier_id, remote_id, name, group_name, type, cost, time, info,"
                " takes_serial, takes_quantity, fields) VALUES (%s, '9', 'x', 'x', 'imei', 5, '', '', false, false,"
                " '[]') RETURNING id",
                (other["id"],),
            )
        ).fetchone()
        assert remote is not None
        route = await make_route(conn, shop.imei_service, remote["id"], priority=900)
    await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT route_id, supplier_id FROM attempts")).fetchone()
    assert row == {"route_id": route, "supplier_id": other["id"]}


async def test_race_of_200_orders_on_credit_for_50(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=100 * MICRO)
    wishes = [await wish(db, shop.imei_service, imei(1))] * 1
    async with db.pool.connection() as conn:
        service = (await load_catalog(conn)).services[shop.imei_service]
    wishes = [make_wish(service, device=imei(n), quantity=None, fields={}) for n in range(200)]
    outcomes = [found for answer in await asyncio.gather(*(buy(db, shop, one) for one in wishes)) for found in answer]
    kinds = [outcome.kind for outcome in outcomes]
    assert (kinds.count("placed"), kinds.count("no_credit")) == (50, 150)
    assert await balance(db, shop) == 0
    await assert_sound(db)


async def test_race_of_identical_orders_is_one_order(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    one = await wish(db, shop.imei_service, imei(1))
    outcomes = [found for answer in await asyncio.gather(*(buy(db, shop, one) for _ in range(40))) for found in answer]
    assert len({outcome.order_id for outcome in outcomes}) == 1
    assert sorted(outcome.kind for outcome in outcomes).count("placed") == 1
    assert await balance(db, shop) == 998 * MICRO


async def test_status_shows_the_callers_own_orders_only(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    [mine] = await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    async with db.transaction() as conn:
        customer = await (
            await conn.execute(
                "INSERT INTO customers (username, name, email, currency) VALUES ('other', 'x', 'o@x.y', 'USD')"
                " RETURNING id"
            )
        ).fetchone()
        assert customer is not None
        key = await (
            await conn.execute(
                "INSERT INTO api_keys (customer_id, key_hash, hint, scopes) VALUES (%s, 'x', '', '{orders.read}')"
                " RETURNING id",
                (customer["id"],),
            )
        ).fetchone()
        assert key is not None
    assert mine.order_id is not None
    async with db.pool.connection() as conn:
        found = await status(conn, [mine.order_id, 10**30, -1, 999], key_id=shop.key_id, ip=None)
        assert list(found) == [mine.order_id]
        assert await status(conn, [mine.order_id], key_id=key["id"], ip=None) == {}
