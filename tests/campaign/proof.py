"""Holds the three books against each other: what clients were told, what Trunkline wrote, what suppliers sold.

Each promise is checked by a function of its own that returns what breaks it; a campaign is good when all are empty.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.campaign.books import MOVING, AttemptRow, Book, OrderRow
from tests.campaign.plan import Victim
from tests.campaign.resellers import Reseller, Told, Wish
from tests.campaign.suppliers import Sold
from tests.campaign.world import Kill

SWEPT = "The worker ended before it could record the answer."
_AN_ID = re.compile(r'"(?:REFERENCEID|request_id|order_id|record_id)"\s*:\s*"?\w')


@dataclass(frozen=True)
class Books:
    """The three books, and the kills beside them."""

    resellers: Sequence[Reseller]
    ours: Book
    sold: Sequence[Sold]
    bought_twice: Mapping[str, int]
    """What each fake itself counted."""
    kills: Sequence[Kill]

    @cached_property
    def wishes(self) -> dict[str, Wish]:
        """Every wish by its key."""
        return {wish.key: wish for reseller in self.resellers for wish in reseller.wishes}

    @cached_property
    def orders_by_key(self) -> dict[str, list[OrderRow]]:
        """The orders for each device."""
        found: defaultdict[str, list[OrderRow]] = defaultdict(list)
        for order in self.ours.orders.values():
            found[order.key].append(order)
        return found

    @cached_property
    def sold_by_key(self) -> dict[str, list[Sold]]:
        """What suppliers sold for each device."""
        found: defaultdict[str, list[Sold]] = defaultdict(list)
        for sold in self.sold:
            found[sold.key].append(sold)
        return found

    @cached_property
    def unclear(self) -> list[AttemptRow]:
        """The attempts in doubt."""
        return [attempt for attempt in self.ours.attempts if attempt.state == "unclear"]

    def really_sold(self, attempt: AttemptRow) -> Sold | None:
        """What the supplier of an attempt sold for its order."""
        key = self.ours.orders[attempt.order_id].key
        return next((one for one in self.sold_by_key.get(key, ()) if one.supplier == attempt.supplier), None)


Check = Callable[[Books], Iterator[str]]


def lost(books: Books) -> Iterator[str]:
    """Every order id that a client was told is an order: theirs, what they wished for, at its price."""
    for wish in books.wishes.values():
        for number in wish.ids:
            order = books.ours.orders.get(number)
            if order is None:
                yield f"order {number} was accepted and is unknown ({wish.key})"
            elif (order.customer_id, order.service, order.key, order.quantity, order.price) != (
                wish.customer_id, wish.offer.name, wish.key, wish.quantity, wish.price
            ):  # fmt: skip
                yield f"order {number} is not what was wished for: {order}"


def invented(books: Books) -> Iterator[str]:
    """Every order is somebody's wish, and nobody was told that it was not taken."""
    for order in books.ours.orders.values():
        wish = books.wishes.get(order.key)
        if wish is None:
            yield f"order {order.id} was wished for by nobody"
        elif Told.ID not in wish.told and Told.LOST not in wish.told:
            yield f"order {order.id} was not taken, {wish.words} was said, and yet it is there"


def doubled(books: Books) -> Iterator[str]:
    """A wish is one order, however often it was sent, and all its ids are the same."""
    for key, orders in books.orders_by_key.items():
        if len(orders) > 1:
            yield f"{key} is {len(orders)} orders: {[order.id for order in orders]}"
    for wish in books.wishes.values():
        if len(wish.ids) > 1:
            yield f"{wish.key} was told several ids: {sorted(wish.ids)}"


def bought_twice(books: Books) -> Iterator[str]:
    """No order was bought twice, at one supplier or at two."""
    for key, sold in books.sold_by_key.items():
        if len(sold) > 1:
            yield f"{key} was bought {len(sold)} times: {[(one.supplier, one.reference) for one in sold]}"
    for supplier, count in books.bought_twice.items():
        if count:
            yield f"{supplier} itself counted {count} repeated orders"


def bought_unknown(books: Books) -> Iterator[str]:
    """Whatever a supplier sold belongs to exactly one attempt, which knows it or is in doubt."""
    attempts = books.ours.attempts_of()
    for sold in books.sold:
        orders = books.orders_by_key.get(sold.key, [])
        owners = [
            attempt
            for order in orders
            for attempt in attempts.get(order.id, ())
            if attempt.supplier == sold.supplier
            and (attempt.remote_id == sold.reference or (attempt.state == "unclear" and attempt.remote_id is None))
        ]
        if len(owners) != 1:
            yield f"{sold} belongs to {len(owners)} attempts"


def wrong_device(books: Books) -> Iterator[str]:
    """An attempt's remote id is the supplier's order for the very device, and so is every result that names one."""
    references = {(one.supplier, one.reference): one.key for one in books.sold}
    for attempt in books.ours.attempts:
        key = books.ours.orders[attempt.order_id].key
        if attempt.remote_id is not None and references.get((attempt.supplier, attempt.remote_id)) != key:
            yield f"attempt {attempt.id} for {key} has {attempt.supplier}'s {attempt.remote_id}, another's or nobody's"
    for order in books.ours.orders.values():
        named = re.findall(r"\b\d{15}\b", order.result or "")
        if named and set(named) != {order.key}:
            yield f"order {order.id} for {order.key} was delivered a result for {named}"


def charged_twice(books: Books) -> Iterator[str]:
    """Every order was charged once, its price."""
    for order in books.ours.orders.values():
        charges = [amount for kind, amount in books.ours.transfers.get(order.id, ()) if kind == "charge"]
        if charges != [order.price]:
            yield f"order {order.id} at {order.price} was charged {charges}"


