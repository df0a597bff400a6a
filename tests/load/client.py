"""One client of the load: a reseller whose panel speaks DHRU and whose programs speak REST, with one key.

The same wishes go over either door, at times over both at once, and what one door said has to hold at the other.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx2

from app.money import format_amount, parse_amount
from tests.campaign.resellers import ASKS_AT_ONCE, SENDS_TWICE, Answer, Pace, Reseller, Seen, Told, Wish, fields_of
from tests.campaign.shop import Customer, Offer
from tests.load.calls import Calls

PATIENCE_SECONDS = 60.0
"""As long as panels wait. A call that takes longer counts as one without an answer."""
THINKS_SECONDS = (0.05, 0.5)
WAITS = {"Prefer": "wait=5"}
STATUS = {"accepted": 0, "in_progress": 1, "rejected": 3, "completed": 4}
NO_ANSWER = ("Connection timeout", "Service is in maintenance")
"""How DHRU says that something of ours failed."""


class Client(Reseller):
    """A reseller of the campaign who knows the REST API too, and writes down every call that was not answered."""

    def __init__(
        self,
        url: str,
        customer: Customer,
        service_ids: Mapping[str, int],
        seed: str,
        *,
        offers: Sequence[Offer],
        calls: Calls,
    ) -> None:
        super().__init__(url, customer, service_ids, seed, offers=offers, patience=PATIENCE_SECONDS)
        self.unanswered: list[str] = []
        """Calls that brought no answer, or one that says that we failed."""
        self.replayed = 0
        """How often a call was sent again under its key and got its first answer."""
        self.cancelled = 0
        self._calls = calls
        self._prices = {service_ids[offer.name]: offer.price for offer in offers}
        self._etag: str | None = None
        self._rest = httpx2.AsyncClient(
            base_url=f"{url}/api/v1", timeout=PATIENCE_SECONDS, trust_env=False, headers={"X-API-Key": customer.key}
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._rest.aclose()
        await super().aclose()

    async def live(self, pace: Pace) -> None:
        """Do one thing after the other until it is enough."""
        doings: Mapping[Callable[[], Awaitable[None]], int] = {
            self._order_one: 6,
            self._order_many: 2,
            self._ask_some: 5,
            self._look_at_account: 2,
            self.read_list: 1,
            self._order_one_by_rest: 6,
            self._order_many_by_rest: 2,
            self._order_by_both: 1,
            self._order_and_cancel: 2,
            self._ask_some_by_rest: 5,
            self._look_at_account_by_rest: 2,
            self.read_list_by_rest: 1,
        }
        while not pace.enough:
            [do] = self._chance.choices(list(doings), list(doings.values()))
            await do()
            await asyncio.sleep(self._chance.uniform(*THINKS_SECONDS))

    async def wrong_in_statement(self) -> list[str]:
        """Read the whole statement and return what is not as this client was told."""
        moved: dict[int, int] = {}
        cursor: str | None = None
        while True:
            page = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
            answer = await self._call("statement", "GET", "/statement", params=page)
            if answer is None:
                return ["the statement was not answered"]
            told = answer.json()
            for line in told["items"]:
                if line["order_id"] is not None:
                    moved[line["order_id"]] = moved.get(line["order_id"], 0) + parse_amount(line["change"])
            cursor = told["next_cursor"]
            if cursor is None:
                break
        rejected = {number for number, seen in self.seen.items() if seen.status == STATUS["rejected"]}
        due = {n: 0 if n in rejected else -wish.price for wish in self.wishes for n in wish.ids}
        mine = f"customer {self.customer.id}"
        wrong = [
            f"{mine}: order {number} moved {moved.get(number)}, was told {due.get(number)}"
            for number in moved | due
            if moved.get(number) != due.get(number)
        ]
        if parse_amount(told["closing"]) != self.customer.put_in + sum(due.values()):
            wrong.append(
                f"{mine}: closes at {told['closing']}, put in {self.customer.put_in}, paid {-sum(due.values())}"
            )
        return wrong

    async def _post(self, action: str, parameters: str) -> Answer:
        started = time.perf_counter()
        try:
            answer = await super()._post(action, parameters)
        except (httpx2.HTTPError, ValueError) as error:
            self.unanswered.append(f"{action}: {error!r}")
            raise
        self._calls.note(f"DHRU {action}", time.perf_counter() - started)
        if "ERROR" in answer and answer["ERROR"][0]["MESSAGE"].startswith(NO_ANSWER):
            self.unanswered.append(f"{action}: {answer}")
        return answer

    async def _call(
        self, what: str, method: str, path: str, *, allow: Sequence[int] = (200,), **options: Any
    ) -> httpx2.Response | None:
        """One call of the REST API; None, written down, if the answer is none of those that ``allow`` names."""
        started = time.perf_counter()
        try:
            response = await self._rest.request(method, path, **options)
        except httpx2.HTTPError as error:
            self.unanswered.append(f"{method} {path}: {error!r}")
            return None
        self._calls.note(f"REST {what}", time.perf_counter() - started)
        if response.status_code in allow:
            return response
        self.unanswered.append(f"{method} {path}: {response.status_code} {response.text[:300]}")
        return None

    def _note(self, number: int, now: Seen) -> None:
        # The doors differ in how they part lines.
        super()._note(number, Seen(now.status, now.code.replace("<br>", "\n")))

    async def _look_at_account(self) -> None:
        await self.balance()

    async def read_list(self) -> None:
        """Read the service list as panels do; its prices have to be those that are known."""
        answer = await self._send("imeiservicelist", "")
        if answer is not None:
            groups = answer["SUCCESS"][0]["LIST"].values()
            self._check_prices(
                {int(s["SERVICEID"]): s["CREDIT"] for group in groups for s in group["SERVICES"].values()}
            )

    async def _ask_some(self) -> None:
        await self.ask(self._open(ASKS_AT_ONCE))

    async def _look_at_account_by_rest(self) -> None:
        await self._call("account", "GET", "/account")

    async def read_list_by_rest(self) -> None:
        """The same over REST, and only if something changed."""
        headers = {} if self._etag is None else {"If-None-Match": self._etag}
        response = await self._call("services", "GET", "/services", allow=(200, 304), headers=headers)
        if response is not None and response.status_code == 200:
            self._etag = response.headers["ETag"]
            self._check_prices({one["id"]: one["price"] for one in response.json()["items"]})

    def _check_prices(self, told: Mapping[int, str]) -> None:
        prices = {number: parse_amount(text) for number, text in told.items()}
        if prices != self._prices:
            self.complaints.append(f"the list says {prices}, prices are {self._prices}")

    async def _ask_some_by_rest(self) -> None:
        ids = self._open(ASKS_AT_ONCE)
        if len(ids) == 1:
            response = await self._call("order", "GET", f"/orders/{ids[0]}")
            orders = [] if response is None else [response.json()]
        elif ids:
            response = await self._call("orders/status", "POST", "/orders/status", json={"ids": ids})
            orders = [] if response is None else response.json()["items"]
        else:
            response = await self._call("orders", "GET", "/orders")
            orders = [] if response is None else response.json()["items"]
        if response is not None and len(ids) > len(orders):
            self.complaints.append(f"{len(ids)} orders were asked after, {len(orders)} are known")
        for order in orders:
            self._see(order)

    async def _order_one_by_rest(self) -> None:
        wish = self._wish()
        headers = {"Idempotency-Key": wish.key} | (WAITS if self._chance.random() < 0.2 else {})
        times = 2 if self._chance.random() < SENDS_TWICE else 1
        await asyncio.gather(*(self.order_by_rest([wish], headers) for _ in range(times)))
        if self._chance.random() < SENDS_TWICE:
            await self.order_by_rest([wish], headers)

    async def _order_many_by_rest(self) -> None:
        wishes = [self._wish() for _ in range(self._chance.randint(2, 20))]
        headers = {"Idempotency-Key": f"many/{wishes[0].key}"}
        await self.order_by_rest(wishes, headers)
        if self._chance.random() < SENDS_TWICE:
            await self.order_by_rest(wishes, headers)

    async def _order_by_both(self) -> None:
        """The same order at the same time over both doors, without a key: one order, if the device tells it."""
        wish = self._wish()
        if wish.offer.by_email:
            await self.order_by_rest([wish], {})
        else:
            await asyncio.gather(self.order_by_rest([wish], {}), self._place_once(wish, self._xml(wish)))

    async def _order_and_cancel(self) -> None:
        wish = self._wish()
        await self.order_by_rest([wish], {})
        times = 2 if self._chance.random() < SENDS_TWICE else 1
        await asyncio.gather(*(self._cancel(number) for number in wish.ids for _ in range(times)))

    async def _cancel(self, number: int) -> None:
        # 409: it is over, by being delivered or by the other of two calls.
        response = await self._call("cancel", "POST", f"/orders/{number}/cancel", allow=(200, 202, 409))
        if response is not None and response.status_code != 409:
            self._see(response.json())
            self.cancelled += response.status_code == 200

    async def order_by_rest(self, wishes: Sequence[Wish], headers: Mapping[str, str]) -> None:
        """Place orders in one call, and write down what became of each."""
        rows = [self._body(wish) for wish in wishes]
        body: object = rows[0] if len(rows) == 1 else {"orders": rows}
        what = "place" if len(rows) == 1 else "place many"
        what += " and wait" if "Prefer" in headers else ""
        # 402: one order by itself, and no credit for it.
        allow = (200, 201, 202, 402) if len(rows) == 1 else (200, 201)
        response = await self._call(what, "POST", "/orders", allow=allow, json=body, headers=headers)
        if response is None:
            for wish in wishes:
                wish.told.append(Told.LOST)
            return
        self.replayed += "Idempotent-Replayed" in response.headers
        told = response.json()
        if len(rows) > 1:
            for wish, item in zip(wishes, told["items"], strict=True):
                self._hear(wish, item["order"], item["error"])
        elif response.status_code == 402:
            self._hear(wishes[0], None, told)
        else:
            self._hear(wishes[0], told, None)

    def _hear(self, wish: Wish, order: Mapping[str, Any] | None, error: Mapping[str, Any] | None) -> None:
        if order is not None:
            wish.told.append(Told.ID)
            wish.ids.add(order["id"])
            if order["price"] != format_amount(wish.price):
                self.complaints.append(f"order {order['id']} is charged {order['price']}, not {wish.price}")
            # Of two calls at once the first to be answered may be the last to be asked.
            if len(wish.told) == 1:
                self._see(order)
        elif error is not None:
            wish.told.append(Told.NO_CREDIT if error["code"] == "no_credit" else Told.NO)
            wish.words.append(error["detail"])

    def _see(self, order: Mapping[str, Any]) -> None:
        self._note(order["id"], Seen(STATUS[order["state"]], order["result"] or order["reason"] or ""))

    def _body(self, wish: Wish) -> dict[str, Any]:
        body: dict[str, Any] = {"service": self._services[wish.offer.name], "fields": fields_of(wish)}
        return body | ({"quantity": wish.quantity} if wish.offer.by_email else {"device": wish.key})
