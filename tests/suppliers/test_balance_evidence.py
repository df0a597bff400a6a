"""What the balance at a supplier proves of an unclear attempt, read from the rows."""

from datetime import datetime, timedelta

import pytest

from app.clock import now
from app.db import Database
from app.errors import NotFound
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.evidence import BalanceEvidence, Verdict, balance_evidence
from tests.factories import make_shop, make_supplier
from tests.suppliers.accounts import Account

SENT = now() - timedelta(hours=5)


def after(minutes: float) -> datetime:
    """A moment so long after the attempt was sent."""
    return SENT + timedelta(minutes=minutes)


@pytest.fixture
async def account(db: Database, sealer: Sealer) -> Account:
    """An account with a balance of 50.00 read a minute before the attempt is sent."""
    account = Account(db, await make_shop(db, sealer))
    await account.reads(50, after(-1))
    return account


async def evidence(account: Account, attempt_id: int) -> BalanceEvidence:
    """What the rows prove."""
    async with account.db.pool.connection() as conn:
        return await balance_evidence(conn, attempt_id)


async def test_pain_1_a_balance_that_fell_by_the_cost_proves_the_purchase(account: Account) -> None:
    attempt = await account.attempt("unclear", SENT)
    await account.attempt("done", after(1), cost=3 * MICRO)
    await account.pays_in(20, after(2))
    await account.reads(66, after(3))
    found = await evidence(account, attempt)
    assert found.verdict is Verdict.CHARGED
    assert (found.before, found.before_at, found.after, found.after_at) == (
        50 * MICRO,
        after(-1),
        66 * MICRO,
        after(3),
    )
    assert (found.deposits, found.other_costs, found.unexplained) == (20 * MICRO, 3 * MICRO, MICRO)
    assert (found.currency, found.others_in_doubt) == ("USD", 0)


async def test_pain_1_and_2_a_balance_that_did_not_move_proves_the_opposite_ten_minutes_later(account: Account) -> None:
    attempt = await account.attempt("unclear", SENT)
    await account.reads(50, after(9))
    assert (await evidence(account, attempt)).verdict is Verdict.UNKNOWN
    await account.reads(50, after(11))
    assert (await evidence(account, attempt)).verdict is Verdict.NOT_CHARGED


@pytest.mark.parametrize("state", ["sending", "unclear", "abandoned", "failed"])
async def test_another_attempt_in_doubt_takes_the_proof_away(account: Account, state: str) -> None:
    attempt = await account.attempt("unclear", SENT)
    await account.attempt(state, after(2), closed_at=after(5))
    for minutes in (4, 11):
        await account.reads(49, after(minutes))
    found = await evidence(account, attempt)
    assert (found.verdict, found.others_in_doubt) == (Verdict.UNKNOWN, 1)


async def test_an_order_sent_long_ago_that_failed_in_between_takes_the_proof_away(account: Account) -> None:
    attempt = await account.attempt("unclear", SENT)
    old = await account.attempt("placed", after(-6000))
    await account.reads(50, after(11))
    assert (await evidence(account, attempt)).verdict is Verdict.UNKNOWN, "it is open: its money may be back already"
    await account.move(old, "placed", "failed")
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE attempts SET closed_at = %s WHERE id = %s", (after(5), old))
    assert (await evidence(account, attempt)).verdict is Verdict.UNKNOWN
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE attempts SET closed_at = %s WHERE id = %s", (after(-60), old))
    assert (await evidence(account, attempt)).verdict is Verdict.NOT_CHARGED


async def test_an_order_delivered_in_part_takes_the_proof_away(account: Account) -> None:
    attempt = await account.attempt("unclear", SENT)
    old = await account.attempt("done", after(-6000), closed_at=after(5))
    async with account.db.transaction() as conn:
        await conn.execute(
            "UPDATE orders SET quantity = 3, delivered = 2, state = 'completed', result = 'x', closed_at = %s"
            " WHERE id = (SELECT order_id FROM attempts WHERE id = %s)",
            (after(5), old),
        )
    await account.reads(50, after(11))
    assert (await evidence(account, attempt)).verdict is Verdict.UNKNOWN


async def test_other_suppliers_and_attempts_never_sent_do_not_matter(
    account: Account, db: Database, sealer: Sealer
) -> None:
    attempt = await account.attempt("unclear", SENT)
    await account.attempt("refused", after(1))
    waiting = await account.attempt("prepared", None)
    other = Account(db, await make_shop(db, sealer, name="Other"))
    await other.attempt("unclear", after(1))
    await other.reads(7, after(12))
    await account.reads(50, after(11))
    assert (await evidence(account, attempt)).verdict is Verdict.NOT_CHARGED
    assert (await evidence(account, waiting)).reason == "The attempt was not sent."
    with pytest.raises(NotFound):
        await evidence(account, 999)


async def test_without_a_reading_on_both_sides_nothing_is_known(account: Account, db: Database, sealer: Sealer) -> None:
    attempt = await account.attempt("unclear", SENT)
    found = await evidence(account, attempt)
    assert (found.verdict, found.before, found.after) == (Verdict.UNKNOWN, 50 * MICRO, None)
    early = await account.attempt("unclear", after(-30))
    found = await evidence(account, early)
    assert (found.verdict, found.before, found.after) == (Verdict.UNKNOWN, None, 50 * MICRO)
    async with db.transaction() as conn:
        assert await make_supplier(conn, sealer)


async def test_a_reading_days_later_serves_where_there_was_none_sooner(account: Account) -> None:
    attempt = await account.attempt("unclear", SENT)
    await account.reads(49, after(240))
    assert (await evidence(account, attempt)).verdict is Verdict.CHARGED


async def test_it_is_not_known_when_an_old_reading_was_asked_for(account: Account) -> None:
    attempt = await account.attempt("unclear", SENT)
    await account.reads(50, after(12))
    async with account.db.transaction() as conn:
        await conn.execute("UPDATE supplier_balances SET asked_at = NULL")
    assert (await evidence(account, attempt)).verdict is Verdict.UNKNOWN, "perhaps within the ten minutes"
    await account.reads(50, after(16))
    assert (await evidence(account, attempt)).verdict is Verdict.NOT_CHARGED
