"""How old a debt is: what a plain first-in-first-out of the whole history says, whatever the history."""

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from app.audit.service import audit
from app.db import Database
from app.errors import Invalid
from app.ledger.debts import ageing_of, debtors, refresh_overdue, set_credit_days
from app.ledger.service import account_of, adjust, set_credit_limit, topup
from app.money import MICRO
from app.orders.resolution import reverse_order
from app.sealing import Sealer
from app.staff.service import create_staff
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import buy, wish

ACTS = 45


async def owing(db: Database, sealer: Sealer, name: str = "Reseller") -> Shop:
    """A shop whose customer has nothing, and credit enough for any test."""
    shop = await make_shop(db, sealer, credit=0, name=name)
    async with db.transaction() as conn:
        await set_credit_limit(conn, shop.customer_id, 1000 * MICRO)
    return shop


async def older(db: Database, days: float, *, order: int) -> None:
    """Make an order and its charge older, as only a test can."""
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(
            "UPDATE orders SET created_at = now() - %s - interval '1 second' WHERE id = %s",
            (timedelta(days=days), order),
        )
        await conn.execute(
            "UPDATE transfers SET created_at = now() - %s WHERE kind = 'charge' AND order_id = %s",
            (timedelta(days=days), order),
        )


async def is_overdue(db: Database, shop: Shop) -> bool:
    async with db.pool.connection() as conn:
        return (await ageing_of(conn, shop.customer_id)).overdue


@dataclass
class Owed:
    """A debit as the plain reckoning sees it."""

    at: datetime
    left: int


async def reckoned(db: Database, shop: Shop) -> dict[str, int]:
    """Pay the oldest debits first with all that ever came in, over the whole history, as one would on paper."""
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT l.kind, l.change, l.order_id, l.created_at FROM account_lines l JOIN accounts a"
            " ON a.id = l.account_id WHERE a.customer_id = %s ORDER BY l.id",
            (shop.customer_id,),
        )
        rows = await cursor.fetchall()
    charged: dict[int, Owed] = {}
    debits: list[Owed] = []
    paid = 0
    for row in rows:
        if row["kind"] in ("refund", "reverse"):
            charged[row["order_id"]].left -= row["change"]
        elif row["change"] > 0:
            paid += row["change"]
        else:
            debits.append(Owed(row["created_at"], -row["change"]))
            if row["order_id"] is not None:
                charged[row["order_id"]] = debits[-1]
    parts = {"days_0_7": 0, "days_8_30": 0, "days_31_60": 0, "days_over_60": 0}
    for debit in debits:
        pays = min(paid, debit.left)
        paid, debit.left = paid - pays, debit.left - pays
        days = (datetime.now(UTC) - debit.at).days
        part = next(
            (name for name, last in (("days_0_7", 7), ("days_8_30", 30), ("days_31_60", 60)) if days <= last),
            "days_over_60",
        )
        parts[part] += debit.left
    return parts


async def test_any_history_has_the_ages_of_a_plain_reckoning(db: Database, sealer: Sealer) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    shop = await owing(db, sealer)
    orders: list[int] = []
    done: list[int] = []
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="a@b.c", name="A", role="owner")
    for number in range(ACTS):
        act = chance.choice(("topup", "adjust", "order", "order", "order", "complete", "reject", "reverse"))
        amount = chance.randrange(1, 4 * MICRO)
        async with db.transaction() as conn:
            if act == "topup":
                await topup(conn, shop.customer_id, amount=amount, reference=f"{number}", staff_id=None)
            elif act == "adjust":
                signed = amount * chance.choice((1, -1))
                await adjust(conn, shop.customer_id, amount=signed, reference=f"{number}", reason="x", staff_id=None)
            elif act in ("complete", "reject") and orders:
                order = orders.pop(chance.randrange(len(orders)))
                await conn.execute(
                    "SELECT move_orders(json_build_array(json_build_object('order', %s::bigint, 'to', %s::text,"
                    " 'result', 'Code', 'reason', 'no')), ARRAY['accepted'], 'test')",
                    (order, "completed" if act == "complete" else "rejected"),
                )
                done += [order] if act == "complete" else []
            elif act == "reverse" and done:
                await reverse_order(conn, done.pop(chance.randrange(len(done))), reason="wrong", staff_id=staff_id)
        if act == "order":
            [outcome] = await buy(db, shop, await wish(db, shop.imei_service, imei(number)))
            assert outcome.order_id is not None
            orders.append(outcome.order_id)
    async with db.transaction() as conn:
        # Spread over ninety days, in the order in which they were written, and never at the edge of a day.
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(
            "UPDATE transfers t SET created_at = now() - make_interval(hours => 12)"
            " - make_interval(days => (90 - 90 * n.place / n.number)::integer)"
            " FROM (SELECT id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS number FROM transfers) n"
            " WHERE n.id = t.id"
        )
    expected = await reckoned(db, shop)
    async with db.pool.connection() as conn:
        found = await ageing_of(conn, shop.customer_id)
        balance = (await account_of(conn, shop.customer_id)).balance
        assert {part: getattr(found, part) for part in expected} == expected, seed
        assert found.debt == max(-balance, 0) == sum(expected.values()), seed


