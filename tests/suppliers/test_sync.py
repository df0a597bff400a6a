"""Reading a catalogue: written only where it changed, nothing lost to a broken list, the same effort for any length."""

import asyncio
import contextlib
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.alarms.service import list_alarms
from app.connectors.base import RemoteField, RemoteService
from app.connectors.errors import Unclear
from app.db import Database
from app.money import MAX_AMOUNT, MICRO
from app.sealing import Sealer
from app.simulator.server import read_form
from app.suppliers.changes_limits import change_limits
from app.suppliers.service import change, connect, get
from app.suppliers.sync import SyncResult, apply_catalog, sync
from tests.factories import make_supplier
from tests.fakes.dhru import FakeDhru
from tests.serving import serving
from tests.suppliers.catalogue import blocked, cost, found, listed, many, map_to, read, rows


async def versions(db: Database) -> list[dict[str, Any]]:
    """What changes with every writing of a row."""
    return await rows(db, "SELECT id, xmin::text, ctid::text FROM remote_services ORDER BY id")


async def removed(db: Database) -> list[str]:
    """Their ids of the services that count as removed."""
    query = "SELECT remote_id FROM remote_services WHERE removed_at IS NOT NULL ORDER BY remote_id"
    return [row["remote_id"] for row in await rows(db, query)]


async def test_everything_that_a_list_says_is_kept(db: Database, supplier_id: int) -> None:
    full = listed(
        cost=None,
        time="9-5",
        info="<b>ü</b>",
        min_quantity=2,
        max_quantity=50,
        takes_quantity=True,
        takes_serial=True,
        fields=(RemoteField(" Email ", required=True, options=("a", "b"), pattern="^x$", description="d"),),
        currency="EUR",
        opens="09:00",
        closes="17:00",
        zone="Europe/Berlin",
    )
    assert await read(db, supplier_id, full) == SyncResult(added=1, changed=0, removed=0, held=0, waiting=0)
    [row] = await rows(db, "SELECT * FROM remote_services")
    for name in ("remote_id", "name", "cost", "time", "info", "min_quantity", "max_quantity", "takes_quantity",
                 "takes_serial", "currency", "opens", "closes", "zone"):  # fmt: skip
        assert row[name] == getattr(full, name), name
    assert (row["group_name"], row["type"]) == ("Theirs", "imei")
    assert row["fields"] == [
        {
            "name": " Email ",
            "type": "text",
            "required": True,
            "description": "d",
            "options": ["a", "b"],
            "pattern": "^x$",
        }
    ]
    assert await read(db, supplier_id, full) == SyncResult(added=0, changed=0, removed=0, held=0, waiting=0)


async def test_pain_21_only_what_changed_is_written(db: Database, supplier_id: int) -> None:
    services = many(100)
    assert (await read(db, supplier_id, *services)).added == 100
    before = await versions(db)
    assert await read(db, supplier_id, *services) == SyncResult(added=0, changed=0, removed=0, held=0, waiting=0)
    assert await versions(db) == before

    services[9] = replace(services[9], cost=MICRO + 1, name="Another name")
    services[19] = replace(services[19], info="News")
    assert await read(db, supplier_id, *services) == SyncResult(added=0, changed=2, removed=0, held=0, waiting=0)
    after = await versions(db)
    assert {new["id"] for old, new in zip(before, after, strict=True) if old != new} == {
        before[9]["id"],
        before[19]["id"],
    }
    assert await found(db) == [("10", "price", "applied"), ("10", "name", "applied"), ("20", "info", "applied")]
    [change] = await rows(db, "SELECT old, new FROM catalog_changes WHERE kind = 'price'")
    assert change == {"old": {"cost": MICRO, "currency": ""}, "new": {"cost": MICRO + 1, "currency": ""}}


async def statements(db: Database, supplier_id: int, services: list[RemoteService]) -> int:
    """How many statements go to Postgres while a list is taken over."""
    with tempfile.TemporaryFile("w+") as trace:
        async with db.transaction() as conn:
            conn.pgconn.trace(trace.fileno())
            try:
                await apply_catalog(conn, supplier_id, services)
            finally:
                conn.pgconn.untrace()
        trace.seek(0)
        # Time, F for what goes to the server, length, kind of message.
        return sum(line.split("\t")[1:4:2] in (["F", "Query"], ["F", "Execute"]) for line in trace)


