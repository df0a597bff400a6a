"""The way to Postgres: one psycopg pool for the hot paths, one SQLAlchemy engine for admin and reports.

Both speak psycopg 3. The pool's connections are in autocommit, so that a hot path is one statement and one round trip;
``transaction`` opens an explicit transaction where several statements belong together.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

import orjson
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Text, event, func, select
from sqlalchemy import Connection as EngineConnection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, mapped_column

Connection = AsyncConnection[DictRow]
"""A psycopg connection whose rows are dicts; what the order path and the ledger take as their first argument."""

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)

MAX_ID = 2**63 - 1
"""The largest id a row can have."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, staff or a customer if known, through which door (admin, portal, api, command), and from where."""

    door: str
    address: str
    staff_id: int | None = None
    customer_id: int | None = None


acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
"""Who acts in this request or command; every transaction of it tells the triggers that keep a history."""

_ACTING = (
    "SELECT set_config('trunkline.door', %s, true), set_config('trunkline.address', %s, true),"
    " set_config('trunkline.staff', %s, true), set_config('trunkline.customer', %s, true)"
)


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
            configure=_set_up,
            kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 1},
        )
        self.engine: AsyncEngine = create_async_engine(
            make_url(conninfo).set(drivername="postgresql+psycopg"),
            pool_size=5,
            max_overflow=5,
            hide_parameters=True,  # what a failing statement was given is nobody's business in a log
        )
        event.listen(self.engine.sync_engine, "connect", _set_up_engine)
        event.listen(self.engine.sync_engine, "begin", _tell_session)
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
            actor = acting.get()
            if actor is not None:
                await conn.execute(_ACTING, _told(actor))
            yield conn


# Compiling a statement takes longer than any of ours takes without: they touch few rows through indexes. And what we
# show as UTC has to be UTC, whatever the server's own time is: a cluster takes over that of its machine.
_SET_UP = "SET jit = off; SET timezone = 'UTC'"


async def _set_up(conn: Connection) -> None:
    await conn.execute(_SET_UP)


def _set_up_engine(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(_SET_UP)
    cursor.close()
    connection.commit()  # or the engine's first rollback would take it back


def _told(actor: Actor) -> tuple[str, str, str, str]:
    return actor.door, actor.address, str(actor.staff_id or ""), str(actor.customer_id or "")


def _tell_session(connection: EngineConnection) -> None:
    actor = acting.get()
    if actor is not None:
        connection.exec_driver_sql(_ACTING, _told(actor))


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
