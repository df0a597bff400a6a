"""Whatever happens to an account, its statement adds up to the micro-unit, by pages, by ranges and in one piece."""

import asyncio
import random

from app.db import Database
from app.ledger import statement
from app.ledger.service import account_of, adjust, topup
from app.ledger.statement import Filter, Line
from app.money import MICRO
from app.sealing import Sealer
from tests.factories import imei, make_shop
from tests.orders.test_place import buy, wish

ACTS = 40


async def test_any_history_adds_up_however_it_is_read(db: Database, sealer: Sealer) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    # Enough for the worst history there is: a correction that is not covered would be refused.
    shop = await make_shop(db, sealer, credit=3 * ACTS * MICRO)
    orders: list[int] = []
    for number in range(ACTS):
        act = chance.choice(("topup", "adjust", "order", "order", "close"))
        amount = chance.randrange(1, 3 * MICRO)
        async with db.transaction() as conn:
            if act == "topup":
                await topup(conn, shop.customer_id, amount=amount, reference=f"{number}", staff_id=None)
            elif act == "adjust":
                signed = amount * chance.choice((1, -1))
                await adjust(conn, shop.customer_id, amount=signed, reference=f"{number}", reason="x", staff_id=None)
            elif act == "close" and orders:
                to = chance.choice(("completed", "rejected"))
                await conn.execute(
                    "SELECT move_orders(json_build_array(json_build_object('order', %s::bigint, 'to', %s::text,"
                    " 'result', 'Code', 'reason', 'no')), ARRAY['accepted'], 'test')",
                    (orders.pop(chance.randrange(len(orders))), to),
                )
        if act == "order":
            [outcome] = await buy(db, shop, await wish(db, shop.imei_service, imei(number)))
            orders += [outcome.order_id] if outcome.order_id is not None else []

    async with db.pool.connection() as conn:
        account = await account_of(conn, shop.customer_id)
        span = await statement.span_of(conn, shop.customer_id)
        whole: list[Line] = []
        size = chance.randrange(1, 8)
        while page := await statement.page(conn, span, Filter(), before=whole[-1].id if whole else None, limit=size):
            whole += page
        whole.reverse()
        assert (span.opening, span.closing) == (0, account.balance), seed
        total = 0
        for line in whole:
            total += line.change
            assert line.balance == total, (seed, line)
        assert total == account.balance, seed
        assert [line async for line in statement.lines(db, span, Filter())] == whole, seed
        assert [line.created_at for line in whole] == sorted(line.created_at for line in whole), seed
        # Cut anywhere, the parts follow upon each other.
        for _ in range(5):
            cut = chance.choice(whole).created_at
            before = await statement.span_of(conn, shop.customer_id, until=cut)
            after = await statement.span_of(conn, shop.customer_id, since=cut)
            assert before.closing == after.opening, seed
            first = [line async for line in statement.lines(db, before, Filter())]
            assert before.closing == sum(line.change for line in first), seed
            assert first + [line async for line in statement.lines(db, after, Filter())] == whole, seed


async def test_a_long_file_is_read_in_parts_and_is_whole(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=0)
    async with db.transaction() as conn:
        await conn.execute(
            "SELECT ledger_topup(a.id, n, 'bank ' || n, NULL) FROM accounts a, generate_series(1, 2500) n"
            " WHERE a.customer_id = %s",
            (shop.customer_id,),
        )
        span = await statement.span_of(conn, shop.customer_id)
    found = [line async for line in statement.lines(db, span, Filter())]
    assert [line.change for line in found] == list(range(1, 2501))
    assert found[-1].balance == span.closing == 2500 * 2501 // 2


async def test_a_line_that_was_read_keeps_its_balance_while_others_are_written(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=0)
    seen: dict[int, int] = {}
    done = asyncio.Event()

    async def write(start: int) -> None:
        for number in range(start, start + 40):
            async with db.transaction() as conn:
                await topup(conn, shop.customer_id, amount=number + 1, reference=f"{number}", staff_id=None)
                await asyncio.sleep(0)

    async def read() -> None:
        while not done.is_set():
            async with db.pool.connection() as conn:
                span = await statement.span_of(conn, shop.customer_id)
                for line in await statement.page(conn, span, Filter(), limit=500):
                    assert seen.setdefault(line.id, line.balance) == line.balance

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(start) for start in (0, 100, 200, 300)))
    done.set()
    await reading
    assert len(seen) > 0
