"""The portal in a real browser: a reseller's day, on a desktop and a phone, by keyboard, for those who cannot see."""

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.customers.portal import invite_customer
from app.db import Database
from app.orders.cancelling import cancel_order
from app.portal import NOUNS
from app.sealing import Sealer
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import add_endpoint
from app.webhooks.events import ping
from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.factories import IMEIS, Shop, imei, make_shop

WORDS = "several words are good"


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A reseller with credit 1000 and two services."""
    return await make_shop(db, sealer)


async def welcomed(open_page: OpenPage, db: Database, sealer: Sealer, shop: Shop, **options: object) -> Page:
    """Return the page of a reseller who has just accepted an invitation."""
    async with db.transaction() as conn:
        token, _ = await invite_customer(conn, sealer, shop.customer_id)
    page = await open_page(f"/portal/welcome#{token}", **options)
    await page.get_by_label("Password").fill(WORDS)
    await page.get_by_label("The same again").fill(WORDS)
    await page.get_by_role("button", name="Keep it and sign in").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert token not in page.url
    return page


async def test_a_reseller_orders_one_and_many_and_follows_them(
    open_page: OpenPage, db: Database, sealer: Sealer, shop: Shop
) -> None:
    page = await welcomed(open_page, db, sealer, shop)
    await page.get_by_role("link", name="Order something").click()
    await page.locator(f"a[href='/portal/services/{shop.imei_service}']").click()
    await expect(page.get_by_label("IMEI")).to_be_focused()
    await page.keyboard.type("123456789012345")
    await page.keyboard.press("Enter")
    await expect(page.locator("#wrong-device")).to_contain_text("check digit")
    await page.get_by_label("IMEI").fill(IMEIS[0])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=re.compile(r"Order \d+"))).to_be_visible()
    await expect(page.locator("#facts")).to_contain_text(IMEIS[0])
    await page.goto(f"/portal/services/{shop.imei_service}/many")
    await page.get_by_label("Rows").fill("\n".join([imei(1), "nonsense", imei(2)]))
    await page.get_by_role("button", name="Order them").click()
    await expect(page.get_by_text("2 of 3 ordered.")).to_be_visible()
    await page.get_by_role("link", name="Follow these 2").click()
    await expect(page.get_by_text("0 of 2 are over.")).to_be_visible()
    async with db.transaction() as conn:
        row = await (await conn.execute("SELECT id FROM orders WHERE device = %s", (imei(1),))).fetchone()
        assert row is not None
        await cancel_order(conn, row["id"], actor="a test")
    await expect(page.get_by_text("1 of 2 are over.")).to_be_visible()


async def test_a_key_is_made_and_shown_once(open_page: OpenPage, db: Database, sealer: Sealer, shop: Shop) -> None:
    page = await welcomed(open_page, db, sealer, shop)
    await page.get_by_role("link", name="Connect a panel").first.click()
    await page.get_by_role("link", name="Make a key").click()
    await page.get_by_label("What it is for").fill("panel")
    await page.get_by_role("button", name="Make it").click()
    key = await page.locator("#made-key").inner_text()
    assert key.startswith("tk_")
    told = await page.request.post(
        "/api/index.php",
        form={"username": shop.username, "apiaccesskey": key, "requestformat": "JSON", "action": "accountinfo"},
    )
    assert "SUCCESS" in await told.json()
    await page.get_by_role("link", name="I have it").click()
    await expect(page.get_by_text("never used")).to_have_count(2)


async def test_without_a_clipboard_what_is_to_be_copied_is_marked(
    open_page: OpenPage, db: Database, sealer: Sealer, shop: Shop
) -> None:
    page = await welcomed(open_page, db, sealer, shop)
    await page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await page.goto("/portal/connect")
    await page.get_by_role("button", name="Copy").nth(1).click()
    await expect(page.get_by_role("button", name="Marked: press Ctrl+C")).to_be_visible()
    assert (await page.evaluate("getSelection().toString()")).strip() == shop.username


async def test_the_head_of_a_column_stands_over_its_amounts(
    open_page: OpenPage, db: Database, sealer: Sealer, shop: Shop
) -> None:
    page = await welcomed(open_page, db, sealer, shop)
    await page.goto("/portal/services")
    heads = await page.evaluate(
        "[...document.querySelectorAll('thead th')].map((head) => [head.textContent, getComputedStyle(head).textAlign])"
    )
    assert heads[-1] == ["Price", "right"]
    assert {side for _, side in heads[:-1]} <= {"left", "start"}


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_every_page_is_usable_by_all_and_fits(
    open_page: OpenPage, db: Database, sealer: Sealer, shop: Shop, options: dict[str, object]
) -> None:
    page = await welcomed(open_page, db, sealer, shop, **options)
    paths = [
        f"/portal{route.path}"
        for noun in NOUNS
        for route in noun.pages.routes
        if "GET" in (route.methods or ()) and "{" not in route.path and not route.path.endswith((".csv", "/sign-in"))
    ]
    async with db.transaction() as conn:
        url = "https://panel.example/hook?" + "long" * 30
        hook = await add_endpoint(conn, sealer, Rules(), shop.customer_id, url=url, events=["order.completed"])
        await ping(conn, shop.customer_id, hook.endpoint.id)
    paths += [f"/portal/webhooks/{hook.endpoint.id}", f"/portal/webhooks/{hook.endpoint.id}/edit"]
    for path in [*paths, f"/portal/services/{shop.server_service}", f"/portal/services/{shop.imei_service}/many"]:
        await page.goto(path)
        found = await Axe().run(page)
        serious = [one for one in found.response["violations"] if one["impact"] in {"serious", "critical"}]
        assert serious == [], (path, [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious])
        wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
