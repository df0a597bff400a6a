"""A reseller's whole way: invited, trying everything in the sandbox, live over both doors, and the statement of it."""

import asyncio
import csv
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from app.customers.scopes import Scope
from app.money import parse_amount
from app.sandbox.devices import SCENARIOS
from tests.acceptance.systems import SYSTEMS
from tests.acceptance.test_every_supplier import set_up
from tests.acceptance.trunkline import Trunkline, running
from tests.dhru.clients import panel_status
from tests.dhru.conftest import xml
from tests.factories import Shop, imei
from tests.fakes.dhru import FakeDhru
from tests.fakes.faults import serving_fake
from tests.fakes.webhook_receiver import Receiver
from tests.pages.conftest import PASSWORD, Surfer, member
from tests.portal.conftest import Customer
from tests.sandbox.conftest import Trial
from tests.serving import serving

ENDS = {
    "SANDBOXNOW": "completed",
    "SANDBOXDONE": "completed",
    "SANDBOXPOLLS": "completed",
    "SANDBOXSLOW": "completed",
    "SANDBOXUNCLEAR": "completed",
    "SANDBOXREJECT": "rejected",
    "SANDBOXREJECTNOW": "rejected",
}
REFUSED = {
    "SANDBOXINVALID": (422, "invalid"),
    "SANDBOXDUPLICATE": (409, "duplicate_order"),
    "SANDBOXNOCREDIT": (402, "no_credit"),
    "SANDBOXUNAVAILABLE": (503, "service_unavailable"),
}
LONGEST_SECONDS = 600


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """The reseller's own server, and the address that it is told at."""
    one = Receiver()
    async with serving(one.app()) as url:
        yield one, f"{url}/orders"


@pytest.fixture
async def trunkline(conninfo: str, tmp_path: Path, receiver: tuple[Receiver, str]) -> AsyncIterator[Trunkline]:
    """A whole Trunkline whose messages may go to loopback."""
    reachable = {
        "webhook_allowed_networks": "127.0.0.0/8",
        "webhook_ports": str(urlsplit(receiver[1]).port),
        "webhook_plain_http": True,
    }
    async with running(conninfo, tmp_path, **reachable) as whole:
        yield whole


async def enter(trunkline: Trunkline, browser: httpx2.AsyncClient, customer: Mapping[str, Any]) -> Customer:
    """Have staff invite a customer, who chooses a password, leaves, and comes in again with it."""
    await member(trunkline.db)
    async with httpx2.AsyncClient(base_url=trunkline.url, timeout=30) as http:
        staff = Surfer(http)
        assert (await staff.sign_in("owner@example.com")).status_code == 303
        page = f"/admin/customers/{customer['id']}"
        invited = await staff.send(page, f"{page}/portal")
    code = re.search(r"/portal/welcome#(iv_[\w-]+)", invited.text)
    assert code, invited.text
    portal = Customer(browser, customer["id"])
    welcome = await portal.send("/portal/welcome", code=code[1], password=PASSWORD, again=PASSWORD)
    assert welcome.headers.get("location") == "/portal/", welcome.text
    assert (await portal.send("/portal/account", "/portal/sign-out")).status_code == 303
    assert (await portal.get("/portal/")).status_code == 303
    assert (await portal.sign_in(customer["username"])).status_code == 303
    return portal


def shown(page: httpx2.Response, name: str) -> str:
    """Return what a page shows this once."""
    found = re.search(rf'id="{name}">([^<]+)<', page.text)
    assert found, page.text
    return found[1]


async def make_key(portal: Customer, **more: str) -> str:
    """Make a key that may do everything."""
    scopes = [scope.value for scope in Scope]
    return shown(await portal.send("/portal/keys/new", label="mine", dialect="6.1", scopes=scopes, **more), "made-key")


