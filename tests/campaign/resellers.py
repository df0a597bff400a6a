"""The resellers of a campaign: real DHRU clients over HTTP, each with a book of what it wished for and was told.

They place singly and in bulk, send an order again when its reply was lost, sometimes send it twice at once, and ask
after their orders. What they write down is the first of the three books.
"""

import asyncio
import base64
import itertools
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from xml.sax.saxutils import escape

import httpx2

from tests.campaign.shop import OFFERS, Customer, Offer

PATIENCE_SECONDS = 8.0
AGAIN_FOR_SECONDS = 18.0
"""How long after the first try an order is sent again: within DUPLICATE_WINDOW_SECONDS, as docs/dhru.md asks."""
GIVES_UP = 0.1
"""How often a reseller whose reply was lost does not send again."""
SENDS_TWICE = 0.1
ASKS_AT_ONCE = 200

Answer = Mapping[str, Any]
NUMBERS = itertools.count(1)


@dataclass
class Pace:
    """What all resellers are to do: one order right after the other in a ``storm``, nothing more when it is ``enough``.

    A call takes some milliseconds, so that without a storm a kill would hardly ever meet one.
    """

    storm: bool = False
    enough: bool = False


class Told(StrEnum):
    """What one try brought."""

    ID = "an order id"
    NO_CREDIT = "no credit"
    NO = "another no"
    LOST = "no reply"
    """Or one that says that nobody knows."""
    NOT_SENT = "no connection"


@dataclass
class Wish:
    """One order that a reseller wants, whatever becomes of the calls for it; ``key`` tells it from all others."""

    customer_id: int
    offer: Offer
    key: str
    quantity: int
    told: list[Told] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    words: list[str] = field(default_factory=list)

    @property
    def price(self) -> int:
        """What it costs, in micro-units."""
        return self.offer.price * self.quantity


@dataclass
class Seen:
    """The last word on an order: STATUS and CODE."""

    status: int
    code: str


