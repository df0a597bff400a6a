"""Runs a campaign: rounds of load, faults and kills on one database; then quiet, and the proof from three books."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import httpx2

from tests.campaign import faults
from tests.campaign.books import AttemptRow
from tests.campaign.closing import audit, drain, misshown, read_books
from tests.campaign.command import Say
from tests.campaign.plan import Plan, Round, rounds
from tests.campaign.proof import Books, prove, prove_end
from tests.campaign.report import Result
from tests.campaign.resellers import Pace, Reseller
from tests.campaign.shop import Customer, Operator, credit
from tests.campaign.suppliers import ACTIONS, Sold
from tests.campaign.world import World

RICH, POOR = credit(10_000_000), credit(20)
STAFF = 6
"""So many staff work at once on what is in doubt."""


async def run(plan: Plan, folder: Path, say: Say) -> Result:
    """Run a campaign in ``folder`` and return what it found; everything is stopped at the end, the folder stays."""
    world = World(folder, lease_seconds=plan.lease)
    try:
        await world.start()
        campaign = Campaign(plan, world, say)
        try:
            return await campaign.run()
        finally:
            await campaign.aclose()
    finally:
        await asyncio.to_thread(world.stop)


class Campaign:
    """One campaign on a world that runs."""

    def __init__(self, plan: Plan, world: World, say: Say) -> None:
        self._plan = plan
        self._world = world
        self._say = say
        self._suppliers = json.loads((world.folder / "suppliers.json").read_text())
        self._door = httpx2.AsyncClient(base_url=self._suppliers["door"], timeout=30, trust_env=False)
        self._operator: Operator | None = None
        self._resellers: list[Reseller] = []
        self._victims: Counter[str] = Counter()
        self._pace = Pace()
        self._faults = 0

    async def aclose(self) -> None:
        """Close every connection, and write down what the resellers know."""
        for reseller in self._resellers:
            await reseller.aclose()
        if self._operator is not None:
            await self._operator.aclose()
        await self._door.aclose()
        with (self._world.folder / "resellers.jsonl").open("w") as file:
            for reseller in self._resellers:
                for wish in reseller.wishes:
                    file.write(json.dumps(asdict(wish), default=list) + "\n")

    async def run(self) -> Result:
        """All of it."""
        started = time.monotonic()
        operator = self._operator = Operator(self._world.url, await self._world.staff_token())
        await operator.open_shop(self._suppliers["suppliers"])
        customers = [await operator.add_customer(number) for number in range(1, self._plan.resellers + 1)]
        for customer in customers[1:]:
            await operator.top_up(customer, RICH)
        await self._bear_load(customers, operator)
        self._say("the load has ended; waiting until nothing moves")
        await self._calm(operator)
        at_rest = await self._read()
        broken = prove(at_rest)
        self._say(f"{len(at_rest.unclear)} attempts are unclear; staff resolve them with the suppliers' own books")
        resolved = await self._resolve(operator)
        for reseller in self._resellers:
            await reseller.ask_all()
        at_end = await self._read()
        for name, found in prove_end(at_end).items():
            broken.setdefault(name, []).extend(f"at the end: {one}" for one in found)
        broken["processes that ended by themselves"] = list(self._world.deaths)
        broken["what accountinfo shows is not the balance"] = await misshown(self._resellers, at_end)
        broken["trunkline audit"] = await asyncio.to_thread(audit, self._world)
        return Result(
            self._plan,
            time.monotonic() - started,
            self._victims,
            self._faults,
            at_rest,
            at_end,
            resolved,
            broken,
        )

    async def _bear_load(self, customers: list[Customer], operator: Operator) -> None:
        async with asyncio.TaskGroup() as living:
            for number, customer in enumerate(customers):
                seed = f"{self._plan.seed} reseller {number}"
                reseller = Reseller(self._world.url, customer, operator.service_ids, seed)
                self._resellers.append(reseller)
                living.create_task(reseller.live(self._pace))
            try:
                for one in rounds(self._plan):
                    await self._round(one, customers[0], operator)
            finally:
                self._pace.enough = True

    async def _round(self, one: Round, poor: Customer, operator: Operator) -> None:
        started = time.monotonic()
        scripted = {name: faults.choose(one.chance, actions) for name, actions in ACTIONS.items()}
        self._faults += sum(fault["times"] for chosen in scripted.values() for fault in chosen)
        (await self._door.post("/faults", json=scripted)).raise_for_status()
        await operator.resume()
        await operator.top_up(poor, POOR)
        await asyncio.sleep(one.load_seconds)
        self._pace.storm = True
        await asyncio.sleep(one.storm_seconds)
        await asyncio.to_thread(self._world.kill, one.victims, one.chance)
        self._pace.storm = False
        await asyncio.sleep(one.away_seconds)
        await self._world.raise_up()
        self._victims[" and ".join(sorted(one.victims))] += 1
        wishes = sum(len(reseller.wishes) for reseller in self._resellers)
        seconds = time.monotonic() - started
        self._say(f"round {one.number}: killed {', '.join(one.victims)}; {seconds:.1f} s, {wishes} wishes so far")

    async def _calm(self, operator: Operator) -> None:
        """Switch the faults off and wait until nothing moves."""
        left = (await self._door.post("/calm")).raise_for_status().json()["unmet"]
        self._faults -= left
        await self._drain(operator)

    async def _drain(self, operator: Operator) -> None:
        await drain(self._world, operator, patience=self._plan.drain, lease=self._plan.lease)

    async def _resolve(self, operator: Operator) -> Counter[str]:
        """Let staff say of each unclear attempt what the supplier's own book has."""
        done: Counter[str] = Counter({"found": 0, "not there": 0})
        at_once = asyncio.Semaphore(STAFF)

        async def one(attempt: AttemptRow, sold: Sold | None) -> None:
            async with at_once:
                if await operator.resolve(attempt.id, sold.reference if sold else None):
                    done["found" if sold else "not there"] += 1

        # An order that is not there may take its next route; without faults that ends well.
        for _ in range(3):
            found = await self._read()
            if not found.unclear:
                break
            async with asyncio.TaskGroup() as working:
                for attempt in found.unclear:
                    working.create_task(one(attempt, found.really_sold(attempt)))
            await operator.enter_results()
            await self._drain(operator)
        return done

    async def _read(self) -> Books:
        return await read_books(self._world, self._door, self._resellers)
