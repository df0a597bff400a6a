"""Changes of a catalogue: what is taken over by itself, what waits, what staff decide, and that no order is sent at a
cost that nobody agreed to."""

from typing import Any

import pytest

from app.catalog.snapshot import load_catalog
from app.connectors.base import ServiceType
from app.db import Database
from app.errors import Conflict, Invalid, NotFound
from app.money import MICRO
from app.orders.service import place
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.suppliers import changes
from app.suppliers.changes_limits import Limits, limits_of
from tests.factories import imei, make_shop
from tests.suppliers.catalogue import (
    EMAIL,
    blocked,
    cost,
    decide,
    found,
    limit,
    listed,
    many,
    map_to,
    only,
    read,
    rows,
    waiting,
)

WAITS = "a price change waits for approval"
NOT_ACCEPTED = "a price change was not accepted"


async def the(db: Database, kind: str) -> int:
    """The id of the newest change of a kind."""
    [row] = await rows(db, "SELECT max(id) AS id FROM catalog_changes WHERE kind = %s", kind)
    return int(row["id"])


@pytest.mark.parametrize(
    ("old", "new", "follows"),
    [
        (100, 120, True),
        (100, 121, False),
        (1_000_003, 1_200_003, True),
        (1_000_003, 1_200_004, False),
        (100, 50, True),
        (100, 49, False),
        (100, 0, False),
        (0, 1, False),
        (None, 5 * MICRO, True),
        (100, None, False),
        (8_000_000_000 * MICRO, 9_000_000_000 * MICRO, True),
        (1, 9_000_000_000 * MICRO, False),
    ],
)
async def test_a_price_follows_inside_its_limits(
    db: Database, supplier_id: int, old: int | None, new: int | None, follows: bool
) -> None:
    await read(db, supplier_id, listed(cost=old))
    await map_to(db, price=100 * MICRO)
    result = await read(db, supplier_id, listed(cost=new))
    assert (result.changed, result.waiting) == ((1, 0) if follows else (0, 1))
    assert await cost(db) == (new if follows else old)
    assert await found(db) == [("1", "price", "applied" if follows else "waiting")]
    # What rose, or nobody can read, is not bought; what fell is, at no more than the cost that we know.
    rose = not follows and (new is None or new > (old or 0))
    assert await blocked(db) == (WAITS if rose else None)


async def test_limits_may_be_none_at_all(db: Database, supplier_id: int) -> None:
    await limit(db, supplier_id, price_up_percent=None, price_down_percent=None)
    await read(db, supplier_id, *many(3))
    assert (await read(db, supplier_id, listed(cost=1000 * MICRO), listed("2", cost=0), listed("3"))).changed == 2
    await limit(db, supplier_id, price_up_percent=0, price_down_percent=0)
    result = await read(db, supplier_id, listed(cost=1000 * MICRO + 1), listed("2"), listed("3", cost=MICRO - 1))
    assert (result.changed, result.waiting) == (0, 3)


