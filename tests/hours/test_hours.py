"""The hours of the dashboard: equal to what was counted by hand, built again without harm, and final in time."""

from datetime import timedelta

from app.catalog.snapshot import load_catalog
from app.clock import now
from app.db import Connection, Database
from app.hours import reading
from app.hours.building import build_hours
from app.hours.reading import Point, Span
from app.money import MICRO
from app.orders.resolution import reverse_order
from app.orders.service import place
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.staff.service import create_staff
from tests.factories import Shop, imei, make_shop


async def trade(db: Database, shop: Shop, first: int) -> None:
    """Place four orders at 2.00: one is completed, one completed and taken back, one rejected, one stays open."""
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        wishes = [
            make_wish(catalog.services[shop.imei_service], device=imei(first + number), quantity=None, fields={})
            for number in range(4)
        ]
        outcomes = await place(
            conn, wishes, key_id=shop.key_id, ip=None, catalog_version=catalog.version, source="test",
            window_seconds=30,
        )  # fmt: skip
    async with db.transaction() as conn:
        ids = [outcome.order_id for outcome in outcomes if outcome.order_id is not None]
        staff_id = await create_staff(conn, email=f"ann{first}@example.com", name="Ann", role="owner")
        for number, state in zip(ids, ("completed", "completed", "rejected"), strict=False):
            await conn.execute(
                "SELECT move_orders(json_build_array(json_build_object('order', %s::bigint, 'to', %s::text,"
                " 'result', 'fine', 'reason', 'why')), ARRAY['accepted'], 'test')",
                (number, state),
            )
        await reverse_order(conn, ids[1], reason="was wrong", staff_id=staff_id)


async def shift(conn: Connection, back: timedelta) -> None:
    """Let everything that happened until now have happened earlier."""
    await conn.execute("UPDATE orders SET created_at = created_at - %s", (back,))
    await conn.execute("UPDATE order_events SET at = at - %s", (back,))
    await conn.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
    await conn.execute("UPDATE transfers SET created_at = created_at - %s", (back,))
    await conn.execute("ALTER TABLE transfers ENABLE TRIGGER USER")


def total(points: list[Point]) -> tuple[int, ...]:
    """Sum up what happened in some points."""
    rows = [
        (one.placed, one.completed, one.rejected, one.taken_back, one.paid_in, one.earned, one.given_back)
        for one in points
    ]
    return tuple(sum(column) for column in zip(*rows, strict=True))


ONCE = (4, 2, 1, 1, 0, 4 * MICRO, 2 * MICRO)
"""Of one ``trade``, counted by hand."""


async def test_the_points_are_what_was_counted_by_hand(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=100 * MICRO)
    await trade(db, shop, 0)
    async with db.transaction() as conn:
        await shift(conn, timedelta(hours=5))
    await trade(db, shop, 10)
    for _ in range(2):  # a second building changes nothing
        await build_hours(db)
        async with db.pool.connection() as conn:
            points = await reading.points(conn, Span.DAY, currency="USD")
            other = await reading.points(conn, Span.MONTH, currency="EUR")
            assert await reading.currencies(conn, Span.DAY) == ["USD"]
        assert len(points) == 24
        assert total(points[-2:]) == ONCE  # the hour may just have changed
        assert total(points[-7:-4]) == (*ONCE[:4], 100 * MICRO, *ONCE[5:])
        assert total(points[:-7]) == (0,) * 7
        assert total(points[-4:-2]) == (0,) * 7
        assert total(other) == (8, 4, 2, 2, 0, 0, 0)  # orders are counted together, amounts never mixed


async def test_a_long_past_is_caught_up_with_and_what_is_final_is_left_alone(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=100 * MICRO)
    await trade(db, shop, 0)
    async with db.transaction() as conn:
        await shift(conn, timedelta(days=100))
    await build_hours(db)
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT hour, placed, earned FROM hours ORDER BY hour")
        built = await cursor.fetchall()
        assert sum(row["placed"] for row in built) == 4
        assert sum(row["earned"] for row in built) == 4 * MICRO
        (state,) = await (await conn.execute("SELECT final_until, built_at FROM hours_built")).fetchall()
        assert timedelta(hours=1) <= now() - state["final_until"] <= timedelta(hours=2, minutes=1)
        # Nothing of the past changes; if it did, what is final would not be read again for it.
        await conn.execute("UPDATE orders SET created_at = created_at + interval '50 days'")
    await trade(db, shop, 10)
    await build_hours(db)
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT hour, placed, earned FROM hours ORDER BY hour")
        again = await cursor.fetchall()
    assert again[: len(built)] == built
    assert sum(row["placed"] for row in again) == 8


async def test_without_anything_there_is_nothing_to_build(db: Database) -> None:
    assert await build_hours(db) is None
    async with db.pool.connection() as conn:
        assert len(await reading.points(conn, Span.WEEK, currency="USD")) == 28
        assert await reading.built_at(conn) is None
