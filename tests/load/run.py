"""Runs a load: opens a shop, lets the clients live for a while, waits until nothing moves, and proves the books."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2

from app.money import parse_amount
from tests.campaign.closing import audit, drain, misshown, read_books
from tests.campaign.command import Say
from tests.campaign.proof import Books, prove_end
from tests.campaign.report import counts
from tests.campaign.resellers import Pace, Told
from tests.campaign.shop import OFFERS, Operator, credit
from tests.campaign.suppliers import ACTIONS
from tests.campaign.world import World
from tests.load.calls import Calls
from tests.load.client import Client

SERVER_PROCESSES = 2
LEASE_SECONDS = 30
DRAIN_SECONDS = 180.0
SUPPLIER_SECONDS = 60
"""How long a supplier's reply is waited for: none of them fails here, and one that is slow puts no order in doubt."""
RICH, POOR = credit(1_000_000), credit(40)
LONGEST_SECONDS = 120.0
"""How long clients may go on for the sake of a number of calls."""
POOR_SHARE = 10
"""One client in so many runs out of credit."""
AT_ONCE = 10
"""So many customers are opened, or asked after the load, at a time."""

SIMULATED = [name for name, actions in ACTIONS.items() if actions.place == "placeimeiorder"]
SOLD = [offer for offer in OFFERS if offer.routes[0][0] in SIMULATED]
CANCELLABLE = replace(OFFERS[0], name="Carrier, not sent at once", price=parse_amount("1.010101"), confirm_seconds=2)
LOAD_OFFERS = (*SOLD, CANCELLABLE)
"""What the simulator behind two of the suppliers delivers; one of them leaves time for cancelling."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many clients there are for how long, and the seed of what each of them does."""

    clients: int = 200
    seconds: float = 60.0
    seed: int = 1
    least_calls: int = 0
    """The clients go on until so many calls were answered, however slow the machine is."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a load did and found; ``seconds`` is how long the clients called."""

    seconds: float
    calls: Calls
    clients: Sequence[Client]
    books: Books
    broken: dict[str, list[str]]

    def table(self) -> str:
        """Return the calls, and what became of the orders."""
        return f"{self.calls.table(self.seconds)}\n\n{counts(self._rows())}"

    def _rows(self) -> list[tuple[str, int]]:
        wishes = self.books.wishes.values()
        states = Counter(order.state for order in self.books.ours.orders.values())
        return [
            ("wishes of clients", len(wishes)),
            ("told an order id", sum(Told.ID in wish.told for wish in wishes)),
            ("... more than once", sum(wish.told.count(Told.ID) > 1 for wish in wishes)),
            ("told that credit is out", sum(Told.NO_CREDIT in wish.told for wish in wishes)),
            ("calls answered again under their key", sum(client.replayed for client in self.clients)),
            ("orders", len(self.books.ours.orders)),
            ("attempts", len(self.books.ours.attempts)),
            ("purchases at the suppliers", len(self.books.sold)),
            ("completed", states["completed"]),
            ("rejected and refunded", states["rejected"]),
            ("... of these cancelled by clients", sum(client.cancelled for client in self.clients)),
            *((f"**{name}**", len(found)) for name, found in self.broken.items()),
        ]


async def run(plan: Plan, folder: Path, say: Say) -> Result:
    """Run a load in ``folder``; everything is stopped at the end, the folder stays."""
    world = World(folder, lease_seconds=LEASE_SECONDS, server_processes=SERVER_PROCESSES)
    try:
        await world.start()
        suppliers = json.loads((folder / "suppliers.json").read_text())
        operator = Operator(world.url, await world.staff_token())
        try:
            async with httpx2.AsyncClient(base_url=suppliers["door"], timeout=60, trust_env=False) as door:
                await operator.open_shop(suppliers["suppliers"], LOAD_OFFERS, read_seconds=SUPPLIER_SECONDS)
                return await _bear(plan, world, operator, door, say)
        finally:
            await operator.aclose()
    finally:
        await asyncio.to_thread(world.stop)


async def _bear(plan: Plan, world: World, operator: Operator, door: httpx2.AsyncClient, say: Say) -> Result:
    calls, pace, at_once = Calls(), Pace(), asyncio.Semaphore(AT_ONCE)

    async def open_client(number: int) -> Client:
        async with at_once:
            customer = await operator.add_customer(number)
            await operator.top_up(customer, POOR if number % POOR_SHARE == 0 else RICH)
        seed = f"{plan.seed} client {number}"
        return Client(world.url, customer, operator.service_ids, seed, offers=LOAD_OFFERS, calls=calls)

    clients = await asyncio.gather(*(open_client(number) for number in range(1, plan.clients + 1)))
    try:
        say(f"{len(clients)} clients call for {plan.seconds:.0f} seconds")
        started = time.monotonic()
        async with asyncio.TaskGroup() as living:
            for client in clients:
                living.create_task(client.live(pace))
            await asyncio.sleep(plan.seconds)
            until = started + LONGEST_SECONDS
            while len(calls) < plan.least_calls and time.monotonic() < until:  # noqa: ASYNC110  calls are only counted
                await asyncio.sleep(0.1)
            pace.enough = True
        seconds = time.monotonic() - started
        say(f"{len(calls):,} calls; waiting until nothing moves")
        await drain(world, operator, patience=DRAIN_SECONDS, lease=LEASE_SECONDS)
        calls.close()  # what follows is proof, not load
        wrong = await asyncio.gather(*(_look_back(client, at_once) for client in clients))
        books = await read_books(world, door, clients)
        broken = prove_end(books)
        placed = sum(attempt.remote_id is not None for attempt in books.ours.attempts)
        broken["purchases are not the placed attempts"] = (
            [] if placed == len(books.sold) else [f"{placed} attempts were placed, {len(books.sold)} orders were sold"]
        )
        broken["a call without an answer, or with an error of ours"] = [
            one for client in clients for one in client.unanswered
        ]
        broken["right, and refused"] = [
            f"{wish.key}: {wish.words}" for wish in books.wishes.values() if Told.NO in wish.told
        ]
        broken["a statement is not what its client was told"] = [one for found in wrong for one in found]
        broken["what accountinfo shows is not the balance"] = await misshown(clients, books)
        broken["processes that ended by themselves"] = list(world.deaths)
        broken["trunkline audit"] = await asyncio.to_thread(audit, world)
        return Result(seconds, calls, clients, books, broken)
    finally:
        for client in clients:
            await client.aclose()


async def _look_back(client: Client, at_once: asyncio.Semaphore) -> list[str]:
    async with at_once:
        await client.ask_all()
        return await client.wrong_in_statement()
