"""A small load, and the proof that its clients notice a Trunkline that lies or fails."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.money import format_amount
from tests.campaign.report import breaks
from tests.campaign.resellers import Seen, Told, Wish
from tests.campaign.shop import OFFERS, Customer
from tests.load.calls import Calls
from tests.load.client import STATUS, Client
from tests.load.run import Plan, run
from tests.serving import serving

SMALL = Plan(clients=20, seconds=4.0, seed=6, least_calls=300)
OFFER = OFFERS[0]
PRICE = format_amount(OFFER.price)


async def test_a_small_load_over_both_doors_loses_nothing(folder: Path) -> None:
    result = await run(SMALL, folder, print)
    assert not any(result.broken.values()), breaks(result.broken)
    assert len(result.clients) == SMALL.clients
    assert len(result.books.sold) > 20, "there was hardly any load"
    doors = {what.split()[0] for what in result.calls.sorts}
    assert doors == {"DHRU", "REST"}
    assert f"| {len(result.books.ours.orders)} |" in result.table().replace("  ", "")


@contextlib.asynccontextmanager
async def answered(status: int, body: Any) -> AsyncIterator[Client]:
    """Lend a client of a server that answers everything alike; it wished for one order, and saw it completed."""

    async def answer(_: Request) -> Response:
        return JSONResponse(body, status)

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    async with serving(app) as url:
        customer = Customer(1, "reseller", "key", put_in=10 * OFFER.price)
        client = Client(url, customer, {OFFER.name: 5}, "seed", offers=[OFFER], calls=Calls())
        client.wishes.append(Wish(1, OFFER, OFFER.key(1), 1, [Told.ID], {7}))
        client.seen[7] = Seen(STATUS["completed"], "")
        try:
            yield client
        finally:
            await client.aclose()


@pytest.mark.parametrize(
    ("status", "message"), [(500, ""), (200, "Connection timeout"), (200, "Service is in maintenance, try later")]
)
async def test_what_is_no_answer_is_written_down(status: int, message: str) -> None:
    error = {"ERROR": [{"MESSAGE": message, "FULL_DESCRIPTION": ""}]}
    async with answered(status, error) as client:
        await client.ask([7])
        assert len(client.unanswered) == 1
    async with answered(503, {"code": "unavailable"}) as client:
        assert await client.wrong_in_statement() == ["the statement was not answered"]
        assert len(client.unanswered) == 1


async def test_an_order_is_not_open_again_and_not_delivered_twice() -> None:
    for told in ({"STATUS": 1, "CODE": ""}, {"STATUS": 4, "CODE": "another"}, {"STATUS": 3, "CODE": ""}):
        async with answered(200, {"SUCCESS": [told]}) as client:
            await client.ask([7])
            assert len(client.complaints) == 1, told


def statement(change: str, closing: int, order_id: int = 7) -> dict[str, Any]:
    return {
        "items": [{"order_id": None, "change": "1"}, {"order_id": order_id, "change": change}],
        "closing": format_amount(closing),
        "next_cursor": None,
    }


async def test_a_statement_has_to_say_what_the_client_was_told() -> None:
    async with answered(200, statement(f"-{PRICE}", 9 * OFFER.price)) as client:
        assert await client.wrong_in_statement() == []
    async with answered(200, statement(f"-{PRICE}", 9 * OFFER.price)) as client:
        client.seen[7] = Seen(STATUS["rejected"], "")
        assert len(await client.wrong_in_statement()) == 2
    for body, wrong in (
        (statement(f"-{PRICE}", 9 * OFFER.price - 1), 1),
        (statement("-1", 9 * OFFER.price), 1),
        (statement(f"-{PRICE}", 9 * OFFER.price, order_id=8), 2),
    ):
        async with answered(200, body) as client:
            assert len(await client.wrong_in_statement()) == wrong


async def test_a_price_has_to_be_the_one_of_the_list() -> None:
    order = {"id": 8, "price": "9.99", "state": "accepted", "result": None, "reason": None}
    async with answered(201, order) as client:
        await client.order_by_rest(client.wishes, {})
        assert len(client.complaints) == 1
        assert client.wishes[0].ids == {7, 8}
    listed = {"SUCCESS": [{"LIST": {"Group": {"SERVICES": {"5": {"SERVICEID": 5, "CREDIT": "9.99"}}}}}]}
    async with answered(200, listed) as client:
        await client.read_list()
        assert len(client.complaints) == 1