async def test_pain_21_the_number_of_statements_does_not_depend_on_the_list(db: Database, supplier_id: int) -> None:
    few = await statements(db, supplier_id, many(3))
    assert 5 < few < 30
    assert await statements(db, supplier_id, many(2000)) == few
    assert await statements(db, supplier_id, many(2000, cost=2 * MICRO, name="All new")) == few


async def test_pain_21_a_list_many_times_as_long_takes_little_more_memory(db: Database, supplier_id: int) -> None:
    peaks = []
    for size in (500, 10_000):
        services = many(size)
        await read(db, supplier_id, *services)
        tracemalloc.start()
        await read(db, supplier_id, *services)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Ten thousand are sent in pieces, so that what is held beside the list itself does not grow with it.
    assert peaks[1] < max(2 * peaks[0], 4_000_000), peaks


async def test_text_that_postgres_does_not_keep_is_mended(db: Database, supplier_id: int) -> None:
    field = RemoteField("Em\x00ail", options=("a\ud800",))
    odd = listed("1\x00", name="N\x00a\udfff", info="\x00", fields=(field,), cost=-1, min_quantity=10**12)
    assert (await read(db, supplier_id, odd)).added == 1
    [row] = await rows(db, "SELECT remote_id, name, info, fields, cost, min_quantity FROM remote_services")
    assert (row["remote_id"], row["name"], row["info"], row["cost"]) == ("1", "Na?", "", None)
    assert (row["fields"][0]["name"], row["fields"][0]["options"]) == ("Email", ["a?"])
    assert row["min_quantity"] == 2**31 - 1
    assert (await read(db, supplier_id, odd)).changed == 0


async def test_a_service_that_a_list_names_twice_is_what_it_said_first(db: Database, supplier_id: int) -> None:
    assert (await read(db, supplier_id, listed(name="First"), listed(name="Second"))).added == 1
    assert (await read(db, supplier_id, listed(name="First"), listed(name="Second"))).changed == 0
    assert await rows(db, "SELECT name FROM remote_services") == [{"name": "First"}]


async def test_the_dearest_of_prices_is_kept_exactly(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed(cost=MAX_AMOUNT), listed("2", cost=MAX_AMOUNT + 1))
    assert (await cost(db), await cost(db, "2")) == (MAX_AMOUNT, None)
    assert (await read(db, supplier_id, listed(cost=MAX_AMOUNT - 1), listed("2"))).changed == 2


async def test_pain_6_a_service_is_removed_when_it_was_missing_three_times_running(
    db: Database, supplier_id: int
) -> None:
    await read(db, supplier_id, *many(4))
    await map_to(db, "4")
    three = many(3)
    for _ in range(2):
        assert await read(db, supplier_id, *three) == SyncResult(added=0, changed=0, removed=0, held=1, waiting=0)
    assert await removed(db) == []
    # Seen again in between, it is not missing three times running.
    await read(db, supplier_id, *many(4))
    for _ in range(2):
        assert (await read(db, supplier_id, *three)).removed == 0
    assert await blocked(db, "4") is None
    assert await read(db, supplier_id, *three) == SyncResult(added=0, changed=0, removed=1, held=0, waiting=0)
    assert await removed(db) == ["4"]
    assert await blocked(db, "4") == "the supplier no longer offers it"
    assert await found(db) == [("4", "removed", "applied")]
    async with db.pool.connection() as conn:
        [alarm] = await list_alarms(conn, limit=10)
    assert (alarm.kind, alarm.count) == ("service_vanished", 1)
    assert alarm.text == "Upstream no longer lists Remote 4; 3 readings in a row lacked it."
    before = await versions(db)
    assert await read(db, supplier_id, *three) == SyncResult(added=0, changed=0, removed=0, held=0, waiting=0)
    assert await versions(db) == before


async def test_one_that_comes_back_is_offered_again(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(4))
    await map_to(db, "4")
    for _ in range(3):
        await read(db, supplier_id, *many(3))
    assert await removed(db) == ["4"]
    assert await read(db, supplier_id, *many(4)) == SyncResult(added=0, changed=1, removed=0, held=0, waiting=0)
    assert await removed(db) == []
    assert await blocked(db, "4") is None
    assert await found(db) == [("4", "removed", "applied"), ("4", "back", "applied")]
    async with db.pool.connection() as conn:
        assert await list_alarms(conn, limit=10) == []
    # Its absence counts from the beginning again.
    assert (await read(db, supplier_id, *many(3))).removed == 0


