"""Balances as suppliers tell them: kept, never in another currency by surprise, and how long they last."""

from datetime import timedelta

import pytest

from app.alarms.service import list_alarms
from app.clock import now
from app.db import Database
from app.errors import Invalid, NotFound
from app.money import MICRO, Money
from app.sealing import Sealer
from app.suppliers.balances import change_currency, prune_readings, store_balance
from app.suppliers.books import books_of
from app.suppliers.runway import change_watch, runway_of, runways, watch_balances
from tests.factories import make_shop, make_supplier
from tests.suppliers.accounts import Account
from tests.worker.test_order_path import rows


@pytest.fixture
async def account(db: Database, sealer: Sealer) -> Account:
    """An account of a supplier that was added a month ago."""
    account = Account(db, await make_shop(db, sealer))
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET created_at = now() - interval '30 days'")
    return account


async def alarms(db: Database) -> list[str]:
    """The kinds of the alarms that are live."""
    async with db.pool.connection() as conn:
        return [alarm.kind for alarm in await list_alarms(conn, limit=100)]


def ago(days: float) -> timedelta:
    """So many days."""
    return timedelta(days=days)


async def test_the_first_balance_decides_the_currency_and_no_later_one_changes_it(account: Account) -> None:
    db, supplier = account.db, account.shop.supplier_id
    assert await account.reads(40, now(), "EUR")
    assert not await account.reads(41, now(), "USD")
    [row] = await rows(db, "SELECT balance, currency FROM suppliers")
    assert row == {"balance": 40 * MICRO, "currency": "EUR"}
    assert await alarms(db) == ["balance_currency"]
    kept = await rows(db, "SELECT amount, currency FROM supplier_balances ORDER BY id")
    assert [(one["amount"], one["currency"]) for one in kept] == [(40 * MICRO, "EUR"), (41 * MICRO, "USD")]
    async with db.transaction() as conn:
        await change_currency(conn, supplier, "USD")
        with pytest.raises(NotFound):
            await change_currency(conn, 999, "USD")
    [row] = await rows(db, "SELECT balance, currency FROM suppliers")
    assert row == {"balance": None, "currency": "USD"}
    assert await alarms(db) == []
    assert await account.reads(42, now(), "USD")


async def test_costs_that_are_kept_already_hold_the_currency(account: Account) -> None:
    await account.attempt("done", now())
    assert not await account.reads(40, now(), "EUR")
    assert await account.reads(40, now(), "USD")
    assert await alarms(account.db) == [], "ended by a balance in the right one"


async def test_books_do_not_add_currencies_together(account: Account) -> None:
    await account.pays_in(10, now())
    await account.attempt("done", now())
    await account.attempt("done", now(), cost=2 * MICRO, currency="EUR")
    async with account.db.transaction() as conn:
        await change_currency(conn, account.shop.supplier_id, "EUR")
    async with account.db.transaction() as conn:
        books = await books_of(conn, account.shop.supplier_id)
    assert (books.paid_in, books.spent, books.balance, books.currency) == (0, 2 * MICRO, -2 * MICRO, "EUR")


async def test_pain_10_the_runway_is_whole_days_at_the_rate_of_the_last_week(account: Account) -> None:
    supplier = account.shop.supplier_id
    await account.reads(20, now())
    async with account.db.pool.connection() as conn:
        assert (await runway_of(conn, supplier)).days is None, "nothing is spent"
    await account.attempt("done", now() - ago(6), cost=10 * MICRO)
    await account.attempt("placed", now() - ago(1), cost=4 * MICRO)
    await account.attempt("done", now() - ago(8), cost=99 * MICRO)
    await account.attempt("failed", now() - ago(1), cost=99 * MICRO)
    await account.attempt("done", now() - ago(1), cost=99 * MICRO, currency="EUR")
    async with account.db.pool.connection() as conn:
        found = await runway_of(conn, supplier)
        with pytest.raises(NotFound):
            await runway_of(conn, 999)
    assert (found.spent, found.days) == (14 * MICRO, 10)
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET balance = balance - 1")
        assert (await runway_of(conn, supplier)).days == 9
        await conn.execute("UPDATE suppliers SET balance = -5")
        assert (await runway_of(conn, supplier)).days == 0
        await conn.execute("UPDATE suppliers SET balance = 20000000, created_at = now() - interval '3 days'")
        assert (await runway_of(conn, supplier)).days == 20 * 3 // 14, "a young account spent in fewer days"


