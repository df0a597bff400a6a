"""What a supplier's odd words make of an order, from its placing here to what its customer sees, over real HTTP."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from app.simulator.parameters import read_parameters, read_rows
from app.suppliers.service import change
from tests.factories import Shop, imei, make_route, make_shop
from tests.orders.test_place import balance
from tests.serving import serving
from tests.worker.test_order_path import assert_sound, attempts_in, buy, closed, rows, until, working

Answer = Callable[[dict[str, str]], bytes | Response]
PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body><script>var x={};</script>%s</body></html>"
WALL = PAGE % (b"Just a moment... Cloudflare", b"Checking your browser")
HOME = PAGE % (b"Welcome to our shop", b"Unlock it now!")


def received(form: dict[str, str]) -> bytes:
    """The good answer to an order: its number is the device's."""
    return b'{"SUCCESS":[{"MESSAGE":"Order received","REFERENCEID":"%s"}]}' % number_of(form).encode()


def number_of(form: dict[str, str]) -> str:
    """The number that an order gets."""
    return read_parameters(form["parameters"])["IMEI"]


def delivered(_: dict[str, str]) -> bytes:
    """The good answer to a question."""
    return b'{"SUCCESS":[{"STATUS":4,"CODE":"the result"}]}'


class Site:
    """A supplier that says to each action what the test wants, and remembers what it was asked."""

    def __init__(self, place: Answer = received, check: Answer = delivered, bulk: Answer = delivered) -> None:
        self.answers = {"placeimeiorder": place, "getimeiorder": check, "getimeiorderbulk": bulk}
        self.asked: list[tuple[str, str]] = []

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        self.asked.append((form["action"], form.get("parameters", "")))
        said = self.answers[form["action"]](form)
        return said if isinstance(said, Response) else Response(said, media_type="text/html")

    def times(self, action: str) -> int:
        """How often an action was asked for."""
        return sum(name == action for name, _ in self.asked)


@contextlib.asynccontextmanager
async def shop_at(
    db: Database, sealer: Sealer, site: Site, *, bulk: bool = False, name: str = "Reseller"
) -> AsyncIterator[Shop]:
    """A shop that buys from the site, one order a request."""
    async with serving(Starlette(routes=[Route("/api/index.php", site.answer, methods=["POST"])])) as url:
        shop = await make_shop(db, sealer, base_url=url, name=name)
        config = {"base_url": url, "username": "us", "api_key": "their-secret-key", "bulk": bulk}
        async with db.transaction() as conn:
            await change(conn, sealer, shop.supplier_id, config=config)
        yield shop


async def bought(db: Database, shop: Shop, *devices: str) -> None:
    """Order for these devices, all of them placed at the supplier and due to be asked after; numbered as devices."""
    await buy(db, shop, *devices)
    async with db.transaction() as conn:
        await conn.execute("SELECT 1 FROM claim_attempts(%s, 'w', interval '1 hour', 1000)", (shop.supplier_id,))
        cursor = await conn.execute("SELECT a.id, o.device FROM attempts a JOIN orders o ON o.id = a.order_id")
        writes = [
            {
                "attempt": row["id"],
                "from": "sending",
                "to": "placed",
                "remote_id": row["device"],
                "due": 0,
                "order_to": "in_progress",
            }
            for row in await cursor.fetchall()
        ]
        await conn.execute("SELECT record_attempts('w', 'worker', %s::json)", (orjson.dumps(writes).decode(),))


async def alarm(db: Database, kind: str) -> str:
    """The text of the open alarm of a kind, empty if there is none."""
    found = await rows(db, "SELECT text FROM alarms WHERE kind = %s AND state = 'open'", kind)
    return str(found[0]["text"]) if found else ""


async def raised(db: Database, kind: str) -> bool:
    """Whether there is an open alarm of a kind."""
    return bool(await alarm(db, kind))


# --- 3: what was accepted and reads like a failure ----------------------------------------------------------------

ACCEPTED = {
    "success without a number": b'{"SUCCESS":[{"MESSAGE":"Order received","REFERENCEID":""}]}',
    "success with nothing in it": b'{"SUCCESS":[]}',
    "a number of nought": b'{"SUCCESS":[{"MESSAGE":"Order received","REFERENCEID":0}]}',
    "the wrapper dropped": b'<?xml version="1.0"?><MESSAGE>Order received</MESSAGE><REFERENCEID>15556534</REFERENCEID>',
    "a status that DHRU never sends": b'{"status":"success","message":"Order placed"}',
    "success and an error at once": b'{"SUCCESS":[{"REFERENCEID":"77"}],"ERROR":[{"MESSAGE":"Something"}]}',
    "nothing at all": b"",
}


