"""Lets the time of sandbox orders come although nobody asks after them, so that their messages are sent."""

import asyncio

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from app.db import Database
from app.sandbox.orders import MOST_AT_ONCE, close_due

TICK_SECONDS = 1.0

log = structlog.get_logger()


async def close_for_ever(db: Database) -> None:
    """Close what is due, until cancelled; any number of workers may."""
    while True:
        closed = 0
        try:
            async with db.pool.connection() as conn:
                closed = await close_due(conn)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("sandbox orders cannot be closed", error=type(error).__name__)
        if closed < MOST_AT_ONCE:
            await asyncio.sleep(TICK_SECONDS)