async def test_one_that_nothing_is_routed_to_vanishes_without_an_alarm(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(4))
    for _ in range(3):
        await read(db, supplier_id, *many(3))
    assert await removed(db) == ["4"]
    async with db.pool.connection() as conn:
        assert await list_alarms(conn, limit=10) == []


@pytest.mark.parametrize("short", [0, 1, 4])
async def test_pain_6_a_broken_list_removes_nothing_and_is_nobodys_absence(
    db: Database, supplier_id: int, short: int
) -> None:
    await read(db, supplier_id, *many(10))
    for _ in range(2):
        await read(db, supplier_id, *many(9))
    before = await rows(db, "SELECT remote_id, missing_syncs FROM remote_services WHERE missing_syncs > 0")
    for _ in range(5):
        assert (await read(db, supplier_id, *many(short))).held == 10 - short
    assert await removed(db) == []
    query = "SELECT remote_id, missing_syncs FROM remote_services WHERE missing_syncs > 0"
    assert await rows(db, query) == before == [{"remote_id": "10", "missing_syncs": 2}]
    assert (await read(db, supplier_id, *many(9))).removed == 1


async def test_pain_20_a_list_that_cannot_be_read_leaves_the_last_good_one(db: Database, sealer: Sealer) -> None:
    async def reply(_: Request) -> Response:
        return Response("<html>Down for maintenance</html>", media_type="text/html")

    async with serving(Starlette(routes=[Route("/{path:path}", reply, methods=["POST", "GET"])])) as url:
        async with db.transaction() as conn:
            supplier_id = await make_supplier(conn, sealer, base_url=url)
            connector = connect(await get(conn, supplier_id), sealer)
        await read(db, supplier_id, *many(3))
        await read(db, supplier_id, *many(2))
        before = await rows(db, "SELECT xmin::text, missing_syncs FROM remote_services ORDER BY id")
        for _ in range(3):
            with pytest.raises(Unclear):
                await sync(db, connector, supplier_id)
        await connector.http.aclose()
    assert await rows(db, "SELECT xmin::text, missing_syncs FROM remote_services ORDER BY id") == before
    assert await removed(db) == []


DIRT: dict[str, Callable[[bytes], bytes]] = {
    "a prolog of two languages": lambda good: b'<?phpxml version="1.0" encoding="utf-8"?>\n' + good,
    "a byte order mark": lambda good: b"\xef\xbb\xbf" + good,
    "notices of PHP": lambda good: (
        b"<br />\n<b>Notice</b>: Undefined index: x[0] in <b>/a.php</b> on line <b>8</b>" + good
    ),
    "blank lines": lambda good: b"\r\n\r\n" + good + b"\r\n",
    "a comment behind it": lambda good: good + b"<!-- 0.2 s -->",
    "Latin-1": lambda good: good.replace(b"iPhone", b"iPhone \xe9"),
}
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "cut in its middle": lambda good: good[: len(good) // 2],
    "cut at its end": lambda good: good[:-1],
    "twice": lambda good: good + good,
    "nothing": lambda _: b"",
    "a page": lambda _: b"<html><title>Maintenance</title></html>",
    "an empty list": lambda _: b'{"SUCCESS":[{"MESSAGE":"IMEI Service List","LIST":{}}]}',
}


