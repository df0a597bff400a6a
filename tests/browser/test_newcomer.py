"""The newcomer's walk: from an empty database to the first profit, all in the browser, on a desktop and on a phone."""

import asyncio
import base64
import json
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Locator, Page, expect

from app.audit.service import audit
from app.clock import now
from app.db import Database
from app.hours.building import build_hours
from app.main import build_app
from app.simulator import DEFAULT_API_KEY, build_simulator
from app.worker.loop import Worker
from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.screenshots import NAMES, Camera
from tests.browser.test_admin import sign_in
from tests.factories import IMEIS
from tests.pages.conftest import member, settings_for
from tests.serving import serving

MAPPED, PERCENT = 10, 30
WANTED = "iPhone Carrier + Find My Status"
PATIENCE = 120.0
"""Seconds that the worker may take; it takes about one."""


@pytest.fixture
async def supplier(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a supplier that really answers and delivers at once."""
    simulator = build_simulator(
        tmp_path / "simulator.sqlite", username="simulator", api_key=DEFAULT_API_KEY, work_seconds=0
    )
    async with serving(simulator) as address:
        yield address


@pytest.fixture
async def url(conninfo: str, db: Database, supplier: str) -> AsyncIterator[str]:
    """The address of a whole Trunkline, worker included, that knows its own address and where the simulator is."""
    # Held from here on: a port that is only known to be free may be another's before the server listens.
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = settings_for(conninfo, public_url=address, simulator_url=supplier)
    worker = Worker(db, settings.sealer(), tick_seconds=0.05, lease_seconds=30)
    working = asyncio.create_task(worker.run())
    async with serving(build_app(settings), graceful=True, listener=listener):
        yield address
    worker.stop()
    await working


@dataclass
class Credentials:
    """What a reseller was handed, and what their panel does with it."""

    url: str
    username: str
    key: str

    async def call(self, action: str, parameters: dict[str, object] | None = None) -> dict[str, Any]:
        """One call of a panel, as panels make it."""
        form = {"username": self.username, "apiaccesskey": self.key, "action": action, "requestformat": "JSON"}
        if parameters is not None:
            form["parameters"] = base64.b64encode(json.dumps(parameters).encode()).decode()
        async with httpx2.AsyncClient(timeout=30) as client:
            response = await client.post(f"{self.url}/api/index.php", data=form)
        answer: dict[str, Any] = response.json()
        assert "SUCCESS" in answer, answer
        return answer

    async def credit(self) -> Decimal:
        """What the account holds."""
        (account,) = (await self.call("accountinfo"))["SUCCESS"]
        return Decimal(account["AccoutInfo"]["creditraw"])

    async def offers(self) -> dict[str, dict[str, Any]]:
        """Every service on sale by its name."""
        (listed,) = (await self.call("imeiservicelist"))["SUCCESS"]
        return {
            service["SERVICENAME"]: service
            for group in listed["LIST"].values()
            for service in group["SERVICES"].values()
        }

    async def buy(self, service: dict[str, Any]) -> int:
        """Place an order and return its number."""
        placed = await self.call("placeimeiorder", {"ID": service["SERVICEID"], "IMEI": IMEIS[0]})
        return int(placed["SUCCESS"][0]["REFERENCEID"])

    async def delivered(self, order: int) -> str:
        """Ask after an order until its result is there, and return it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                told = (await self.call("getimeiorder", {"ID": order}))["SUCCESS"][0]
                assert int(told["STATUS"]) != 3, told
                if int(told["STATUS"]) == 4:
                    return str(told["CODE"])
                await asyncio.sleep(0.2)


@dataclass
class Newcomer:
    """An operator who has never seen it before: clicks what the pages offer, and types nothing into the address."""

    page: Page
    camera: Camera

    @property
    def is_on_phone(self) -> bool:
        """Whether the menu is behind a button."""
        return self.camera.window == "phone"

    async def open(self, title: str) -> None:
        """Open a page by the menu."""
        if self.is_on_phone:
            await self.page.wait_for_load_state()  # before its script is there, the button does nothing
            await self.page.get_by_role("button", name="Menu").click()
            await expect(self.page.locator("#menu.show")).to_be_visible()  # its opening takes a moment
        await self.page.get_by_role("navigation", name="Main").get_by_role("link", name=title, exact=True).click()
        here = self.page.locator("#menu a[aria-current=page]")
        await expect(here).to_have_text(title)

    async def next_step(self, title: str, button: str) -> None:
        """Go back to the start, see that this is the next step, and take it."""
        await self.page.locator("header .navbar-brand").click()
        step = self.page.locator("li[aria-current=step]")
        await expect(step).to_contain_text(title)
        await step.get_by_role("link", name=button).click()

    async def says(self, text: str | re.Pattern[str]) -> None:
        """See a sentence on the page."""
        await expect(self.page.get_by_text(text).first).to_be_visible()

    async def type(self, label: str, text: str) -> None:
        """Fill an input in."""
        await self.page.get_by_label(label, exact=True).fill(text)

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def follow(self, name: str, within: Locator | None = None) -> None:
        """Follow a link."""
        await (within or self.page.locator("main")).get_by_role("link", name=name, exact=True).first.click()

    async def adds_a_supplier(self, address: str) -> None:
        """By the form of its kind on a desktop, with one click on the simulator on a phone."""
        await self.next_step("Add a supplier", "Add a supplier")
        if self.is_on_phone:
            await self.press("Try it with the built-in simulator")
        else:
            await self.follow("DHRU Fusion")
            await self.type("Name", "Unlock Source")
            await self.type("Base URL", address)
            await self.type("Username", "simulator")
            await self.type("API access key", DEFAULT_API_KEY)
            await self.press("Add it")
        await self.says(re.compile("Test it next"))

    async def tests_and_reads_it(self) -> None:
        """The test works, the list is read."""
        await self.press("Test it")
        await self.says(re.compile("Works: balance"))
        await self.press("Read its list now")
        await self.says("The list was read: 14 services.")
        await self.page.get_by_role("link", name=re.compile("^Back to")).click()
        await self.camera.take(self.page, "supplier")

    async def maps_services(self) -> None:
        """Ten of them at once, with a mark-up."""
        await self.next_step("Map services", "Map services")
        boxes = self.page.locator("input[type=checkbox][name=remote]")
        for number in range(MAPPED):
            await boxes.nth(number).check()
        await self.camera.take(self.page, "mapping")
        await self.press("Make services of them…")
        await self.page.get_by_label("made once, with this mark-up").check()
        await self.type("Percent", str(PERCENT))
        await self.press("Show it again")
        await self.camera.take(self.page, "make-services")
        await self.press(f"Make the {MAPPED} that are ticked")
        await self.says(re.compile(f"{MAPPED} services made"))

    async def creates_a_reseller(self) -> Credentials:
        """With a first credit and a key; what the page shows is what the panel gets."""
        await self.next_step("Create a reseller", "Create a reseller")
        await self.type("Name", "Mobile Fix")
        await self.type("E-mail address", "shop@example.com")
        await self.type("First credit", "100")
        await self.type("Reference of the payment", "bank 1")
        await self.press("Create")
        await expect(self.page.get_by_role("heading", name="Mobile Fix")).to_be_visible()
        await self.camera.take(self.page, "customer")
        await self.next_step("Hand over the credentials", "Make a key")
        await self.follow("Make a key")
        await self.press("Make it")
        await self.says(re.compile("shown this once"))
        shown = [(await self.page.locator(f"#dhru-{part}").inner_text()).strip() for part in ("url", "username", "key")]
        await self.follow("I have it")
        return Credentials(*shown)

    async def looks_at_the_order(self, number: int, result: str) -> None:
        """Finds it in the list, and reads what happened to it."""
        await self.open("Orders")
        await self.camera.take(self.page, "orders")
        await self.page.locator(f'main a[href="/admin/orders/{number}"]').first.click()
        await expect(self.page.get_by_role("heading", name=f"Order {number}")).to_be_visible()
        await expect(self.page.get_by_role("heading", name="What happened")).to_be_visible()
        await self.says(result.splitlines()[0].split("<")[0].strip())
        await self.camera.take(self.page, "order")

    async def says_how_to_pay(self) -> None:
        """Adds a payment method, so that customers can say what they paid."""
        await self.open("Payment methods")
        await self.follow("Add a method")
        await self.type("Name", "Bank transfer")
        await self.type("What customers read", "IBAN XX00, with your username.")
        await self.press("Keep it")

    async def approves_the_top_up(self) -> None:
        """Credits what a customer said to have paid."""
        await self.open("Top-up requests")
        await self.page.get_by_role("link", name=re.compile("^Decide")).click()
        await self.press("It arrived: credit it")
        await self.says(re.compile("credited", re.IGNORECASE))

    async def sees_the_profit(self, profit: Decimal) -> None:
        """What the order brought less what it cost."""
        await self.open("Profit")
        await self.press("Bring up to date")
        await self.says(re.compile(rf"^{re.escape(f'{profit.normalize():f}')}0* USD$"))
        await self.camera.take(self.page, "profit")
        await self.open("Start")
        await expect(self.page.get_by_role("heading", name="Dashboard")).to_be_visible()
        await self.says(re.compile("^Charts as of "))
        await self.camera.take(self.page, "dashboard")


async def pays_in(credentials: Credentials, amount: str) -> None:
    """The reseller says by the REST API that they paid."""
    headers = {"Authorization": f"Bearer {credentials.key}"}
    async with httpx2.AsyncClient(base_url=credentials.url, headers=headers, timeout=30) as client:
        (method,) = (await client.get("/api/v1/topups")).json()["methods"]
        paid = {"method_id": method["id"], "amount": amount, "paid_on": f"{now():%Y-%m-%d}"}
        answer = await client.post("/api/v1/topups", json={**paid, "sender": "Mobile Fix Ltd"})
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("window", ["desktop", "phone"])
async def test_a_newcomer_gets_from_nothing_to_the_first_profit(
    open_page: OpenPage, db: Database, supplier: str, window: str
) -> None:
    await member(db)
    page = await open_page("/admin/", **(PHONE if window == "phone" else DESKTOP))
    newcomer = Newcomer(page, Camera(window))
    await sign_in(page)
    await newcomer.says("First steps")
    await newcomer.camera.take(page, "start")

    await newcomer.adds_a_supplier(supplier)
    await newcomer.tests_and_reads_it()
    await newcomer.maps_services()
    reseller = await newcomer.creates_a_reseller()

    assert await reseller.credit() == 100
    offers = await reseller.offers()
    assert len(offers) == MAPPED
    price = Decimal(offers[WANTED]["CREDIT"])
    order = await reseller.buy(offers[WANTED])
    result = await reseller.delivered(order)
    assert IMEIS[0] in result
    await newcomer.looks_at_the_order(order, result)

    await newcomer.says_how_to_pay()
    await pays_in(reseller, "50")
    await newcomer.approves_the_top_up()
    assert await reseller.credit() == 150 - price
    await build_hours(db)  # as workers do every minute
    await newcomer.sees_the_profit(price - Decimal("0.09"))

    assert tuple(newcomer.camera.taken) == NAMES
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    proved = await audit(db)
    assert not proved.findings, proved.findings
