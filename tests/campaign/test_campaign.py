"""A short campaign, and the proof that its proof can fail: each promise is broken once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.books import AttemptRow, Book, OrderRow
from tests.campaign.campaign import run
from tests.campaign.plan import Plan, Victim, rounds
from tests.campaign.proof import SWEPT, Books, prove, prove_end
from tests.campaign.report import breaks, table
from tests.campaign.resellers import Reseller, Seen, Told, Wish
from tests.campaign.shop import OFFERS, Customer
from tests.campaign.suppliers import Sold
from tests.campaign.world import Kill

SHORT = Plan(rounds=4, seed=8, resellers=4, load=(0.3, 0.8), lease=5)
"""Its seed kills each sort of victim."""


async def test_a_short_campaign_breaks_no_promise(folder: Path) -> None:
    result = await run(SHORT, folder, print)
    assert not any(result.broken.values()), breaks(result.broken)
    assert result.rounds.total() == SHORT.rounds
    assert len(result.at_end.ours.orders) > 20, "there was hardly any load"
    assert len(result.at_end.sold) > 20
    assert f"| {SHORT.rounds} |" in table(result).replace("  ", "")


def test_a_seed_decides_who_is_killed() -> None:
    chosen = [(one.victims, one.load_seconds, one.away_seconds) for one in rounds(SHORT)]
    assert chosen == [(one.victims, one.load_seconds, one.away_seconds) for one in rounds(SHORT)]
    assert {victim for victims, *_ in chosen for victim in victims} == set(Victim)
    other = [one.victims for one in rounds(replace(SHORT, rounds=50, seed=2))]
    assert other != [one.victims for one in rounds(replace(SHORT, rounds=50))]


OFFER = OFFERS[0]
DEVICE, OTHER = OFFER.key(1), OFFER.key(2)
SENT = datetime(2026, 11, 21, tzinfo=UTC)


def one_order() -> Books:
    """The three books of one customer who put in ten times the price, ordered once, and was served."""
    customer = Customer(1, "reseller", "key", put_in=10 * OFFER.price)
    reseller = Reseller("http://127.0.0.1:9", customer, {}, "seed")
    reseller.wishes.append(Wish(1, OFFER, DEVICE, 1, [Told.LOST, Told.ID], {7}))
    reseller.seen[7] = Seen(4, f"IMEI: {DEVICE}")
    order = OrderRow(7, 1, OFFER.name, DEVICE, 1, OFFER.price, "completed", f"IMEI: {DEVICE}", None)
    attempt = AttemptRow(70, 7, "Alpha", "done", "500001", "", SENT, None, 200, "{}", None)
    book = Book(
        {7: order},
        [attempt],
        {7: [("charge", OFFER.price), ("settle", OFFER.price)]},
        {1: 9 * OFFER.price},
        {1: 10 * OFFER.price},
        0,
    )
    return Books([reseller], book, [Sold("Alpha", "500001", DEVICE)], {"Alpha": 0}, [])


def with_order(books: Books, **changes: Any) -> Books:
    return replace(books, ours=replace(books.ours, orders={7: replace(books.ours.orders[7], **changes)}))


def with_attempt(books: Books, **changes: Any) -> Books:
    return replace(books, ours=replace(books.ours, attempts=[replace(books.ours.attempts[0], **changes)]))


def with_transfers(books: Books, *kinds: str) -> Books:
    return replace(books, ours=replace(books.ours, transfers={7: [(kind, OFFER.price) for kind in kinds]}))


def with_wish(books: Books, **changes: Any) -> Books:
    for name, value in changes.items():
        setattr(books.resellers[0].wishes[0], name, value)
    return books


def twice_in_our_book(books: Books) -> Books:
    orders = {7: books.ours.orders[7], 8: replace(books.ours.orders[7], id=8)}
    return replace(books, ours=replace(books.ours, orders=orders))


def seen(books: Books, status: int) -> Books:
    books.resellers[0].seen[7] = Seen(status, "")
    return books


def in_doubt(books: Books, **changes: Any) -> Books:
    opened = with_transfers(with_order(books, state="in_progress", result=None), "charge")
    return with_attempt(seen(opened, 1), **{"state": "unclear", "remote_id": None, **changes})


def test_what_is_right_breaks_nothing() -> None:
    assert breaks(prove_end(one_order())) == ""


SWEPT_AT = {"text": SWEPT, "unclear_at": SENT}
PLAIN = '{"SUCCESS": [{"MESSAGE": "Order received", "REFERENCEID": 500001}]}'

BROKEN: Mapping[str, list[Callable[[Books], Books]]] = {
    "accepted and not known": [
        lambda books: with_wish(books, ids={7, 8}),
        lambda books: with_order(books, price=OFFER.price + 1),
    ],
    "known and never accepted": [
        lambda books: with_wish(books, told=[Told.NO_CREDIT, Told.NOT_SENT], ids=set()),
        lambda books: with_order(books, key=OTHER),
    ],
    "one wish, two orders": [twice_in_our_book, lambda books: with_wish(books, ids={7, 8})],
    "bought twice": [
        lambda books: replace(books, sold=[*books.sold, Sold("Beta", "500001", DEVICE)]),
        lambda books: replace(books, bought_twice={"Alpha": 1}),
    ],
    "bought, and no order knows it": [
        lambda books: replace(books, sold=[*books.sold, Sold("Beta", "500009", OTHER)]),
        lambda books: with_attempt(books, state="refused", remote_id=None),
    ],
    "another device's id or result": [
        lambda books: with_attempt(books, remote_id="500002"),
        lambda books: with_order(books, result=f"IMEI: {OTHER}"),
    ],
    "charged twice or wrongly": [
        lambda books: with_transfers(books, "charge", "charge", "settle"),
        lambda books: with_transfers(books, "settle"),
    ],
    "refunded and delivered": [
        lambda books: with_transfers(books, "charge", "settle", "refund"),
        lambda books: with_order(books, state="rejected", reason="no"),
        lambda books: seen(books, 3),
    ],
    "delivered without purchase, or refunded in spite of one": [
        lambda books: replace(books, sold=[]),
        lambda books: with_order(books, state="rejected"),
        lambda books: replace(books, sold=[replace(books.sold[0], rejected=True)]),
    ],
    "unclear without a reason": [
        lambda books: in_doubt(books, **SWEPT_AT),
        lambda books: replace(in_doubt(books, **SWEPT_AT), kills=[Kill(Victim.API, SENT.timestamp())]),
        lambda books: in_doubt(books, status=None, reply=None),
        lambda books: in_doubt(books, reply=PLAIN),
    ],
    "stuck": [
        lambda books: with_attempt(books, state="placed"),
        lambda books: in_doubt(books, state="refused"),
    ],
    "balances that are not put in - open - completed": [
        lambda books: replace(books, ours=replace(books.ours, balances={1: 9 * OFFER.price - 1})),
        lambda books: replace(books, ours=replace(books.ours, topped_up={1: 9 * OFFER.price})),
        lambda books: with_order(books, state="rejected"),
    ],
    "closed, and its client does not see it": [lambda books: seen(books, 1)],
    "still in doubt": [lambda books: in_doubt(books, reply="half a rep")],
}


@pytest.mark.parametrize(("promise", "spoil"), [(name, spoil) for name, all_of in BROKEN.items() for spoil in all_of])
def test_every_promise_of_the_proof_can_be_broken(promise: str, spoil: Callable[[Books], Books]) -> None:
    assert prove_end(spoil(one_order()))[promise]


def test_every_promise_is_broken_here() -> None:
    assert set(BROKEN) == set(prove_end(one_order()))


@pytest.mark.parametrize(
    "told",
    [{"reply": "half a rep"}, {"error": "ReadTimeout", "status": None}, {"status": 502, "reply": PLAIN}, SWEPT_AT],
)
def test_real_doubt_breaks_nothing(told: Mapping[str, Any]) -> None:
    books = replace(in_doubt(one_order(), **told), kills=[Kill(Victim.WORKER, SENT.timestamp())])
    assert breaks(prove(books)) == ""
