"""A catalogue that really shrank: held until staff believe one reading of it, which then counts whole and once."""

from app.alarms.service import list_alarms
from app.connectors.base import RemoteService
from app.db import Database
from app.money import MICRO
from app.suppliers.sync import SyncResult, apply_catalog
from tests.suppliers.catalogue import decide, found, limit, listed, many, map_to, read, rows, waiting


async def believe(db: Database, supplier_id: int, *services: RemoteService) -> SyncResult:
    """Take a list over as it is, because staff say so."""
    async with db.transaction() as conn:
        return await apply_catalog(conn, supplier_id, services, believed=True)


async def offered(db: Database) -> list[str]:
    query = "SELECT remote_id FROM remote_services WHERE removed_at IS NULL ORDER BY remote_id::int"
    return [row["remote_id"] for row in await rows(db, query)]


async def test_a_list_that_is_believed_removes_at_once_what_it_lacks(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(10))
    await map_to(db, "9")
    for _ in range(5):
        assert await read(db, supplier_id, *many(3)) == SyncResult(added=0, changed=0, removed=0, held=7, waiting=0)
    assert (await believe(db, supplier_id, *many(3))).removed == 7
    assert await offered(db) == ["1", "2", "3"]
    decided = await rows(
        db, "SELECT DISTINCT state, decided_at IS NULL AS open FROM catalog_changes WHERE kind = 'removed'"
    )
    assert [(row["state"], row["open"]) for row in decided] == [("approved", False)]
    async with db.pool.connection() as conn:
        [alarm] = await list_alarms(conn, limit=10)
    assert alarm.text.endswith("no longer lists Remote 9; staff took the list as it is.")
    assert await read(db, supplier_id, *many(3)) == SyncResult(added=0, changed=0, removed=0, held=0, waiting=0)


async def test_the_belief_is_for_one_reading(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(10))
    await believe(db, supplier_id, *many(8))
    assert (await read(db, supplier_id, *many(3))).held == 5
    assert len(await offered(db)) == 8


async def test_an_empty_list_is_not_believed(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(4))
    assert (await believe(db, supplier_id)).held == 4
    assert len(await offered(db)) == 4


async def test_prices_keep_to_the_limits_all_the_same(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(10))
    result = await believe(db, supplier_id, listed("1", cost=9 * MICRO))
    assert (result.changed, result.removed, result.waiting) == (0, 9, 1)
    assert await found(db, state="waiting") == [("1", "price", "waiting")]


async def test_it_overrules_what_staff_said_of_removals_before(db: Database, supplier_id: int) -> None:
    await read(db, supplier_id, *many(4))
    await limit(db, supplier_id, apply_removed=False, missing_limit=1)
    await read(db, supplier_id, *many(2))
    third, fourth = await waiting(db, supplier_id)
    await decide(db, third.id, "reject")
    assert (await believe(db, supplier_id, *many(2))).removed == 2
    assert await offered(db) == ["1", "2"]
    assert await waiting(db, supplier_id) == []
    assert fourth.kind == "removed"