class Reseller:
    """One client with one key."""

    def __init__(
        self,
        url: str,
        customer: Customer,
        service_ids: Mapping[str, int],
        seed: str,
        *,
        offers: Sequence[Offer] = OFFERS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.customer = customer
        self.wishes: list[Wish] = []
        self.seen: dict[int, Seen] = {}
        self.complaints: list[str] = []
        """What no client should ever be told."""
        self._services = service_ids
        self._offers = offers
        self._chance = random.Random(seed)
        self._endpoint = f"{url}/api/index.php"
        self._client = httpx2.AsyncClient(timeout=patience, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def live(self, pace: Pace) -> None:
        """Order and ask until it is enough; what is begun is brought to its end."""
        while not pace.enough:
            doing = self._chance.random()
            if doing < 0.5 or pace.storm:
                await self._order_one()
            elif doing < 0.7:
                await self._order_many()
            else:
                await self.ask(self._open(ASKS_AT_ONCE))
            if not pace.storm:
                await asyncio.sleep(self._chance.uniform(0.05, 0.5))

    async def balance(self) -> str:
        """What ``accountinfo`` says may be spent."""
        answer = await self._send("accountinfo", "")
        if answer is None:
            raise RuntimeError("accountinfo was not answered")
        return str(answer["SUCCESS"][0]["AccoutInfo"]["creditraw"])

    async def ask_all(self) -> None:
        """Ask after every order there is, open or closed."""
        ids = [number for wish in self.wishes for number in wish.ids]
        for start in range(0, len(ids), ASKS_AT_ONCE):
            await self.ask(ids[start : start + ASKS_AT_ONCE])

    async def ask(self, ids: Sequence[int]) -> None:
        """Ask after orders, one or many; no answer is no news."""
        if not ids:
            return
        if len(ids) == 1:
            answer = await self._send("getimeiorder", f"<PARAMETERS><ID>{ids[0]}</ID></PARAMETERS>")
            answers = {str(ids[0]): answer}
        else:
            bulk = await self._send("getimeiorderbulk", _base64({str(n): {"ID": n} for n in ids})) or {}
            answers = {str(n): bulk.get(str(n)) for n in ids}
        for number in ids:
            row = answers[str(number)]
            if row is None:
                continue
            if "SUCCESS" not in row:
                self.complaints.append(f"order {number}: its status is answered with {row}")
                continue
            told = row["SUCCESS"][0]
            self._note(number, Seen(int(told["STATUS"]), told["CODE"]))

    def _note(self, number: int, now: Seen) -> None:
        before = self.seen.get(number)
        if before is not None and before.status in (3, 4) and before != now:
            self.complaints.append(f"order {number}: was final with {before}, is now {now}")
        self.seen[number] = now

    def _open(self, limit: int) -> list[int]:
        ids = (number for wish in reversed(self.wishes) for number in wish.ids)
        waiting = (number for number in ids if number not in self.seen or self.seen[number].status < 3)
        return list(itertools.islice(waiting, self._chance.choice((1, limit))))

    def _wish(self) -> Wish:
        offer = self._chance.choice(self._offers)
        wish = Wish(self.customer.id, offer, offer.key(next(NUMBERS)), self._chance.randint(*offer.quantities))
        self.wishes.append(wish)
        return wish

    async def _order_one(self) -> None:
        wish = self._wish()
        parameters = self._xml(wish) if self._chance.random() < 0.5 else _base64(self._row(wish))

        async def once() -> bool:
            return await self._place_once(wish, parameters)

        # Without a device nothing tells an order sent again from a second one.
        if wish.offer.by_email:
            await once()
        elif self._chance.random() < SENDS_TWICE:
            await asyncio.gather(self._insist(once), self._insist(once))
        else:
            await self._insist(once)

    async def _place_once(self, wish: Wish, parameters: str) -> bool:
        answer = await self._try("placeimeiorder", parameters, [wish])
        return answer is not None and _take(wish, answer)

    async def _order_many(self) -> None:
        wishes = [self._wish() for _ in range(self._chance.randint(2, 20))]
        rows = {f"r{number}": wish for number, wish in enumerate(wishes)}
        if self._chance.random() < SENDS_TWICE and not wishes[0].offer.by_email:
            rows["again"] = wishes[0]
        parameters = _base64({key: self._row(wish) for key, wish in rows.items()})

        async def once() -> bool:
            answer = await self._try("placeimeiorderbulk", parameters, wishes)
            if answer is None:
                return False
            # An ERROR is one word for all of them; every row is written down before any is judged.
            taken = [_take(wish, answer if "ERROR" in answer else answer[key]) for key, wish in rows.items()]
            return all(taken)

        if any(wish.offer.by_email for wish in wishes):
            await once()
        else:
            await self._insist(once)

    async def _insist(self, once: Any) -> None:
        """Send until there is an answer, or patience is over."""
        started = time.monotonic()
        while not await once():
            if self._chance.random() < GIVES_UP or time.monotonic() - started > AGAIN_FOR_SECONDS - PATIENCE_SECONDS:
                return
            await asyncio.sleep(self._chance.uniform(0.3, 1.5))

    async def _try(self, action: str, parameters: str, wishes: Sequence[Wish]) -> Answer | None:
        """Send an order; None, written down, if nobody can tell what became of it or it never left."""
        try:
            return await self._post(action, parameters)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            told = Told.NOT_SENT
        except (httpx2.HTTPError, ValueError):
            told = Told.LOST
        for wish in wishes:
            wish.told.append(told)
        return None

    async def _send(self, action: str, parameters: str) -> Answer | None:
        try:
            answer = await self._post(action, parameters)
        except (httpx2.HTTPError, ValueError):
            return None
        # A passing fault of ours is answered so, except to a question after orders.
        return None if "ERROR" in answer and "maintenance" in answer["ERROR"][0]["MESSAGE"] else answer

    async def _post(self, action: str, parameters: str) -> Answer:
        response = await self._client.post(self._endpoint, data=self._form(action, parameters))
        response.raise_for_status()
        answer: Answer = response.json()
        return answer

    def _form(self, action: str, parameters: str) -> dict[str, str]:
        customer = self.customer
        form = {"username": customer.username, "apiaccesskey": customer.key, "action": action, "requestformat": "JSON"}
        return {**form, "parameters": parameters} if parameters else form

    def _row(self, wish: Wish) -> dict[str, str]:
        return dict(self._inputs(wish))

    def _xml(self, wish: Wish) -> str:
        inputs = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in self._inputs(wish))
        return f"<PARAMETERS>{inputs}</PARAMETERS>"

    def _inputs(self, wish: Wish) -> Iterator[tuple[str, str]]:
        yield "ID", str(self._services[wish.offer.name])
        if wish.offer.by_email:
            yield "QNT", str(wish.quantity)
        else:
            yield "IMEI", wish.key
        if fields := fields_of(wish):
            yield "CUSTOMFIELD", _base64(fields)


def fields_of(wish: Wish) -> dict[str, str]:
    """Return the further inputs of an order."""
    return {**wish.offer.fields, **({"Email": wish.key, "Region": "Europe"} if wish.offer.by_email else {})}


def _take(wish: Wish, answer: Answer) -> bool:
    """Write down what an order was told; False if that is worth another try."""
    if "SUCCESS" in answer:
        wish.told.append(Told.ID)
        wish.ids.add(int(answer["SUCCESS"][0]["REFERENCEID"]))
        return True
    message = answer["ERROR"][0]["MESSAGE"]
    wish.words.append(message)
    if message.startswith("CreditprocessError"):
        wish.told.append(Told.NO_CREDIT)
        return True
    if message.startswith("Connection timeout"):
        wish.told.append(Told.LOST)
        return False
    wish.told.append(Told.NO)
    return "maintenance" not in message


def _base64(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()
