"""The way to Postgres: one psycopg pool for the hot paths, one SQLAlchemy engine for admin and reports.

Both speak psycopg 3. The pool's connections are in autocommit, so that a hot path is one statement and one round trip;
``transaction`` opens an explicit transaction where several statements belong together.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, cast

import orjson
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Text, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, mapped_column

Connection = AsyncConnection[DictRow]
"""A psycopg connection whose rows are dicts; what the order path and the ledger take as their first argument."""

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


class Base(DeclarativeBase):
    """The base of every table; names of constraints follow one convention, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads this class attribute
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
    }


Id = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


class Database:
    """Holds the pool and the engine of one process."""

    def __init__(self, conninfo: str, *, pool_size: int = 10) -> None:
        """``conninfo`` is a libpq URL (``postgresql://…``)."""
        self.conninfo = conninfo
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            connection_class=cast("type[Connection]", AsyncConnection),
            min_size=min(2, pool_size),
            max_size=pool_size,
            open=False,
            timeout=15,
            kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 1},
        )
        self.engine: AsyncEngine = create_async_engine(
            make_url(conninfo).set(drivername="postgresql+psycopg"),
            pool_size=5,
            max_overflow=5,
            hide_parameters=True,  # what a failing statement was given is nobody's business in a log
        )
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    async def open(self) -> None:
        """Open the pool; raises psycopg_pool.PoolTimeout if the database does not answer."""
        await self.pool.open(wait=True, timeout=15)

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits at the end of the block, or rolls back on error."""
        async with self.pool.connection() as conn, conn.transaction():
            yield conn


@asynccontextmanager
async def driver(session: AsyncSession) -> AsyncIterator[Connection]:
    """Lend the psycopg connection under a session, so that the ledger's and the orders' functions join its
    transaction.

    Inside the block the rows of the connection are dicts, so the session itself is not used there.
    """
    # psycopg begins with the first statement: without one, a nested transaction() would be the outermost and commit.
    await session.execute(select(1))
    raw = await (await session.connection()).get_raw_connection()
    conn = cast("Any", raw.driver_connection)
    rows, conn.row_factory = conn.row_factory, dict_row
    try:
        yield cast("Connection", conn)
    finally:
        conn.row_factory = rows
