"""Runs the audit: every promise, on one snapshot, beside the running service.

The snapshot is a REPEATABLE READ, READ ONLY transaction: it takes no lock that anybody waits for and sees no
transaction half. A second connection joins it, if the pool can spare one, and takes a share of the work.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

from psycopg_pool import PoolTimeout

from app.audit import approvals, orders, topups
from app.audit.books import PROMISES as BOOK_PROMISES
from app.audit.books import Books, prove_books
from app.audit.guards import PROMISE as GUARDS
from app.audit.guards import prove_guards
from app.audit.promises import AuditResult, Breaks, Broken
from app.db import Connection, Database

LANES = 2
SPARE_SECONDS = 1.0
"""How long a further connection is waited for."""

# Memory for the joins of one slice; no plan is kept, because a slice's bounds decide it; and a limit that is meant for
# the service's short statements is not for this.
_SET_UP = """
SET LOCAL work_mem = '64MB';
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL statement_timeout = 0;
"""

WORDS = (
    *(promise.words for promises in BOOK_PROMISES.values() for promise in promises),
    *(promise.words for promise in orders.PROMISES),
    *(listing.words for listing in orders.LISTINGS),
    approvals.PROMISE.words,
    topups.PROMISE.words,
    GUARDS,
)
"""Every promise there is, in the order in which they are reported."""


async def audit(db: Database, *, lanes: int = LANES) -> AuditResult:
    """Prove that no credit was lost, doubled or invented, over ``lanes`` connections of the pool, or fewer.

    Raises psycopg_pool.PoolTimeout if not even one is free.
    """
    started = monotonic()
    async with AsyncExitStack() as opened:
        first = await opened.enter_async_context(_snapshot(db, None))
        run = _Run()
        joined = [first]
        if lanes > 1:
            row = await (await first.execute("SELECT pg_export_snapshot() AS id")).fetchone()
            assert row is not None  # noqa: S101  a function call returns one row
            for _ in range(lanes - 1):
                try:
                    joined.append(await opened.enter_async_context(_snapshot(db, row["id"])))
                except PoolTimeout:
                    break
        async with asyncio.TaskGroup() as working:
            working.create_task(run.first_lane(first))
            for conn in joined[1:]:
                working.create_task(run.slices(conn))
        return await run.result(first, started)


@asynccontextmanager
async def _snapshot(db: Database, exported: str | None) -> AsyncIterator[Connection]:
    """Lend a connection in a transaction that sees one moment: a new one, or that of ``exported``.

    The second kind is not waited for: psycopg_pool.PoolTimeout if none is free soon.
    """
    async with db.pool.connection(timeout=SPARE_SECONDS if exported else None) as conn, conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if exported is not None:
            # A name that Postgres made itself, and no place where it takes an argument.
            await conn.execute(f"SET TRANSACTION SNAPSHOT '{exported}'")
        await conn.execute(_SET_UP)
        yield conn


class _Run:
    """One audit while it runs: what its lanes have found so far, and what is left to do."""

    def __init__(self) -> None:
        self._books: Books | None = None
        self._seen = orders.Seen()
        self._broken: Broken = {}
        self._next: int | None = orders.FIRST_ID
        self._taking = asyncio.Lock()

    async def first_lane(self, conn: Connection) -> None:
        """Prove what is not about single orders, then join in with the slices."""
        self._books = await prove_books(conn)
        self._broken |= self._books.broken
        self._broken |= await approvals.PROMISE.read(conn)
        self._broken |= await topups.PROMISE.read(conn)
        self._broken |= await prove_guards(conn)
        self._broken |= await orders.prove_remote_ids(conn)
        await self.slices(conn)

    async def slices(self, conn: Connection) -> None:
        """Take slices of the orders until none is left."""
        while (part := await self._take(conn)) is not None:
            seen, broken = await orders.count_breaks(conn, part)
            self._seen = self._seen.plus(seen)
            for promise, times in broken.items():
                breaks = self._broken.setdefault(promise.words, Breaks())
                breaks.count += times
                if breaks.missing > 0:
                    breaks.findings += await orders.read_breaks(conn, part, promise, breaks.missing)

    async def _take(self, conn: Connection) -> orders.Slice | None:
        async with self._taking:
            if self._next is None:
                return None
            part = await orders.slice_after(conn, self._next)
            self._next = None if part.high == orders.LAST_ID else part.high + 1
            return part

    async def result(self, conn: Connection, started: float) -> AuditResult:
        """Look for rows that no lane has seen, and sum up."""
        books = self._books
        assert books is not None  # noqa: S101  the first lane is done
        self._broken |= await orders.prove_nothing_is_left(conn, self._seen, for_orders=books.for_orders)
        broken = [(words, self._broken[words]) for words in WORDS if words in self._broken]
        return AuditResult(
            accounts=books.accounts,
            transfers=books.transfers,
            orders=self._seen.orders,
            attempts=self._seen.attempts,
            seconds=round(monotonic() - started, 3),
            breaks={words: breaks.count for words, breaks in broken},
            findings=tuple(finding for _, breaks in broken for finding in breaks.findings[: breaks.count]),
        )
