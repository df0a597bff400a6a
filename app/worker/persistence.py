"""Writing down what a supplier said, even if the database is away for a moment: their answer comes only once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import structlog
from psycopg_pool import PoolTimeout

T = TypeVar("T")

TRIES = 8
FIRST_WAIT_SECONDS = 0.2

log = structlog.get_logger()


async def persistently(write: Callable[[], Awaitable[T]]) -> T:
    """Return what ``write`` returns, trying again for about a minute while the database is away or makes it wait in a
    circle; then raise its error.

    ``write`` is one transaction whose effect on orders is fenced by the attempts' states and leases: written twice, the
    second time changes none. If the last try fails, leases end by themselves and sends become unclear.
    """
    for number in range(TRIES):
        try:
            return await write()
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            if number == TRIES - 1:
                raise
            log.warning("writing an outcome is tried again", error=type(error).__name__)
        await asyncio.sleep(FIRST_WAIT_SECONDS * 2**number)
    raise AssertionError("the last try returns or raises")
