"""Prices made from costs: by which rule, within which limits, and what is never touched."""

import asyncio
from typing import Any

import pytest

from app.catalog import price_changes
from app.catalog.markup import Markup
from app.catalog.markup_rules import NewRule, add_rule, adopt, change_rule
from app.catalog.price_changes import PriceChangeRow, PriceChangeState
from app.db import Database
from app.errors import Conflict
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.changes import ChangeState
from app.suppliers.pricing import Made, Verdict, make_due_prices, make_prices, plan
from tests.factories import make_remote_service, make_route, make_service, make_supplier
from tests.suppliers.catalogue import decide as decide_cost
from tests.suppliers.catalogue import limit, listed, map_to, read, rows, waiting

TENTH = MICRO // 10


async def set_rule(db: Database, **given: Any) -> int:
    """Set up a rule: half on top of the cost, unless it says otherwise."""
    facts: dict[str, Any] = {"currency": "USD", "markup": Markup(basis_points=5000), **given}
    async with db.transaction() as conn:
        return (await add_rule(conn, NewRule(**facts))).id


async def price(db: Database, service_id: int) -> int:
    """The list price of a service."""
    [row] = await rows(db, "SELECT price FROM services WHERE id = %s", service_id)
    value: int = row["price"]
    return value


async def group_price(db: Database, group_id: int, service_id: int) -> int | None:
    """A group's price for a service."""
    found = await rows(
        db, "SELECT price FROM group_prices WHERE price_group_id = %s AND service_id = %s", group_id, service_id
    )
    return found[0]["price"] if found else None


async def changes(db: Database) -> list[PriceChangeRow]:
    """Every price change that was not replaced by a newer one."""
    async with db.pool.connection() as conn:
        return [row for row in await price_changes.list_changes(conn, limit=100) if row.outdated_at is None]


async def states(db: Database) -> list[tuple[int | None, int, str]]:
    """Old price, new price and state of each of them."""
    return [(row.old, row.new, row.state.value) for row in await changes(db)]


async def decide(db: Database, change_id: int, how: str) -> None:
    """Decide as staff do."""
    async with db.transaction() as conn:
        await {"approve": price_changes.approve, "reject": price_changes.reject, "undo": price_changes.undo}[how](
            conn, change_id, staff_id=None
        )


async def verdicts(db: Database) -> list[Verdict]:
    """What the rules would make of each price."""
    async with db.pool.connection() as conn:
        return [made.verdict for made in (await plan(conn, limit=100)).plans]


async def sold(db: Database, supplier_id: int, cost: int = MICRO, **columns: Any) -> int:
    """A service at 1.50 whose price is left to the rules, bought at ``cost``."""
    await read(db, supplier_id, listed(cost=cost))
    return await map_to(db, **{"price": 15 * TENTH, "price_source": "rule", **columns})


async def make_group(db: Database, name: str = "Gold", currency: str = "USD") -> int:
    """A price group."""
    [row] = await rows(db, "INSERT INTO price_groups (name, currency) VALUES (%s, %s) RETURNING id", name, currency)
    value: int = row["id"]
    return value


