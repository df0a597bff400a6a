"""The database goes away under a worker process: its side jobs go on when it is back."""

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import structlog

from app.db import Database
from app.sealing import Sealer
from app.settings import Settings
from app.worker.jobs.engine import run_for_ever, side_jobs
from tests.worker.test_order_path import rows, until


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged meanwhile."""
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]  # structlog types its event dicts more widely


async def test_the_side_jobs_go_on_after_the_database_was_away(
    db: Database, sealer: Sealer, conninfo: str, lines: list[dict[str, Any]]
) -> None:
    jobs = side_jobs(db, sealer, Settings(_env_file=None))

    async def registered() -> set[int]:
        return {row["id"] for row in await rows(db, "SELECT id FROM procrastinate_workers")}

    async def started() -> bool:
        return bool(await registered())

    async with jobs.open_async():
        side = asyncio.create_task(run_for_ever(jobs, heartbeat_seconds=0.2))
        try:
            await until(started)
            before = await registered()
            await let_nobody_in(conninfo)

            async def ended() -> bool:
                return any(line["event"] == "the side jobs ended and are started again" for line in lines)

            # It misses a heartbeat, which is what ends the engine.
            await until(ended)
            await let_everybody_in(conninfo)

            async def started_again() -> bool:
                with contextlib.suppress(psycopg.OperationalError):
                    return bool(await registered() - before)
                return False

            await until(started_again)
            await jobs.tasks["tidy_up"].defer_async(timestamp=0)

            async def all_done() -> bool:
                return await rows(db, "SELECT 1 FROM procrastinate_jobs WHERE task_name = 'tidy_up'") == []

            await until(all_done)
        finally:
            side.cancel()
            await asyncio.gather(side, return_exceptions=True)
    # A connection that was given up half-way stays open until it is collected, and the database cannot be dropped.
    gc.collect()


async def let_nobody_in(conninfo: str) -> None:
    """End every connection to this database and allow no new one."""
    await _by_another_way(conninfo, "ALTER DATABASE {} ALLOW_CONNECTIONS false")
    await _by_another_way(
        conninfo, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> 0", literal=True
    )


async def let_everybody_in(conninfo: str) -> None:
    """Allow connections again."""
    await _by_another_way(conninfo, "ALTER DATABASE {} ALLOW_CONNECTIONS true")


async def _by_another_way(conninfo: str, statement: str, *, literal: bool = False) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    name = str(parts.pop("dbname"))
    async with await psycopg.AsyncConnection.connect(
        psycopg.conninfo.make_conninfo("", **parts, dbname="postgres"), autocommit=True
    ) as conn:
        quoted = psycopg.sql.Literal(name) if literal else psycopg.sql.Identifier(name)
        await conn.execute(psycopg.sql.SQL(statement).format(quoted))
