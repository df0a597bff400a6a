"""Sends customers their messages beside the order path, and in no way before it."""

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from app.db import Database
from app.sealing import Sealer
from app.webhooks.delivery import Claimed, Sender
from app.webhooks.destinations import Rules

TICK_SECONDS = 0.5
MOST_AT_ONCE = 100
GRACE_SECONDS = 5.0
"""How long calls under way may take when the worker ends; what is broken off is sent again by another."""

log = structlog.get_logger()


class Messenger:
    """Claims what is due as long as calls are free, until cancelled; a call that is broken off is made again later."""

    def __init__(self, db: Database, sealer: Sealer, rules: Rules) -> None:
        by = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._sender = Sender(db, sealer, rules, by)
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send for ever; what goes wrong is logged and tried again."""
        try:
            while True:
                started = 0
                try:
                    started = self._start(await self._sender.claim(MOST_AT_ONCE - len(self._calls)))
                except (psycopg.Error, PoolTimeout) as error:
                    log.warning("webhooks cannot be claimed", error=type(error).__name__)
                except Exception:
                    # Nobody starts this again: what it does not know how to bear, it tries again all the same.
                    log.exception("webhooks cannot be claimed")
                if started:
                    # Where calls are quick, what waited behind them is due at once.
                    await asyncio.wait(self._calls, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(TICK_SECONDS)
        finally:
            if self._calls:
                await asyncio.wait(self._calls, timeout=GRACE_SECONDS)
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def _start(self, claimed: Sequence[Claimed]) -> int:
        for delivery in claimed:
            call = asyncio.create_task(self._send(delivery))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return len(claimed)

    async def _send(self, delivery: Claimed) -> None:
        try:
            await self._sender.send(delivery)
        except Exception:
            # The lease ends by itself, and the message is sent again.
            log.exception("the outcome of a webhook could not be recorded", delivery_id=delivery.id)