async def test_what_was_counted_is_added_to_what_was_sent_since_and_not_believed_for_long(account: Account) -> None:
    db, supplier = account.db, account.shop.supplier_id
    await account.reads(20, now())
    await account.attempt("done", now() - ago(8), cost=99 * MICRO)
    counted = await account.attempt("placed", now() - ago(6), cost=3 * MICRO)
    await account.attempt("placed", now(), cost=4 * MICRO)

    async def spent() -> int:
        async with db.pool.connection() as conn:
            [listed] = await runways(conn)
            assert listed == await runway_of(conn, supplier)
            return listed.spent // MICRO

    assert await spent() == 7, "nothing is counted yet"
    async with db.transaction() as conn:
        await watch_balances(conn)
    assert await rows(db, "SELECT cost FROM supplier_spending") == [{"cost": 3 * MICRO}], "not the last minutes"
    assert await spent() == 7, "neither twice nor left out"
    await account.attempt("done", now(), cost=MICRO)
    assert await spent() == 8, "at once"
    await account.move(counted, "placed", "failed")
    async with db.transaction() as conn:
        await watch_balances(conn)
    assert await spent() == 5, "counted anew"
    async with db.transaction() as conn:
        await conn.execute("UPDATE supplier_spending SET cost = 999000000")
    assert await spent() == 1004, "it is what was counted that is shown"
    async with db.transaction() as conn:
        await conn.execute("UPDATE supplier_spending SET counted_until = now() - interval '61 minutes'")
    assert await spent() == 5, "no worker counts: all of it is added up"
    async with db.transaction() as conn:
        await watch_balances(conn)
        await change_currency(conn, supplier, "EUR")
    assert await spent() == 0, "dollars are no euros"


async def test_pain_10_a_low_account_is_an_alarm_until_it_recovers(account: Account) -> None:
    db, supplier = account.db, account.shop.supplier_id
    await account.attempt("done", now() - ago(1), cost=7 * MICRO)
    for balance, expected in ((2, ["low_runway"]), (3, []), (2, ["low_runway"])):
        await account.reads(balance, now())
        async with db.transaction() as conn:
            await watch_balances(conn)
        assert await alarms(db) == expected, balance
    async with db.transaction() as conn:
        await change_watch(conn, supplier, {"runway_days": 2})
    assert await alarms(db) == [], "staff want less"
    async with db.transaction() as conn:
        await change_watch(conn, supplier, {"low_balance": 2 * MICRO + 1, "runway_days": 0})
    assert await alarms(db) == ["low_runway"]
    async with db.transaction() as conn:
        for name, value in (("runway_days", 366), ("runway_days", None), ("low_balance", -1), ("books_tolerance", -1)):
            with pytest.raises(Invalid) as error:
                await change_watch(conn, supplier, {name: value})
            assert error.value.field == f"watch.{name}"
        with pytest.raises(NotFound):
            await change_watch(conn, 999, {})
        await change_watch(conn, supplier, {"low_balance": None})
    assert await alarms(db) == []


async def test_without_a_balance_call_the_books_say_what_is_left(account: Account) -> None:
    yesterday = now().replace(hour=0, minute=0, second=0, microsecond=0) - ago(1)
    async with account.db.transaction() as conn:
        await conn.execute(
            "INSERT INTO supplier_days (supplier_id, day, currency, from_at, to_at, deposits, cost, given_back,"
            " in_doubt, in_return, left_out, expected, state, computed_at)"
            " VALUES (%s, %s, 'USD', %s, %s, 0, 0, 0, 0, 0, 0, 50000000, 'ok', now())",
            (account.shop.supplier_id, yesterday.date(), yesterday, yesterday + ago(1)),
        )
    async with account.db.pool.connection() as conn:
        assert (await runway_of(conn, account.shop.supplier_id)).balance is None, "nothing was ever paid in"
    await account.pays_in(10, now())
    await account.attempt("done", now(), cost=4 * MICRO)
    async with account.db.pool.connection() as conn:
        assert (await runway_of(conn, account.shop.supplier_id)).balance == 56 * MICRO


async def test_runways_come_shortest_first(account: Account, sealer: Sealer) -> None:
    async with account.db.transaction() as conn:
        idle = await make_supplier(conn, sealer, name="Idle")
    long = Account(account.db, await make_shop(account.db, sealer, name="Long"))
    await account.reads(10, now())
    await account.attempt("done", now())
    await long.reads(100, now())
    await long.attempt("done", now())
    async with account.db.pool.connection() as conn:
        found = [one.supplier_id for one in await runways(conn)]
    assert found == [account.shop.supplier_id, long.shop.supplier_id, idle]


async def test_old_readings_go_but_each_day_keeps_its_first_and_last(account: Account) -> None:
    noon = now().replace(hour=12, minute=0, second=0, microsecond=0)
    kept = [noon - ago(1), noon - ago(1) + ago(0.1), noon - ago(1) + ago(0.2)]
    kept += [noon - ago(40), noon - ago(40) + ago(0.2), noon - ago(39)]
    for moment in (*kept, noon - ago(40) + ago(0.1), noon - ago(401)):
        await account.reads(1, moment)
    async with account.db.transaction() as conn:
        assert await prune_readings(conn) == 2
        assert await prune_readings(conn) == 0
    left = await rows(account.db, "SELECT at FROM supplier_balances")
    assert sorted(row["at"] for row in left) == sorted(kept)


async def test_a_reading_knows_when_it_was_asked_for(account: Account) -> None:
    asked = now() - ago(1)
    async with account.db.transaction() as conn:
        await store_balance(conn, account.shop.supplier_id, Money(5, "USD"), asked_at=asked)
        await store_balance(conn, account.shop.supplier_id, Money(5, "USD"))
    found = await rows(account.db, "SELECT at - asked_at AS span FROM balance_readings ORDER BY id DESC LIMIT 1")
    assert found == [{"span": timedelta(minutes=5)}]