async def test_another_currency_is_another_price(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await map_to(db)
    # Named or not, it is the supplier's own.
    assert (await read(db, supplier_id, listed(currency="USD"))).waiting == 0
    assert (await read(db, supplier_id, listed(currency="EUR", cost=MICRO // 2))).waiting == 1
    assert await blocked(db) == WAITS
    [change] = await waiting(db, supplier_id)
    await decide(db, change.id, "approve")
    assert await rows(db, "SELECT cost, currency FROM remote_services") == [{"cost": MICRO // 2, "currency": "EUR"}]
    assert await blocked(db) is None


async def test_a_rise_blocks_until_it_is_approved(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await map_to(db)
    await read(db, supplier_id, listed(cost=15 * MICRO // 10))
    assert await blocked(db) == WAITS
    [change] = await waiting(db, supplier_id)
    decided = await decide(db, change.id, "approve")
    assert (decided.state, await cost(db), await blocked(db)) == ("approved", 15 * MICRO // 10, None)
    assert (await read(db, supplier_id, listed(cost=15 * MICRO // 10))).waiting == 0
    for how in ("approve", "reject"):
        with pytest.raises(Conflict):
            await decide(db, change.id, how)


async def test_no_order_is_sent_at_a_cost_that_rose_and_waits(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    activation = listed("2", cost=3 * MICRO, type=ServiceType.SERVER, fields=(EMAIL,))

    async def claim() -> dict[str, Any]:
        async with db.transaction() as conn:
            await conn.execute("UPDATE attempts SET due_at = now()")
        query = "SELECT blocked FROM claim_attempts(%s, 'a worker', interval '1 minute', 10)"
        [row] = await rows(db, query, shop.supplier_id)
        return row

    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        wish = make_wish(catalog.services[shop.imei_service], device=imei(1), quantity=None, fields={})
        [placed] = await place(
            conn,
            [wish],
            key_id=shop.key_id,
            ip=None,
            catalog_version=catalog.version,
            source="dhru",
            window_seconds=30,
        )
    assert placed.order_id is not None
    await read(db, shop.supplier_id, listed(cost=19 * MICRO // 10), activation)
    assert await claim() == {"blocked": WAITS}
    assert await rows(db, "SELECT state, cost FROM attempts") == [{"state": "prepared", "cost": None}]
    [change] = [change for change in await waiting(db, shop.supplier_id) if change.kind == "price"]
    await decide(db, change.id, "approve")
    assert await claim() == {"blocked": None}
    assert await rows(db, "SELECT state, cost FROM attempts") == [{"state": "sending", "cost": 19 * MICRO // 10}]


async def test_a_rise_that_was_rejected_blocks_while_it_lasts(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await map_to(db)
    risen = listed(cost=15 * MICRO // 10)
    await read(db, supplier_id, risen)
    [change] = await waiting(db, supplier_id)
    await decide(db, change.id, "reject")
    for _ in range(2):
        assert (await read(db, supplier_id, risen)).waiting == 0
        assert (await cost(db), await blocked(db)) == (MICRO, NOT_ACCEPTED)
    # They think again: what was rejected is history.
    assert (await read(db, supplier_id, listed())).changed == 0
    assert await blocked(db) is None
    assert await found(db) == []
    # And again: it has to be decided anew.
    assert (await read(db, supplier_id, risen)).waiting == 1
    with pytest.raises(Conflict):
        await decide(db, change.id, "approve")


async def test_staff_may_think_again(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await map_to(db)
    await read(db, supplier_id, listed(cost=2 * MICRO))
    [change] = await waiting(db, supplier_id)
    await decide(db, change.id, "reject")
    assert (await decide(db, change.id, "approve")).state == "approved"
    assert (await cost(db), await blocked(db)) == (2 * MICRO, None)


async def test_only_what_was_seen_can_be_approved(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await read(db, supplier_id, listed(cost=2 * MICRO))
    [seen] = await waiting(db, supplier_id)
    await read(db, supplier_id, listed(cost=3 * MICRO))
    [newer] = await waiting(db, supplier_id)
    assert newer.new["cost"] == 3 * MICRO
    with pytest.raises(Conflict):
        await decide(db, seen.id, "approve")
    async with db.transaction() as conn:
        assert await changes.approve_many(conn, supplier_id, [seen.id, newer.id, 10**9], staff_id=None) == 1
    assert await cost(db) == 3 * MICRO


async def test_a_price_that_goes_and_comes_is_compared_with_the_last_one(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await map_to(db)
    await read(db, supplier_id, listed(cost=None))
    assert await blocked(db) == WAITS
    await read(db, supplier_id, listed(cost=5 * MICRO))
    assert (await cost(db), await blocked(db)) == (MICRO, WAITS)
    await read(db, supplier_id, listed(cost=MICRO))
    assert (await cost(db), await blocked(db), await found(db)) == (MICRO, None, [])


async def test_wider_limits_take_over_what_waits(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await read(db, supplier_id, listed(cost=15 * MICRO // 10))
    await limit(db, supplier_id, price_up_percent=100)
    assert await read(db, supplier_id, listed(cost=15 * MICRO // 10)) == only(changed=1)
    assert await found(db) == [("1", "price", "applied")]


async def test_undone_is_not_done_again(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await map_to(db)
    dearer = listed(cost=11 * MICRO // 10, name="Louder")
    await read(db, supplier_id, dearer)
    assert await cost(db) == 11 * MICRO // 10
    await decide(db, await the(db, "price"), "undo")
    await decide(db, await the(db, "name"), "undo")
    for _ in range(2):
        assert await rows(db, "SELECT cost, name FROM remote_services") == [{"cost": MICRO, "name": "Remote 1"}]
        # They charge more than what we went back to.
        assert await blocked(db) == NOT_ACCEPTED
        assert (await read(db, supplier_id, dearer)).changed == 0
    assert (await read(db, supplier_id, listed(cost=12 * MICRO // 10, name="Louder"))).changed == 1
    assert await blocked(db) is None
    assert await found(db) == [("1", "name", "undone"), ("1", "price", "applied")]


async def test_only_the_newest_can_be_undone(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    await read(db, supplier_id, listed(cost=11 * MICRO // 10))
    first = await the(db, "price")
    await read(db, supplier_id, listed(cost=12 * MICRO // 10))
    with pytest.raises(Conflict):
        await decide(db, first, "undo")
    second = await the(db, "price")
    await read(db, supplier_id, listed(cost=90 * MICRO))
    with pytest.raises(Conflict):
        await decide(db, second, "undo")
    with pytest.raises(Conflict):
        await decide(db, await the(db, "price"), "undo")
    with pytest.raises(NotFound):
        await decide(db, 10**9, "undo")


async def test_new_ones_may_have_to_wait(db: Database, supplier_id: int) -> None:
    await limit(db, supplier_id, apply_new=False)
    assert await read(db, supplier_id, *many(2)) == only(waiting=2)
    assert await rows(db, "SELECT 1 FROM remote_services WHERE removed_at IS NULL") == []
    # Until it is taken it follows the list without asking.
    assert (await read(db, supplier_id, listed(cost=9 * MICRO), listed("2"))).waiting == 2
    first, second = await waiting(db, supplier_id)
    await decide(db, first.id, "approve")
    await decide(db, second.id, "reject")
    assert await cost(db) == 9 * MICRO
    for _ in range(2):
        assert (await read(db, supplier_id, listed(cost=9 * MICRO), listed("2", name="x"))).waiting == 0
    assert await rows(db, "SELECT remote_id FROM remote_services WHERE removed_at IS NULL") == [{"remote_id": "1"}]
    await decide(db, first.id, "undo")
    assert (await read(db, supplier_id, listed(cost=9 * MICRO), listed("2"))).waiting == 0
    assert await rows(db, "SELECT 1 FROM remote_services WHERE removed_at IS NULL") == []


async def test_names_and_removals_may_have_to_wait(db: Database, supplier_id: int) -> None:
    await limit(db, supplier_id, apply_names=False, apply_removed=False, missing_limit=1)
    await read(db, supplier_id, *many(3))
    result = await read(db, supplier_id, listed(name="x"), listed("2"))
    assert (result.changed, result.removed, result.held, result.waiting) == (0, 0, 1, 2)
    name, gone = await waiting(db, supplier_id)
    assert (name.kind, gone.kind, gone.remote_id) == ("name", "removed", "3")
    async with db.transaction() as conn:
        assert await changes.approve_many(conn, supplier_id, [name.id, gone.id], staff_id=None) == 2
    query = "SELECT name, removed_at IS NULL AS offered FROM remote_services ORDER BY remote_id"
    assert await rows(db, query) == [
        {"name": "x", "offered": True},
        {"name": "Remote 2", "offered": True},
        {"name": "Remote 3", "offered": False},
    ]
    await decide(db, gone.id, "undo")
    assert (await read(db, supplier_id, listed(name="x"), listed("2"))).waiting == 0
    assert (await rows(db, query))[2]["offered"]


async def test_a_removal_that_waits_is_over_when_the_service_is_seen(db: Database, supplier_id: int) -> None:
    await limit(db, supplier_id, apply_removed=False, missing_limit=1)
    await read(db, supplier_id, *many(3))
    assert (await read(db, supplier_id, *many(2))).waiting == 1
    assert (await read(db, supplier_id)).waiting == 1
    assert (await read(db, supplier_id, *many(3))).waiting == 0


async def test_limits_have_limits(db: Database, supplier_id: int) -> None:
    async with db.transaction() as conn:
        assert (await limits_of(conn, [supplier_id, 10**9])) == {
            supplier_id: Limits(20, 50, True, True, True, True, 3),
        }
    for name, value in (("price_up_percent", -1), ("price_down_percent", 101), ("missing_limit", 0)):
        with pytest.raises(Invalid) as error:
            await limit(db, supplier_id, **{name: value})
        assert error.value.field == f"limits.{name}"
    with pytest.raises(NotFound):
        await limit(db, 10**9, apply_new=False)
