"""Whoever writes the catalogue at the same time as others waits for them, and never ends in a deadlock."""

import asyncio

from app.db import Database
from tests.factories import make_service, wait_until_locked


async def test_a_writer_of_two_services_and_a_writer_of_one_of_them_both_succeed(db: Database) -> None:
    async with db.transaction() as conn:
        one = await make_service(conn, name="One")
        other = await make_service(conn, name="Other")
        before = await (await conn.execute("SELECT version FROM catalog_version")).fetchone()
    rename = "UPDATE services SET name = name || %s WHERE id = %s"

    async def second() -> None:
        async with db.transaction() as conn:
            await conn.execute(rename, (" two", other))

    async with db.transaction() as conn:
        await conn.execute(rename, (" one", one))
        waiting = asyncio.create_task(second())
        async with db.pool.connection() as watcher:
            await wait_until_locked(watcher, 1)
        await conn.execute(rename, (" one", other))
    await waiting
    async with db.pool.connection() as conn:
        names = await (await conn.execute("SELECT name FROM services WHERE id = %s", (other,))).fetchall()
        after = await (await conn.execute("SELECT version FROM catalog_version")).fetchone()
    assert names == [{"name": "Other one two"}]
    assert before is not None
    assert after is not None
    assert after["version"] == before["version"] + 3
