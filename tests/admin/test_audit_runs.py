"""Runs of the audit by the staff API: started, listed newest first, read."""

import httpx2

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import ClientOf, ok, refused, token_for
from tests.audit.lives import shop_with_lives
from tests.worker.test_order_path import rows


async def test_staff_start_runs_and_read_them(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    clean = await ok(owner.post("audit/runs"), 201)
    assert (clean["ok"], clean["orders"], clean["findings"]) == (True, 9, [])
    assert clean["staff_id"] is not None
    async with db.transaction() as conn:
        await conn.execute("UPDATE accounts SET balance = balance + 1 WHERE role = 'customer'")
    broken = await ok(owner.post("audit/runs"), 201)
    assert broken["breaks"] == {"every balance equals its transfers": 1, "all accounts of a currency sum to zero": 1}
    page = await ok(owner.get("audit/runs", params={"limit": 1}))
    assert [row["id"] for row in page["items"]] == [broken["id"]]
    older = await ok(owner.get("audit/runs", params={"limit": 1, "cursor": page["next_cursor"]}))
    assert older == {"items": [clean], "next_cursor": None}
    assert await ok(owner.get(f"audit/runs/{broken['id']}")) == broken
    await refused(owner.get("audit/runs/99"), 404, "not_found")


async def test_only_who_may_operate_starts_a_run(client_of: ClientOf, db: Database, sealer: Sealer) -> None:
    viewer = await client_of(await token_for(db, sealer, "read_only"))
    await refused(viewer.post("audit/runs"), 403, "forbidden")
    assert (await ok(viewer.get("audit/runs")))["items"] == []
    assert await rows(db, "SELECT 1 FROM audit_runs") == []
