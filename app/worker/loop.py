"""One worker process: looks for due rows, keeps every supplier busy within its limits, sweeps, and ends cleanly.

Postgres is the coordinator: any number of these may run on any number of machines. A slot is held before anything is
claimed, so that what is claimed is sent at once; leases are short and renewed while a call lasts.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from app.connectors.base import Connector
from app.db import Database
from app.orders.attempts import claim, claim_polls, claim_unclear, renew, sweep
from app.redis import Limiter
from app.sealing import Sealer
from app.suppliers.service import SupplierAccount, with_due_work
from app.worker.dispatch import Sender, in_calls
from app.worker.find import Finder
from app.worker.poll import Asker
from app.worker.slots import Slots
from app.worker.supplies import Connectors
from app.worker.wake import listen

SWEEP_SECONDS = 5.0
BEATS_PER_LEASE = 4
GRACE_SECONDS = 150.0
ASKING_SHARE = 2 / 3
"""How much of a supplier's requests per minute asking after orders may use up: sending comes first."""

log = structlog.get_logger()

Start = Callable[[SupplierAccount, Connector[Any], int], Awaitable[int]]


class Worker:
    """Runs the order path until told to stop."""

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        *,
        tick_seconds: float,
        lease_seconds: float,
        limiter: Limiter | None = None,
    ) -> None:
        """``limiter`` shares what suppliers take with other workers; without one each worker counts for itself."""
        self._db = db
        limiter = limiter or Limiter()
        self._tick = tick_seconds
        self._lease = lease_seconds
        self._connectors = Connectors(sealer)
        self._name = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._held: set[int] = set()
        self._sends = Slots("sends", limiter)
        self._asks = Slots("asks", limiter, share=ASKING_SHARE)
        self._finds = Slots("finds", limiter, share=ASKING_SHARE)

    def stop(self) -> None:
        """Claim nothing more and end when the calls in flight have ended."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Work until ``stop``; then wait for the calls in flight, so that their outcome is recorded."""
        log.info("worker started", worker=self._name)
        helpers = [
            asyncio.create_task(listen(self._db.conninfo, self._wake)),
            asyncio.create_task(self._sweep_for_ever()),
        ]
        beating = asyncio.create_task(self._beat_for_ever())
        try:
            while not self._stopping.is_set():
                try:
                    await self._round()
                except (psycopg.Error, PoolTimeout):
                    log.exception("the database does not answer")
                try:
                    async with asyncio.timeout(self._tick):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            if self._calls:
                await asyncio.wait(self._calls, timeout=GRACE_SECONDS)
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await self._connectors.aclose()
            log.info("worker stopped", worker=self._name)

    async def _round(self) -> None:
        async with self._db.pool.connection() as conn:
            suppliers = await with_due_work(conn)
        for supplier in suppliers:
            try:
                connector = await self._connectors.get(supplier.account)
            except ValueError as error:
                log.error(
                    "a supplier's configuration cannot be used", supplier_id=supplier.account.id, error=str(error)
                )
                continue
            for due, slots, start in (
                (supplier.sends, self._sends, self._start_sends),
                (supplier.polls, self._asks, self._start_asks),
                (supplier.finds, self._finds, self._start_finds),
            ):
                if due:
                    await self._fill(supplier.account, connector, slots, start)

    async def _fill(self, account: SupplierAccount, connector: Connector[Any], slots: Slots, start: Start) -> None:
        """Start calls in the slots that may be taken now, until there are no more of either."""
        while free := await slots.open(account, connector.http.longest_seconds):
            used = 0
            try:
                used = await start(account, connector, free)
            finally:
                await slots.close(account.id, free - used)
            if used < free:
                return

    async def _start_sends(self, account: SupplierAccount, connector: Connector[Any], free: int) -> int:
        """Start sending in up to ``free`` slots; return how many were used."""
        batch = min(connector.place_batch, account.place_batch or connector.place_batch)
        async with self._db.pool.connection() as conn:
            claims = await claim(
                conn,
                account.id,
                lease_by=self._name,
                lease_seconds=self._lease,
                limit=free * batch,
            )
        sender = Sender(self._db, account, connector, self._name)
        blocked = [one for one in claims if one.blocked is not None]
        if blocked:
            await sender.put_aside(blocked)
        sendable = [one for one in claims if one.blocked is None]
        calls = in_calls(sendable, batch)
        used = min(free, len(calls))
        for slot in range(used):
            # Files make more calls than there are slots; some then wait for another in the same slot.
            mine = calls[slot::free]
            self._start(
                sender.send_in_turn(mine), self._sends, account.id, [one.attempt_id for call in mine for one in call]
            )
        return used

    async def _start_asks(self, account: SupplierAccount, connector: Connector[Any], free: int) -> int:
        """Start asking in up to ``free`` slots; return how many were used."""
        batch = connector.check_batch
        async with self._db.pool.connection() as conn:
            polls = await claim_polls(
                conn,
                account.id,
                lease_by=self._name,
                lease_seconds=self._lease,
                limit=free * batch,
            )
        asker = Asker(self._db, account, connector, self._name)
        chunks = [polls[start : start + batch] for start in range(0, len(polls), batch)]
        for chunk in chunks:
            self._start(asker.ask(chunk), self._asks, account.id, [one.attempt_id for one in chunk])
        return len(chunks)

    async def _start_finds(self, account: SupplierAccount, connector: Connector[Any], free: int) -> int:
        """Start looking for lost orders in up to ``free`` slots; return how many were used."""
        async with self._db.pool.connection() as conn:
            claims = await claim_unclear(conn, account.id, lease_by=self._name, lease_seconds=self._lease, limit=free)
        finder = Finder(self._db, account, connector, self._name)
        for one in claims:
            self._start(finder.find(one), self._finds, account.id, [one.attempt_id])
        return len(claims)

    def _start(self, call: Coroutine[Any, Any, None], slots: Slots, supplier_id: int, attempts: list[int]) -> None:
        """Make one call in a slot that was taken for it."""
        self._held.update(attempts)

        async def run() -> None:
            try:
                await call
            except Exception:
                # The lease ends by itself: a send becomes unclear, a poll comes due again.
                log.exception("a call's outcome could not be recorded", supplier_id=supplier_id)
            finally:
                await slots.close(supplier_id)
                self._held.difference_update(attempts)
                self._wake.set()

        task = asyncio.create_task(run())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _beat_for_ever(self) -> None:
        """Renew the leases of what is in flight: a call may last longer than a dead worker should go unnoticed."""
        while True:
            await asyncio.sleep(self._lease / BEATS_PER_LEASE)
            try:
                async with self._db.pool.connection() as conn:
                    await renew(conn, list(self._held), lease_by=self._name, lease_seconds=self._lease)
            except (psycopg.Error, PoolTimeout):
                log.exception("leases could not be renewed")

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                async with self._db.transaction() as conn:
                    orphans = await sweep(conn)
                for attempt_id in orphans:
                    log.warning("an orphaned send is unclear", attempt_id=attempt_id)
            except (psycopg.Error, PoolTimeout):
                log.exception("the sweep failed")
            await asyncio.sleep(SWEEP_SECONDS)