async def test_pain_20_a_dirty_list_is_read_and_a_spoilt_one_leaves_the_last_good_one(
    db: Database, sealer: Sealer
) -> None:
    fake = FakeDhru()
    spoilt_by: list[Callable[[bytes], bytes]] = [bytes]

    async def reply(request: Request) -> Response:
        form = await read_form(request)
        good = orjson.dumps(fake.supplier.answer(form))
        return Response(spoilt_by[0](good) if form["action"] == "imeiservicelist" else good, media_type="text/html")

    async with serving(Starlette(routes=[Route("/api/index.php", reply, methods=["POST"])])) as url:
        async with db.transaction() as conn:
            supplier_id = await make_supplier(conn, sealer)
            await change(conn, sealer, supplier_id, config=fake.config(url))
            connector = connect(await get(conn, supplier_id), sealer)
        whole = (await sync(db, connector, supplier_id)).added
        assert whole > 10
        for name, spoilt_by[0] in DIRT.items():
            async with db.transaction() as conn:
                await conn.execute("UPDATE remote_services SET name = 'old', missing_syncs = 2")
            result = await sync(db, connector, supplier_id)
            assert (result.added, result.changed, result.removed) == (0, whole, 0), name
            [row] = await rows(db, "SELECT count(*) FILTER (WHERE name = 'old' OR missing_syncs > 0) AS n"
                                   " FROM remote_services")  # fmt: skip
            assert row["n"] == 0, name
        before = await versions(db)
        for name, spoilt_by[0] in SPOILT.items():
            for _ in range(4):
                with contextlib.suppress(Unclear):
                    result = await sync(db, connector, supplier_id)
                    # Only the list that says of itself that it is empty is no error; the file services have their own.
                    assert (name, result.held) == ("an empty list", whole - 1)
            assert await versions(db) == before, name
        await connector.http.aclose()
    assert await removed(db) == []


async def test_what_a_short_list_has_is_taken_over(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(10))
    result = await read(db, supplier_id, listed(cost=MICRO + 1), listed("11"))
    assert result == SyncResult(added=1, changed=1, removed=0, held=9, waiting=0)
    assert await cost(db) == MICRO + 1


async def test_how_often_a_service_may_be_missing_is_the_suppliers_limit(db: Database, supplier_id: int) -> None:
    async with db.transaction() as conn:
        await change_limits(conn, supplier_id, {"missing_limit": 1})
    await read(db, supplier_id, *many(4))
    assert (await read(db, supplier_id, *many(3))).removed == 1


async def test_suppliers_do_not_mix(db: Database, supplier_id: int) -> None:
    async with db.transaction() as conn:
        cursor = await conn.execute(
            "INSERT INTO suppliers (name, kind, config, sealed, currency)"
            " SELECT 'Other', kind, config, sealed, currency FROM suppliers RETURNING id"
        )
        row = await cursor.fetchone()
    assert row is not None
    await read(db, supplier_id, *many(4))
    assert (await read(db, row["id"], *many(4, cost=9 * MICRO))).added == 4
    for _ in range(3):
        assert (await read(db, row["id"], *many(3, cost=9 * MICRO))).changed == 0
    query = "SELECT supplier_id, count(*) FROM remote_services WHERE removed_at IS NULL GROUP BY 1 ORDER BY 1"
    assert await rows(db, query) == [{"supplier_id": supplier_id, "count": 4}, {"supplier_id": row["id"], "count": 3}]


async def test_two_readings_at_once_do_not_interleave(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(50))
    lists = [many(50 + n, cost=MICRO + n, name=f"Reading {n}") for n in range(1, 5)]
    await asyncio.gather(*(read(db, supplier_id, *services) for services in lists))
    [state] = await rows(
        db,
        "SELECT count(DISTINCT (cost, name)) AS n, max(name) AS name FROM remote_services WHERE remote_id::int <= 50",
    )
    assert state["n"] == 1
    # Each change goes on from where the one before it ended.
    chain = await rows(
        db,
        "SELECT old -> 'cost' AS old, new -> 'cost' AS new FROM catalog_changes c JOIN remote_services m"
        " ON m.id = c.remote_service_id WHERE m.remote_id = '1' AND c.kind = 'price' ORDER BY c.id",
    )
    assert len(chain) == 4
    assert [step["old"] for step in chain] == [MICRO, *(step["new"] for step in chain[:-1])]


async def test_orders_are_placed_while_a_catalogue_is_taken_over(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, listed())
    async with db.transaction() as reading:
        await apply_catalog(reading, supplier_id, [listed(cost=MICRO + 1)])
        async with db.transaction() as conn:
            await conn.execute("SET LOCAL lock_timeout = '3s'")
            # What placing an order does to the row of the supplier and of the remote service.
            await conn.execute("SELECT 1 FROM suppliers FOR KEY SHARE")
            await conn.execute("SELECT 1 FROM remote_services FOR KEY SHARE")
