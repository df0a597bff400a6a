"""Tells workers that there is work: one coalesced NOTIFY after commits, a hint that may be lost without harm.

A NOTIFY inside the placing transaction would make such commits queue behind one database-wide lock; one on a side
connection every few milliseconds costs next to nothing.
"""

import asyncio
import contextlib

import psycopg
import structlog

CHANNEL = "trunkline_work"
COALESCE_SECONDS = 0.015
RETRY_SECONDS = 2.0

log = structlog.get_logger()


class Bell:
    """Rings for the workers, at most once every few milliseconds."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._wanted = asyncio.Event()

    def ring(self) -> None:
        """Say that something was committed; returns at once."""
        self._wanted.set()

    async def run(self) -> None:
        """Send what was rung for, until cancelled; a database that is away only costs the workers their hint."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as conn:
                    while True:
                        await self._wanted.wait()
                        self._wanted.clear()
                        await conn.execute(f"NOTIFY {CHANNEL}")
                        await asyncio.sleep(COALESCE_SECONDS)
            except psycopg.Error as error:
                log.warning("cannot wake workers", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)


async def listen(conninfo: str, heard: asyncio.Event) -> None:
    """Set ``heard`` at every ring, until cancelled."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as conn:
                await conn.execute(f"LISTEN {CHANNEL}")
                async with contextlib.aclosing(conn.notifies()) as rings:
                    async for _ in rings:
                        heard.set()
        except psycopg.Error as error:
            log.warning("cannot hear the bell", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