def refunded_and_delivered(books: Books) -> Iterator[str]:
    """Whoever got a result paid for it, whoever got none did not: in money, and in what clients were shown."""
    outcome = {"completed": ["settle"], "rejected": ["refund"], "accepted": [], "in_progress": []}
    for order in books.ours.orders.values():
        kinds = [kind for kind, _ in books.ours.transfers.get(order.id, ()) if kind != "charge"]
        if kinds != outcome[order.state]:
            yield f"order {order.id} is {order.state} with {kinds}"
    shown = {3: "rejected", 4: "completed"}
    for reseller in books.resellers:
        yield from reseller.complaints
        for number, seen in reseller.seen.items():
            order_now = books.ours.orders.get(number)
            if seen.status in shown and (order_now is None or order_now.state != shown[seen.status]):
                yield f"its client sees {seen}: {order_now}"


def hidden(books: Books) -> Iterator[str]:
    """Every client that asks is shown the end of each of its orders; it may be told nothing else than that end."""
    for reseller in books.resellers:
        for wish in reseller.wishes:
            for number in wish.ids:
                order, seen = books.ours.orders.get(number), reseller.seen.get(number)
                if order is not None and not order.open and (seen is None or seen.status not in (3, 4)):
                    yield f"order {number} is {order.state}, its client sees {seen}"


def without_purchase(books: Books) -> Iterator[str]:
    """What was delivered was bought; what was refunded was not, or the supplier itself gave it up."""
    for order in books.ours.orders.values():
        sold = books.sold_by_key.get(order.key, [])
        if order.state == "completed" and [one.rejected for one in sold] != [False]:
            yield f"order {order.id} is completed, but sold was {sold}"
        if order.state == "rejected" and any(not one.rejected for one in sold):
            yield f"order {order.id} is refunded, but sold was {sold}"


def not_in_doubt(books: Books) -> Iterator[str]:
    """Every unclear attempt is really in doubt: a kill came between, or the reply says nothing certain."""
    for attempt in books.unclear:
        if attempt.text.startswith(SWEPT):
            if not _killed_meanwhile(attempt, books.kills):
                yield f"attempt {attempt.id} was given up although nothing was killed while it was sent"
        elif attempt.error is None and attempt.status is None:
            yield f"attempt {attempt.id} is unclear, and there is no evidence of its call"
        elif not attempt.error and (attempt.status or 0) < 400 and _has_id(attempt.reply or ""):
            yield f"attempt {attempt.id} is unclear, but the reply is plain: {attempt.reply!r}"


def _killed_meanwhile(attempt: AttemptRow, kills: Sequence[Kill]) -> bool:
    if attempt.sent_at is None or attempt.unclear_at is None:
        return False
    sent, swept = attempt.sent_at.timestamp() - 1, attempt.unclear_at.timestamp()
    return any(sent <= kill.at <= swept for kill in kills if kill.victim is not Victim.API)


def _has_id(reply: str) -> bool:
    try:
        json.loads(reply)
    except ValueError:
        return False
    return _AN_ID.search(reply) is not None


def stuck(books: Books) -> Iterator[str]:
    """When all is quiet nothing waits but what is in doubt."""
    for attempt in books.ours.attempts:
        if attempt.state in MOVING:
            yield f"attempt {attempt.id} at {attempt.supplier} is still {attempt.state}: {attempt.text}"
    attempts = books.ours.attempts_of()
    for order in books.ours.orders.values():
        if order.open and all(one.state not in (*MOVING, "unclear") for one in attempts.get(order.id, ())):
            yield f"order {order.id} is {order.state}, and nobody works on it"


def unbalanced(books: Books) -> Iterator[str]:
    """A balance is what was put in, less the open orders, less the completed ones, to the micro-unit."""
    spent: Counter[int] = Counter()
    for order in books.ours.orders.values():
        wish = books.wishes.get(order.key)
        if wish is not None and order.state != "rejected":
            spent[order.customer_id] += wish.price
    for reseller in books.resellers:
        customer = reseller.customer
        if books.ours.topped_up.get(customer.id, 0) != customer.put_in:
            yield f"customer {customer.id} put in {customer.put_in}, {books.ours.topped_up.get(customer.id)} is known"
        if books.ours.balances[customer.id] != customer.put_in - spent[customer.id]:
            yield (
                f"customer {customer.id} has {books.ours.balances[customer.id]}, put in {customer.put_in} and spent"
                f" {spent[customer.id]}"
            )


CHECKS: Mapping[str, Check] = {
    "accepted and not known": lost,
    "known and never accepted": invented,
    "one wish, two orders": doubled,
    "bought twice": bought_twice,
    "bought, and no order knows it": bought_unknown,
    "another device's id or result": wrong_device,
    "charged twice or wrongly": charged_twice,
    "refunded and delivered": refunded_and_delivered,
    "delivered without purchase, or refunded in spite of one": without_purchase,
    "unclear without a reason": not_in_doubt,
    "stuck": stuck,
    "balances that are not put in - open - completed": unbalanced,
}


def prove_end(books: Books) -> dict[str, list[str]]:
    """The same for the very end, when nothing is in doubt any more and every client has asked once again."""
    doubt = [f"attempt {attempt.id} is still unclear: {attempt.text}" for attempt in books.unclear]
    return {**prove(books), "closed, and its client does not see it": list(hidden(books)), "still in doubt": doubt}


def prove(books: Books) -> dict[str, list[str]]:
    """Return what breaks each promise, by its name; empty lists where it holds."""
    return {name: list(check(books)) for name, check in CHECKS.items()}
