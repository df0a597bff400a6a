"""A worker's sign of life, written every few seconds as long as its event loop runs and it reaches the database."""

import asyncio
import os
import secrets
import socket
from importlib.metadata import PackageNotFoundError, version

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from app.alarms.silence import beat
from app.db import Database

BEATS = 6
"""How many signs of life a worker gives in the time after which it counts as silent."""

log = structlog.get_logger()


async def beat_for_ever(db: Database, *, silent_seconds: float) -> None:
    """Give signs of life until cancelled, often enough that one or two may be lost."""
    name = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
    while True:
        try:
            async with db.pool.connection() as conn:
                await beat(conn, name, _version())
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("a sign of life could not be given", error=type(error).__name__)
        await asyncio.sleep(silent_seconds / BEATS)


def _version() -> str:
    try:
        return version("trunkline")
    except PackageNotFoundError:
        return "unknown"
