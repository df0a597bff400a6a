"""A customer with credit, a receiver of theirs on loopback, and a sender that may reach it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.db import Database
from app.sealing import Sealer
from app.webhooks.delivery import Sender
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import Endpoint, add_endpoint
from app.webhooks.kinds import SUBSCRIBED
from tests.factories import Shop, make_shop
from tests.fakes.webhook_receiver import Receiver
from tests.serving import serving


def loopback(*urls: str) -> Rules:
    """Return rules that let receivers of tests be reached."""
    return Rules((ip_network("127.0.0.0/8"),), frozenset(urlsplit(url).port or 80 for url in urls), plain_http=True)


async def one_round(sender: Sender) -> int:
    """Send what is due now, side by side, and return how many messages were taken."""
    return sum(await asyncio.gather(*(sender.send(one) for one in await sender.claim(100))))


@dataclass
class Told:
    """A shop whose customer is told over HTTP."""

    db: Database
    sealer: Sealer
    shop: Shop
    receiver: Receiver
    url: str
    rules: Rules
    senders: list[Sender] = field(default_factory=list)

    async def endpoint(self, *events: str, url: str | None = None, customer_id: int | None = None) -> Endpoint:
        """Add an endpoint, for all events unless some are named; the receiver knows its secret."""
        async with self.db.transaction() as conn:
            new = await add_endpoint(
                conn,
                self.sealer,
                self.rules,
                customer_id or self.shop.customer_id,
                url=url or f"{self.url}/hook",
                events=events or sorted(SUBSCRIBED),
            )
        self.receiver.secrets[urlsplit(new.endpoint.url or "").path] = new.secret
        return new.endpoint

    @property
    def sender(self) -> Sender:
        """A sender of one process."""
        return Sender(self.db, self.sealer, self.rules, "one")

    async def deliver(self) -> int:
        """Send what is due until nothing is; return how many messages were taken."""
        taken = 0
        while claimed := await self.sender.claim(100):
            for one in claimed:
                taken += await self.sender.send(one)
        return taken

    async def pass_time(self, seconds: float) -> None:
        """Do what the passing of time would do to everything that deliveries look at."""
        async with self.db.transaction() as conn:
            for table, column in (
                ("webhook_deliveries", "due_at"),
                ("webhook_deliveries", "lease_until"),
                ("webhook_endpoints", "not_before"),
                ("webhook_endpoints", "failing_since"),
                ("webhook_endpoints", "overlap_until"),
                ("webhook_events", "created_at"),
            ):
                await conn.execute(f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)", (seconds,))

    async def rows(self, query: Any, *values: object) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        async with self.db.pool.connection() as conn:
            return await (await conn.execute(query, values)).fetchall()


@pytest.fixture
async def told(db: Database, sealer: Sealer) -> AsyncIterator[Told]:
    receiver = Receiver()
    async with serving(receiver.app()) as url:
        yield Told(db, sealer, await make_shop(db, sealer), receiver, url, loopback(url))