async def test_an_order_that_is_given_back_pays_no_older_debt(db: Database, sealer: Sealer) -> None:
    shop = await owing(db, sealer)
    await buy(db, shop, *[await wish(db, shop.imei_service, imei(number)) for number in (1, 2)])
    await older(db, 40, order=1)
    async with db.transaction() as conn:
        await conn.execute(
            'SELECT move_orders(\'[{"order": 2, "to": "rejected", "reason": "no"}]\'::json,'
            " ARRAY['accepted'], 'test')"
        )
        found = await ageing_of(conn, shop.customer_id)
    # Else ordering what is sure to be rejected would make an old debt young.
    assert (found.debt, found.days_31_60) == (2 * MICRO, 2 * MICRO)


@pytest.mark.parametrize(
    ("days", "part"),
    [
        (0, "days_0_7"), (7.99, "days_0_7"), (8.01, "days_8_30"), (30.99, "days_8_30"), (31.01, "days_31_60"),
        (60.99, "days_31_60"), (61.01, "days_over_60"),
    ],
)  # fmt: skip
async def test_each_age_has_its_part(db: Database, sealer: Sealer, days: float, part: str) -> None:
    shop = await owing(db, sealer)
    await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    await older(db, days, order=1)
    async with db.pool.connection() as conn:
        found = await ageing_of(conn, shop.customer_id)
    assert (found.debt, getattr(found, part)) == (2 * MICRO, 2 * MICRO)


async def test_every_way_of_paying_ends_what_is_overdue_at_once(db: Database, sealer: Sealer) -> None:
    shop = await owing(db, sealer)
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="a@b.c", name="A", role="owner")
    reject = (
        "SELECT move_orders(json_build_array(json_build_object('order', %s::bigint, 'to', %s::text, 'reason', 'no',"
        " 'result', 'Code')), ARRAY['accepted'], 'test')"
    )
    for order, way in enumerate(("topup", "adjust", "reject", "reverse", "terms"), start=1):
        async with db.transaction() as conn:
            await set_credit_days(conn, shop.customer_id, 30)
        [outcome] = await buy(db, shop, await wish(db, shop.imei_service, imei(order)))
        assert outcome.order_id == order
        if way == "reverse":
            async with db.transaction() as conn:
                await conn.execute(reject, (order, "completed"))
        await older(db, 31, order=order)
        assert await refresh_overdue(db) == (1, 1)
        assert await is_overdue(db, shop), way
        async with db.transaction() as conn:
            match way:
                case "topup":
                    await topup(conn, shop.customer_id, amount=2 * MICRO, reference=way, staff_id=None)
                case "adjust":
                    await adjust(conn, shop.customer_id, amount=2 * MICRO, reference=way, reason="gift", staff_id=None)
                case "reject":
                    await conn.execute(reject, (order, "rejected"))
                case "reverse":
                    await reverse_order(conn, order, reason="wrong", staff_id=staff_id)
                case "terms":
                    await set_credit_days(conn, shop.customer_id, 60)
        assert not await is_overdue(db, shop), way
    assert (await audit(db)).ok
    async with db.pool.connection() as conn:
        with pytest.raises(Invalid):
            await set_credit_days(conn, shop.customer_id, 0)


async def test_marking_and_paying_at_once_never_leaves_a_payer_marked(db: Database, sealer: Sealer) -> None:
    for round_ in range(8):
        shop = await owing(db, sealer, name=f"R{round_}")
        [outcome] = await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
        assert outcome.order_id is not None
        await older(db, 31, order=outcome.order_id)
        async with db.transaction() as conn:
            await conn.execute("UPDATE accounts SET credit_days = 30 WHERE customer_id = %s", (shop.customer_id,))

        async def pay(customer_id: int = shop.customer_id) -> None:
            async with db.transaction() as conn:
                await topup(conn, customer_id, amount=2 * MICRO, reference="bank", staff_id=None)

        await asyncio.gather(refresh_overdue(db), pay(), refresh_overdue(db))
        assert not await is_overdue(db, shop)


async def test_debtors_are_those_below_zero_page_by_page(db: Database, sealer: Sealer) -> None:
    shops = [await owing(db, sealer, name=f"R{number}") for number in range(4)]
    for shop in shops[1:]:
        await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    await older(db, 31, order=2)
    async with db.transaction() as conn:
        await set_credit_days(conn, shops[2].customer_id, 30)
        everyone = await debtors(conn, limit=10)
        assert [row.customer_id for row in everyone] == [shop.customer_id for shop in shops[1:]]
        rest = await debtors(conn, after=everyone[0].customer_id, limit=1)
        assert [row.customer_id for row in rest] == [shops[2].customer_id]
        late = await debtors(conn, overdue=True, limit=10)
        assert [(row.customer_id, row.days_31_60) for row in late] == [(shops[2].customer_id, 2 * MICRO)]