async def test_a_price_follows_its_cost_within_the_limits(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    await set_rule(db)
    assert await make_due_prices(db) == Made(), "1.50 is what the rule makes of 1.00"
    await read(db, supplier_id, listed(cost=11 * TENTH))
    assert await make_due_prices(db) == Made(applied=1)
    assert await price(db, service_id) == 1_650_000
    await read(db, supplier_id, listed(cost=10 * TENTH))
    assert await make_due_prices(db) == Made(applied=1)
    assert await price(db, service_id) == 1_500_000
    assert await states(db) == [(1_500_000, 1_650_000, "applied"), (1_650_000, 1_500_000, "applied")]


async def test_a_price_beyond_the_limits_waits_for_staff(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    await set_rule(db, up_percent=20, down_percent=20)
    await limit(db, supplier_id, price_up_percent=None, price_down_percent=None)
    await read(db, supplier_id, listed(cost=2 * MICRO))
    assert await make_prices(db) == Made(waiting=1)
    assert await make_prices(db) == Made(waiting=1), "again is not twice"
    assert await price(db, service_id) == 1_500_000
    [change] = await changes(db)
    assert (change.old, change.new, change.cost, change.state) == (
        1_500_000, 3_000_000, 2_000_000, PriceChangeState.WAITING,
    )  # fmt: skip
    await decide(db, change.id, "approve")
    assert await price(db, service_id) == 3_000_000
    assert await make_prices(db) == Made()
    with pytest.raises(Conflict):
        await decide(db, change.id, "approve")
    await decide(db, change.id, "undo")
    assert await price(db, service_id) == 1_500_000
    assert await make_prices(db) == Made(), "what staff took back is not set again"
    assert await verdicts(db) == [Verdict.DECLINED]
    await read(db, supplier_id, listed(cost=11 * TENTH))
    assert await make_prices(db) == Made(applied=1), "another cost is another price"


async def test_a_rejected_price_stays_rejected_while_the_rule_says_the_same(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    rule_id = await set_rule(db, up_percent=0)
    await read(db, supplier_id, listed(cost=11 * TENTH))
    await make_prices(db)
    [change] = await changes(db)
    with pytest.raises(Conflict):
        await decide(db, change.id, "undo")
    await decide(db, change.id, "reject")
    async with db.transaction() as conn:
        await change_rule(conn, rule_id, {"up_percent": None})
    assert await make_prices(db) == Made()
    assert await price(db, service_id) == 1_500_000
    await decide(db, change.id, "approve")
    assert await price(db, service_id) == 1_650_000


async def test_what_waits_is_replaced_when_the_rule_makes_another_price(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    rule_id = await set_rule(db, up_percent=0)
    await read(db, supplier_id, listed(cost=11 * TENTH))
    await make_prices(db)
    [first] = await changes(db)
    await read(db, supplier_id, listed(cost=12 * TENTH))
    await make_prices(db)
    assert await states(db) == [(1_500_000, 1_800_000, "waiting")]
    for how in ("approve", "reject"):
        with pytest.raises(Conflict):
            await decide(db, first.id, how)
    async with db.transaction() as conn:
        await change_rule(conn, rule_id, {"up_percent": None})
    assert await make_prices(db) == Made(applied=1), "wider limits let it pass"
    assert await states(db) == [(1_500_000, 1_800_000, "applied")]
    assert await price(db, service_id) == 1_800_000


async def test_a_price_set_by_hand_is_nobody_elses(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id, price_source="manual", price=14 * TENTH)
    rule_id = await set_rule(db)
    assert await make_prices(db) == Made()
    assert (await price(db, service_id), await verdicts(db)) == (1_400_000, [Verdict.BY_HAND])
    async with db.transaction() as conn:
        assert await adopt(conn, rule_id) == 1
        assert await adopt(conn, rule_id) == 0
    assert await make_due_prices(db) == Made(applied=1)
    assert await price(db, service_id) == 1_500_000


async def test_a_price_taken_in_hand_is_not_overwritten_by_a_late_approval(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    await set_rule(db, up_percent=0)
    await read(db, supplier_id, listed(cost=11 * TENTH))
    await make_prices(db)
    [change] = await changes(db)
    await rows(db, "UPDATE services SET price_source = 'manual' RETURNING id")
    with pytest.raises(Conflict):
        await decide(db, change.id, "approve")
    assert await price(db, service_id) == 1_500_000
    await make_due_prices(db)
    assert await changes(db) == [], "what waited is over"


async def test_a_service_without_a_rule_is_not_touched(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id, price=5 * MICRO)
    other = await make_group(db)
    async with db.transaction() as conn:
        elsewhere = await make_service(conn, name="Other", group="Other", price_source="rule")
    [row] = await rows(db, "SELECT group_id FROM services WHERE id = %s", elsewhere)
    await set_rule(db, service_group_id=row["group_id"])
    await set_rule(db, currency="EUR")
    assert await make_prices(db) == Made(without_cost=1), "the other one has no route"
    assert (await price(db, service_id), await group_price(db, other, service_id)) == (5 * MICRO, None)


async def test_no_price_is_made_below_cost(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id, price=MICRO // 2)
    await set_rule(db, markup=Markup(least_margin=1), up_percent=None)
    await make_prices(db)
    assert await price(db, service_id) == MICRO + 1


async def test_the_cost_is_of_the_dearest_route_or_the_first(db: Database, sealer: Sealer, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    async with db.transaction() as conn:
        other = await make_supplier(conn, sealer, name="Other", currency="EUR")
        dear = await make_remote_service(conn, other, cost=2 * MICRO)
        unknown = await make_remote_service(conn, other, remote_id="2", cost=None)
        route_id = await make_route(conn, service_id, dear, priority=200)
        await make_route(conn, service_id, unknown, priority=1)
    rule_id = await set_rule(db, markup=Markup(), up_percent=None, down_percent=None)
    await make_prices(db)
    assert await price(db, service_id) == MICRO, "without a rate nothing is bought there"
    await rows(db, "INSERT INTO exchange_rates (currency, rate) VALUES ('USD', 1), ('EUR', 1.1) RETURNING rate")
    assert await make_due_prices(db) == Made(applied=1)
    assert await price(db, service_id) == 2_200_000
    async with db.transaction() as conn:
        await change_rule(conn, rule_id, {"cost_basis": "first"})
    await make_due_prices(db)
    assert await price(db, service_id) == MICRO
    async with db.transaction() as conn:
        await change_rule(conn, rule_id, {"cost_basis": "dearest"})
    await make_due_prices(db)
    await rows(db, "UPDATE suppliers SET paused_until = now() + interval '1 hour' WHERE name = 'Other' RETURNING id")
    assert await make_due_prices(db) is None, "a pause that ends by itself is no reason"
    await rows(db, "UPDATE routes SET state = 'paused' WHERE id = %s RETURNING id", route_id)
    assert await make_due_prices(db) == Made(applied=1)
    assert await price(db, service_id) == MICRO


async def test_only_what_prices_are_made_of_makes_them_due(db: Database, supplier_id: int) -> None:
    await sold(db, supplier_id)
    await read(db, supplier_id, listed(cost=11 * TENTH))
    assert await rows(db, "SELECT 1 FROM pricing_due") == [], "no rule, nothing to do"
    await set_rule(db)
    await make_due_prices(db)
    await read(db, supplier_id, listed(cost=11 * TENTH, name="Another name", info="news"))
    assert await make_due_prices(db) is None
    await read(db, supplier_id, listed(cost=12 * TENTH))
    [mark] = await rows(db, "SELECT cause FROM pricing_due")
    assert mark["cause"] == "remote_services"


async def test_a_rise_that_waits_at_the_supplier_moves_no_price_until_it_is_approved(
    db: Database, supplier_id: int
) -> None:
    service_id = await sold(db, supplier_id)
    await set_rule(db, up_percent=None)
    await make_due_prices(db)
    await read(db, supplier_id, listed(cost=2 * MICRO))
    assert await make_due_prices(db) is None
    [rise] = await waiting(db, supplier_id)
    assert rise.state is ChangeState.WAITING
    await decide_cost(db, rise.id, "approve")
    assert await make_due_prices(db) == Made(applied=1)
    assert await price(db, service_id) == 3 * MICRO


async def test_a_price_group_has_its_own_rule_and_prices(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    gold, euros = await make_group(db), await make_group(db, "Euros", "EUR")
    await rows(db, "INSERT INTO exchange_rates (currency, rate) VALUES ('USD', 1), ('EUR', 2) RETURNING rate")
    await set_rule(db, price_group_id=gold, markup=Markup(basis_points=3000))
    await set_rule(db, price_group_id=euros, currency="EUR", markup=Markup(basis_points=1000))
    assert await make_prices(db) == Made(applied=2)
    assert await price(db, service_id) == 1_500_000, "the list price has no rule"
    assert await group_price(db, gold, service_id) == 1_300_000
    assert await group_price(db, euros, service_id) == 550_000
    first = next(row for row in await changes(db) if row.price_group_id == gold)
    assert (first.old, first.new, first.price_group) == (None, 1_300_000, "Gold")
    await decide(db, first.id, "undo")
    assert await group_price(db, gold, service_id) is None
    assert await make_prices(db) == Made()
    await decide(db, first.id, "approve")
    assert await group_price(db, gold, service_id) == 1_300_000
    await read(db, supplier_id, listed(cost=11 * TENTH))
    assert await make_due_prices(db) == Made(applied=2)
    assert await group_price(db, gold, service_id) == 1_430_000


async def test_the_first_price_of_a_group_is_measured_by_the_list_price(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id, price=4 * MICRO, price_source="manual")
    gold = await make_group(db)
    await set_rule(db, price_group_id=gold)
    assert await make_prices(db) == Made(waiting=1), "1.50 instead of 4.00 is more than 20 percent"
    [change] = await changes(db)
    await decide(db, change.id, "approve")
    assert await group_price(db, gold, service_id) == 1_500_000


async def test_two_that_make_prices_at_once_make_them_once(db: Database, supplier_id: int) -> None:
    await sold(db, supplier_id)
    await set_rule(db, up_percent=None)
    await read(db, supplier_id, listed(cost=11 * TENTH))
    made = await asyncio.gather(*(make_prices(db) for _ in range(5)))
    assert sorted(one.applied for one in made) == [0, 0, 0, 0, 1]
    assert len(await changes(db)) == 1


async def test_a_price_above_the_highest_is_not_made(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id, cost=900_000 * MICRO, price=15 * TENTH)
    await set_rule(db, up_percent=None)
    assert await make_prices(db) == Made()
    assert (await price(db, service_id), await verdicts(db)) == (1_500_000, [Verdict.TOO_HIGH])


async def test_every_price_is_kept(db: Database, supplier_id: int) -> None:
    service_id = await sold(db, supplier_id)
    await set_rule(db)
    await read(db, supplier_id, listed(cost=11 * TENTH))
    await make_prices(db)
    await rows(db, "UPDATE services SET info = 'x', price = price RETURNING id")
    found = await rows(db, "SELECT old, new, source FROM price_history WHERE service_id = %s ORDER BY id", service_id)
    assert [(row["old"], row["new"], row["source"]) for row in found] == [
        (None, 1_500_000, "rule"),
        (1_500_000, 1_650_000, "rule"),
    ]
