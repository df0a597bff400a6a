"""The books of a supplier day by day: what it says it holds against what our attempts explain."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.alarms.service import list_alarms
from app.clock import now
from app.db import Database
from app.errors import Conflict, Invalid, NotFound
from app.money import MICRO
from app.sealing import Sealer
from app.staff.service import create_staff
from app.suppliers.books import add_deposit
from app.suppliers.books_days import DayRow, close_again, close_day, due_days, explain_day, list_days
from tests.factories import make_shop
from tests.suppliers.accounts import Account

YESTERDAY = now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def at(hours: float, day: datetime = YESTERDAY) -> datetime:
    """A moment of a day, yesterday unless another is given."""
    return day + timedelta(hours=hours)


@pytest.fixture
async def account(db: Database, sealer: Sealer) -> Account:
    """An account with a balance of 100.00 an hour before yesterday."""
    account = Account(db, await make_shop(db, sealer))
    await account.reads(100, at(-1))
    return account


async def close(account: Account, day: datetime = YESTERDAY) -> DayRow:
    """Close a day of the account."""
    async with account.db.transaction() as conn:
        return await close_day(conn, account.shop.supplier_id, day.date())


async def alarms(db: Database) -> list[tuple[str, str]]:
    """The alarms that are live."""
    async with db.pool.connection() as conn:
        return [(alarm.kind, alarm.text) for alarm in await list_alarms(conn, limit=100)]


async def staff(db: Database) -> int:
    """The id of a staff member."""
    async with db.transaction() as conn:
        return await create_staff(conn, email="s@example.com", name="S", role="owner", if_missing=True)


async def test_pain_11_a_day_that_our_orders_explain_is_in_order(account: Account) -> None:
    await account.attempt("done", at(1))
    await account.attempt("failed", at(2), cost=7 * MICRO, closed_at=at(3))
    await account.attempt("placed", at(4), cost=2 * MICRO)
    await account.attempt("refused", at(5), cost=9 * MICRO)
    await account.pays_in(10, at(6))
    await account.reads(107, at(23))
    day = await close(account)
    assert (day.opening, day.closing, day.deposits) == (100 * MICRO, 107 * MICRO, 10 * MICRO)
    assert (day.cost, day.given_back, day.expected) == (10 * MICRO, 7 * MICRO, 107 * MICRO)
    assert (day.difference, day.unexplained, day.state) == (0, 0, "ok")
    assert (day.opening_at, day.closing_at) == (at(-1), at(23))
    assert await alarms(account.db) == []


async def test_closing_again_gives_the_same(account: Account) -> None:
    await account.attempt("done", at(1))
    await account.reads(98, at(23))
    first = await close(account)
    await account.reads(40, at(23.5))
    again = await close(account)
    assert {**vars_of(again), "computed_at": None} == {**vars_of(first), "computed_at": None}
    assert len(await alarms(account.db)) == 1


def vars_of(day: DayRow) -> dict[str, object]:
    """The fields of a day by name."""
    return {name: getattr(day, name) for name in DayRow.__slots__}


async def test_pain_11_money_that_is_missing_is_an_open_day_and_an_alarm(account: Account) -> None:
    await account.attempt("done", at(1))
    await account.reads(96, at(23))
    day = await close(account)
    assert (day.state, day.difference) == ("open", -3 * MICRO)
    [(kind, text)] = await alarms(account.db)
    assert kind == "books_unexplained"
    assert f"on {YESTERDAY.date()}: the balance is 3.00 USD below what our orders explain." in text


async def test_pain_16_money_given_back_unheard_is_seen_as_a_rise(account: Account) -> None:
    stuck = await account.attempt("placed", at(1), cost=4 * MICRO)
    await account.reads(96, at(2))
    await account.reads(100, at(23))
    day = await close(account)
    assert (day.state, day.difference) == ("open", 4 * MICRO)
    await account.move(stuck, "placed", "failed")
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE attempts SET closed_at = now() WHERE id = %s", (stuck,))
    day = await close(account)
    assert (day.state, day.in_return) == ("ok", 4 * MICRO), "heard of today, given back yesterday"
    assert await alarms(account.db) == []


async def test_what_is_in_doubt_is_not_called_missing_until_it_is_known(account: Account) -> None:
    attempt = await account.attempt("unclear", at(1), cost=5 * MICRO)
    await account.reads(95, at(23))
    day = await close(account)
    assert (day.state, day.difference, day.in_doubt) == ("ok", -5 * MICRO, 5 * MICRO)
    async with account.db.pool.connection() as conn:
        assert (account.shop.supplier_id, YESTERDAY.date()) in await due_days(conn)
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE attempts SET state = 'refused' WHERE id = %s", (attempt,))
    day = await close(account)
    assert (day.state, day.difference, day.in_doubt) == ("open", -5 * MICRO, 0)


async def test_a_difference_within_the_tolerance_is_nobodys_work(account: Account) -> None:
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET books_tolerance = %s", (2 * MICRO,))
    await account.reads(98, at(12))
    assert (await close(account)).state == "ok"
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET books_tolerance = %s", (2 * MICRO - 1,))
    assert (await close(account)).state == "open"


async def test_nothing_falls_between_two_days(account: Account) -> None:
    before = YESTERDAY - timedelta(days=1)
    await account.reads(120, at(-1, before))
    await account.attempt("done", at(23.5, before))  # after the last reading of its day
    await account.reads(99, at(23))
    first, second = await close(account, before), await close(account)
    assert (first.state, first.difference, first.to_at) == ("open", -20 * MICRO, at(-1))
    assert (second.from_at, second.cost, second.difference) == (at(-1), MICRO, 0)


async def test_a_reading_at_which_nothing_was_under_way_is_preferred(account: Account) -> None:
    await account.reads(100, at(22))
    await account.attempt("done", at(22.9), placed_at=at(23.1))
    await account.reads(99, at(23))
    day = await close(account)
    assert (day.closing_at, day.cost, day.difference) == (at(22), 0, 0)


async def test_a_missing_deposit_written_down_later_settles_its_day(account: Account) -> None:
    await account.reads(150, at(23))
    day = await close(account)
    assert (day.state, day.unexplained) == ("open", 50 * MICRO)
    supplier = account.shop.supplier_id
    async with account.db.transaction() as conn:
        await add_deposit(conn, supplier, amount=50 * MICRO, reference="b", note="", staff_id=None, at=at(12))
        await close_again(conn, supplier, at(12))
    async with account.db.pool.connection() as conn:
        [day] = await list_days(conn, supplier_id=supplier, before=None, limit=10)
    assert (day.state, day.deposits, day.unexplained) == ("ok", 50 * MICRO, 0)
    assert await alarms(account.db) == []


async def test_an_explained_difference_is_kept_and_what_comes_later_is_new(account: Account) -> None:
    await account.reads(97, at(23))
    day = await close(account)
    me = await staff(account.db)
    async with account.db.transaction() as conn:
        with pytest.raises(Invalid):
            await explain_day(conn, day.id, note=" ", staff_id=me)
        with pytest.raises(NotFound):
            await explain_day(conn, 999, note="x", staff_id=me)
        day = await explain_day(conn, day.id, note="a fee of theirs", staff_id=me)
        with pytest.raises(Conflict):
            await explain_day(conn, day.id, note="again", staff_id=me)
    assert (day.state, day.unexplained, day.note, day.staff_id) == ("explained", 0, "a fee of theirs", me)
    assert await alarms(account.db) == []
    assert (await close(account)).state == "explained"
    await account.pays_in(2, at(3))
    day = await close(account)
    assert (day.state, day.difference, day.unexplained) == ("open", -5 * MICRO, -2 * MICRO)
    assert day.note == "a fee of theirs"
    assert len(await alarms(account.db)) == 1
    async with account.db.transaction() as conn:
        day = await explain_day(conn, day.id, note="entered twice", staff_id=me)
    assert (day.state, day.note) == ("explained", "a fee of theirs\nentered twice")


async def test_where_no_balance_can_be_asked_for_there_is_only_what_is_expected(db: Database, sealer: Sealer) -> None:
    account = Account(db, await make_shop(db, sealer))
    await account.pays_in(30, at(-50))
    await account.attempt("done", at(-40))
    await account.attempt("done", at(1), cost=4 * MICRO)
    day = await close(account, YESTERDAY - timedelta(days=1))
    assert (day.expected, day.cost) == (29 * MICRO, 0)
    day = await close(account)
    assert (day.opening, day.closing, day.difference, day.state) == (None, None, None, "ok")
    assert (day.cost, day.expected) == (4 * MICRO, 25 * MICRO)


async def test_currencies_are_not_added_together(account: Account) -> None:
    await account.attempt("done", at(1), currency="EUR")
    await account.attempt("done", at(2))
    await account.reads(99, at(23))
    day = await close(account)
    assert (day.cost, day.left_out, day.difference, day.state) == (MICRO, 1, None, "ok")


async def test_a_first_day_begins_with_its_first_reading(db: Database, sealer: Sealer) -> None:
    account = Account(db, await make_shop(db, sealer))
    await account.attempt("done", at(1))
    await account.reads(50, at(2))
    day = await close(account)
    assert (day.from_at, day.to_at, day.difference, day.cost) == (at(2), at(2), 0, 0)
    await account.attempt("done", at(3))
    async with db.transaction() as conn:
        await conn.execute("DELETE FROM supplier_days")
    await account.reads(49, at(4))
    day = await close(account)
    assert (day.from_at, day.to_at, day.difference, day.cost) == (at(2), at(4), 0, MICRO)


@pytest.mark.usefixtures("within_an_hour")
async def test_days_are_due_when_they_are_over_and_missed_ones_are_caught_up(account: Account) -> None:
    supplier = account.shop.supplier_id
    # Those of the top of this file may have been another day's, if midnight passed since it was read.
    today = now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(days=1)

    async def due() -> list[date]:
        async with account.db.pool.connection() as conn:
            return [day for found, day in await due_days(conn) if found == supplier]

    assert await due() == [yesterday.date()]
    with pytest.raises(Invalid):
        await close(account, today)
    await close(account, yesterday - timedelta(days=3))
    assert await due() == [(yesterday - timedelta(days=days)).date() for days in (2, 1, 0)]
    async with account.db.transaction() as conn:
        with pytest.raises(NotFound):
            await close_day(conn, 999, yesterday.date())