@pytest.mark.parametrize("said", ACCEPTED)
async def test_pain_3_what_reads_like_a_failure_is_neither_given_back_nor_bought_again(
    db: Database, sealer: Sealer, said: str
) -> None:
    site = Site(place=lambda _: ACCEPTED[said])
    async with shop_at(db, sealer, site) as shop:
        async with working(db, sealer):
            await buy(db, shop, imei(1))
            await until(lambda: attempts_in(db, "unclear"))
            await until(lambda: raised(db, "unclear_order"))
            # An order that goes the whole way meanwhile: the worker was there, and left the first one alone.
            site.answers["placeimeiorder"] = received
            await buy(db, shop, imei(2))
            await until(lambda: closed(db, 1))
        assert await balance(db, shop) == 996 * MICRO
    assert site.times("placeimeiorder") == 2
    states = await rows(db, "SELECT o.state, a.state AS attempt FROM orders o JOIN attempts a ON a.order_id = o.id"
                            " ORDER BY o.id")  # fmt: skip
    assert [tuple(row.values()) for row in states] == [("in_progress", "unclear"), ("completed", "done")]
    await assert_sound(db)


# --- 6: what the supplier no longer offers ------------------------------------------------------------------------


async def test_pain_6_what_the_supplier_no_longer_offers_is_not_sent_and_takes_the_next_route(
    db: Database, sealer: Sealer
) -> None:
    site, other = Site(), Site()
    async with shop_at(db, sealer, site) as shop, shop_at(db, sealer, other, name="Other") as second:
        await buy(db, shop, imei(1))
        async with db.transaction() as conn:
            await conn.execute("UPDATE remote_services SET removed_at = now() WHERE supplier_id = %s",
                               (shop.supplier_id,))  # fmt: skip
        async with working(db, sealer):

            async def put_aside() -> bool:
                return bool(await rows(db, "SELECT 1 FROM attempts WHERE note = 'the supplier no longer offers it'"))

            await until(put_aside)
            async with db.transaction() as conn:
                cursor = await conn.execute(
                    "SELECT id FROM remote_services WHERE remote_id = '1' AND supplier_id = %s", (second.supplier_id,)
                )
                row = await cursor.fetchone()
                assert row is not None
                await make_route(conn, shop.imei_service, row["id"], priority=200)
                await conn.execute("UPDATE attempts SET due_at = now()")
            await until(lambda: closed(db, 1))
            await buy(db, shop, imei(2))
            await until(lambda: closed(db, 2))
    assert (site.times("placeimeiorder"), other.times("placeimeiorder")) == (0, 2)
    await assert_sound(db)


# --- 18 and 19: 200 with an error, a page, a wall -----------------------------------------------------------------


@pytest.mark.parametrize("page", [HOME, WALL, PAGE % (b"502 Bad Gateway", b"nginx")])
async def test_pain_18_a_page_instead_of_an_answer_ends_no_order_and_is_shown_to_no_customer(
    db: Database, sealer: Sealer, page: bytes
) -> None:
    site = Site(place=lambda form: page if number_of(form) == imei(1) else received(form), check=lambda _: page)
    async with shop_at(db, sealer, site) as shop, working(db, sealer):
        await buy(db, shop, imei(1), imei(2))
        await until(lambda: attempts_in(db, "unclear"))

        async def asked_twice() -> bool:
            return site.times("getimeiorder") >= 2

        await until(asked_twice)
        shown = await rows(db, "SELECT state, result, reason FROM orders ORDER BY id")
        assert shown == [{"state": "in_progress", "result": None, "reason": None}] * 2
        assert await balance(db, shop) == 996 * MICRO
        site.answers["getimeiorder"] = delivered
        await until(lambda: closed(db, 1))
    assert site.times("placeimeiorder") == 2
    await assert_sound(db)


async def test_pain_18_an_error_with_200_is_a_no_and_its_markup_is_not_shown(db: Database, sealer: Sealer) -> None:
    said = {"MESSAGE": "<b>Invalid</b> IMEI <script>alert(1)</script>", "FULL_DESCRIPTION": "<li>Not for us</li>"}
    site = Site(place=lambda _: orjson.dumps({"ERROR": [said]}))
    async with shop_at(db, sealer, site) as shop, working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: closed(db, 1))
    [order] = await rows(db, "SELECT state, reason FROM orders")
    assert order["state"] == "rejected"
    assert "Invalid IMEI" in order["reason"]
    assert "<" not in order["reason"]
    assert await balance(db, shop) == 1000 * MICRO
    await assert_sound(db)


