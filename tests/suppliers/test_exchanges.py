"""What was said to a supplier, looked through page by page, however many calls there are."""

import pytest

from app.db import Database
from app.errors import NotFound
from app.suppliers import exchanges
from app.suppliers.exchanges import get_call, list_calls

LAST = 2**63 - 1


async def say(db: Database, supplier_id: int, count: int, call: str = "place", status: int | None = 200) -> None:
    """Write so many calls down."""
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO exchanges (supplier_id, call, at, method, url, request, status, reply, milliseconds)"
            " SELECT %s, %s, now(), 'POST', 'https://a.example', 'asked', %s, 'said', 7 FROM generate_series(1, %s)",
            (supplier_id, call, status, count),
        )


async def test_calls_come_newest_first_and_page_by_page(db: Database, supplier_id: int) -> None:
    await say(db, supplier_id, 5)
    await say(db, supplier_id, 2, "check", 502)
    async with db.pool.connection() as conn:
        first = await list_calls(conn, supplier_id, before=LAST, limit=4)
        rest = await list_calls(conn, supplier_id, before=first.older or 0, limit=4)
        checks = await list_calls(conn, supplier_id, call="check", before=LAST, limit=4)
        failed = await list_calls(conn, supplier_id, failed=True, before=LAST, limit=4)
        nobody = await list_calls(conn, supplier_id + 1, before=LAST, limit=4)
    ids = [row.id for row in (*first.rows, *rest.rows)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 7
    assert rest.older is None
    assert [row.call for row in checks.rows] == [row.call for row in failed.rows] == ["check", "check"]
    assert (nobody.rows, nobody.older) == ([], None)


async def test_a_rare_call_is_looked_for_a_stretch_at_a_time(
    db: Database, supplier_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "LOOKED_AT", 10)
    await say(db, supplier_id, 1, "cancel")
    await say(db, supplier_id, 15)
    async with db.pool.connection() as conn:
        first = await list_calls(conn, supplier_id, call="cancel", before=LAST, limit=4)
        assert first.rows == []
        assert first.older is not None
        rest = await list_calls(conn, supplier_id, call="cancel", before=first.older, limit=4)
    assert [row.call for row in rest.rows] == ["cancel"]
    assert rest.older is None


async def test_a_call_is_that_of_its_supplier_alone(db: Database, supplier_id: int) -> None:
    await say(db, supplier_id, 1)
    async with db.pool.connection() as conn:
        (row,) = (await list_calls(conn, supplier_id, before=LAST, limit=1)).rows
        assert (await get_call(conn, supplier_id, row.id)).reply == "said"
        with pytest.raises(NotFound):
            await get_call(conn, supplier_id + 1, row.id)