def body(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def try_everything(trial: Trial) -> dict[int, str]:
    """Order every magic device over REST and see what the documents say; return how each order ended."""
    ids = {}
    for scenario in SCENARIOS:
        answer = await trial.place(scenario.imei)
        if scenario.word in REFUSED:
            status, code = REFUSED[scenario.word]
            assert body(answer, status)["code"] == code
        else:
            ids[scenario.word] = body(answer, 201)["id"]
    assert ids.keys() == ENDS.keys()
    await trial.pass_time(LONGEST_SECONDS)
    ended = {}
    for word, number in ids.items():
        await trial.rest("GET", f"/orders/{number}")  # one of them wants to be asked after again
        order = body(await trial.rest("GET", f"/orders/{number}"), 200)
        assert order["state"] == ENDS[word], word
        assert (order["result"] or order["reason"]).startswith("SANDBOX: ")
        ended[number] = order["state"]
    return ended


async def told(receiver: Receiver, orders: Mapping[int, str], *, sandbox: bool) -> None:
    """Wait until the reseller was told of these ends, each by one message that is signed."""
    async with asyncio.timeout(60):
        while len(receiver.took) < len(orders):  # noqa: ASYNC110  the receiver has nothing to wait for
            await asyncio.sleep(0.05)
    assert {one["data"]["id"]: one["type"] for one in receiver.took} == {n: f"order.{s}" for n, s in orders.items()}
    assert {one["sandbox"] for one in receiver.took} == {sandbox}
    assert len(receiver.ids) == receiver.asked == len(orders)
    receiver.took.clear()
    receiver.ids.clear()
    receiver.asked = 0


async def order_live(trial: Trial) -> dict[int, str]:
    """Order from a DHRU panel and by REST, and have both delivered; return what each cost."""
    service = trial.shop.imei_service
    placed = await trial.dhru("placeimeiorder", xml({"ID": str(service), "IMEI": imei(1)}), live=True)
    by_panel = int(placed["SUCCESS"][0]["REFERENCEID"])
    order = {"service": service, "device": imei(2)}
    answer = await trial.rest("POST", "/orders", live=True, json=order, headers={"Prefer": "wait=20"})
    by_rest = body(answer, 200)
    assert by_rest["state"] == "completed"
    assert imei(2) in by_rest["result"]
    async with asyncio.timeout(60):
        while (seen := panel_status(await asked(trial, by_panel)))[0] == "waiting":  # noqa: ASYNC110  in Postgres
            await asyncio.sleep(0.1)
    assert seen[0] == "delivered"
    assert imei(1) in seen[1]
    own = body(await trial.rest("GET", f"/orders/{by_panel}", live=True), 200)
    return {by_panel: own["price"], by_rest["id"]: by_rest["price"]}


async def asked(trial: Trial, number: int) -> dict[str, Any]:
    return await trial.dhru("getimeiorder", xml({"ID": str(number)}), live=True)


async def test_from_the_invitation_to_the_statement(trunkline: Trunkline, receiver: tuple[Receiver, str]) -> None:
    server, hook = receiver
    fake = FakeDhru()
    async with (
        serving_fake(fake) as upstream,
        httpx2.AsyncClient(base_url=trunkline.url, timeout=60) as http,
        httpx2.AsyncClient(base_url=trunkline.url, timeout=60) as browser,
    ):
        supplier, service = await set_up(trunkline, SYSTEMS["dhru"], fake, upstream)
        [customer] = (await trunkline.call("GET", "customers"))["items"]
        portal = await enter(trunkline, browser, customer)
        shop = Shop(customer["id"], customer["username"], "", 0, supplier, service, 0)
        trial = Trial(http, trunkline.db, shop, await make_key(portal, sandbox="yes"))

        made = await portal.send("/portal/webhooks/new", url=hook, events=["order.completed", "order.rejected"])
        server.secrets[urlsplit(hook).path] = shown(made, "webhook-secret")
        before = await trial.counts()
        await told(server, await try_everything(trial), sandbox=True)
        assert await trial.counts() == before
        assert fake.counters()["accepted"] == 0

        trial.shop = replace(shop, key=await make_key(portal))
        prices = await order_live(trial)
        await told(server, dict.fromkeys(prices, "completed"), sandbox=False)

        page = (await portal.get("/portal/statement")).text
        lines = list(csv.DictReader((await portal.get("/portal/statement.csv")).text.splitlines()))
        for number in prices:
            assert f'href="/portal/orders/{number}"' in page
    charges = {int(line["order_id"]): line["change"] for line in lines if line["kind"] == "charge"}
    assert charges == {number: f"-{price}" for number, price in prices.items()}
    paid_in = parse_amount("100000000")
    left = paid_in - sum(parse_amount(price) for price in prices.values())
    assert [line["kind"] for line in lines] == ["opening", "topup", "charge", "charge", "closing"]
    assert parse_amount(lines[-1]["balance"]) == left
    assert parse_amount((await trunkline.call("GET", f"customers/{customer['id']}"))["balance"]) == left
    assert fake.counters()["accepted"] == 2
    assert fake.counters()["bought_twice"] == 0
    await trunkline.audit_is_clean()