async def test_pain_18_an_error_with_200_while_asking_ends_nothing(db: Database, sealer: Sealer) -> None:
    site = Site(check=lambda _: b'{"ERROR":[{"MESSAGE":"<b>Internal error</b>, try later"}]}')
    async with shop_at(db, sealer, site) as shop, working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: raised(db, "unknown_status"))
        assert "<b>" not in await alarm(db, "unknown_status")
        [order] = await rows(db, "SELECT state, result, reason FROM orders")
        assert order == {"state": "in_progress", "result": None, "reason": None}
        site.answers["getimeiorder"] = delivered
        await until(lambda: closed(db, 1))
    await assert_sound(db)


async def test_pain_19_a_wall_met_while_asking_is_an_alarm_that_says_whom_to_ask(db: Database, sealer: Sealer) -> None:
    site = Site(check=lambda _: WALL)
    async with shop_at(db, sealer, site) as shop, working(db, sealer):
        await buy(db, shop, imei(1))
        await until(lambda: raised(db, "supplier_blocked"))
        assert "ask them to allow our address" in await alarm(db, "supplier_blocked")
        site.answers["getimeiorder"] = delivered
        await until(lambda: closed(db, 1))
    await assert_sound(db)


# --- 22: asking after everybody -----------------------------------------------------------------------------------


async def test_pain_22_of_300_orders_every_one_is_asked_after_before_any_is_asked_again(
    db: Database, sealer: Sealer
) -> None:
    site = Site(check=lambda _: b'{"SUCCESS":[{"STATUS":1,"CODE":""}]}')
    async with shop_at(db, sealer, site) as shop:
        await bought(db, shop, *(imei(n) for n in range(300)))
        async with working(db, sealer):

            async def all_asked_twice() -> bool:
                return site.times("getimeiorder") >= 600

            await until(all_asked_twice)
    asked = [read_parameters(parameters)["ID"] for action, parameters in site.asked if action == "getimeiorder"]
    [supplier] = await rows(db, "SELECT concurrency FROM suppliers")
    # Calls that are under way together may arrive in any order; beyond those nobody is overtaken.
    assert len(set(asked[: 300 + supplier["concurrency"]])) == 300
    assert len(set(asked[:300])) > 300 - supplier["concurrency"]
    assert max(Counter(asked[:600]).values()) <= 3, "none is asked again and again while others wait"
    await assert_sound(db)


# --- 23: the answer about an order that they do not know ----------------------------------------------------------


@pytest.mark.parametrize("unknown", [b"", b',"%s":{"SUCCESS":[{"STATUS":0,"CODE":""}]}'])
async def test_pain_23_an_order_that_a_bulk_answer_leaves_out_or_calls_waiting_is_asked_after_alone(
    db: Database, sealer: Sealer, unknown: bytes
) -> None:
    lost = imei(2)
    together = asyncio.Event()

    def bulk(form: dict[str, str]) -> bytes:
        names = [row["ID"] for row in read_rows(form["parameters"]).values()]
        if lost in names and len(names) > 1:
            together.set()
        told = b",".join(
            b'"%s":{"SUCCESS":[{"STATUS":4,"CODE":"its result"}]}' % n.encode() for n in names if n != lost
        )
        return b"{" + (told + (unknown % lost.encode() if unknown else b"")).lstrip(b",") + b"}"

    def alone(form: dict[str, str]) -> bytes:
        assert read_parameters(form["parameters"])["ID"] == lost
        return b'{"ERROR":[{"MESSAGE":"Order ID not found!"}]}'

    site = Site(check=alone, bulk=bulk)
    async with shop_at(db, sealer, site, bulk=True) as shop:
        await bought(db, shop, *(imei(n) for n in range(1, 4)))
        async with working(db, sealer):
            await until(lambda: raised(db, "unknown_status"))
            assert await closed(db, 2)
    assert together.is_set()
    [order] = await rows(
        db,
        "SELECT o.state, o.result, a.note FROM orders o JOIN attempts a ON a.order_id = o.id WHERE o.device = %s",
        lost,
    )
    assert (order["state"], order["result"]) == ("in_progress", None)
    assert "Order ID not found!" in order["note"]
    assert await balance(db, shop) == 994 * MICRO
    await assert_sound(db)
