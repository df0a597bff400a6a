"""A reseller is created with credit and a key, and their panel finds it: the whole walk, on a phone as well."""

from datetime import timedelta
from decimal import Decimal

import httpx2
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.approvals import asking
from app.approvals.asking import FourEyes
from app.audit.runs import keep_run
from app.clock import now
from app.connectors.base import Placed, Report, ReportStatus
from app.db import Database
from app.ledger.service import adjust
from app.money import MICRO
from app.profit.building import build_due
from app.sealing import Sealer
from app.suppliers.books_days import close_day
from app.topups.offers import add_method
from app.topups.requests import Payment, request_topup
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import add_endpoint
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.test_admin import inside
from tests.factories import imei, make_shop
from tests.pages.conftest import member
from tests.worker.scripted import Scripted, send
from tests.worker.test_order_path import buy


async def told(url: str, username: str, key: str) -> str:
    """What a DHRU panel is told of its account."""
    fields = {"username": username, "apiaccesskey": key, "action": "accountinfo", "requestformat": "JSON"}
    async with httpx2.AsyncClient(timeout=30) as panel:
        return (await panel.post(f"{url}/api/index.php", data=fields)).text


async def troubles(page: Page) -> list[str]:
    """What keeps somebody from using the page, or makes it wider than the window."""
    await page.wait_for_load_state()
    found = (await Axe().run(page)).response["violations"]
    said = [f"{page.url}: {broken['id']}: {broken['nodes'][0]['html']}" for broken in found]
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return said + ([f"{page.url} is {wide} px too wide"] if wide > 0 else [])


async def test_a_reseller_with_credit_and_a_key_is_known_to_a_real_dhru_call(
    open_page: OpenPage, url: str, db: Database
) -> None:
    await member(db)
    page = await inside(open_page, "/admin/customers")
    await page.get_by_role("link", name="Create a customer").first.click()
    await page.get_by_label("Name").fill("Mobile Fix")
    await page.get_by_label("E-mail address").fill("orders@mobilefix.example")
    await page.get_by_label("First credit").fill("250.50")
    await page.get_by_label("Reference of the payment").fill("bank 4711")
    await page.get_by_role("button", name="Create").dblclick()
    await expect(page.get_by_role("heading", name="Mobile Fix")).to_be_visible()
    assert await troubles(page) == []
    await page.get_by_role("link", name="Make one").click()
    await page.get_by_role("link", name="Make a key").first.click()
    await page.wait_for_url("**/keys/new")
    assert await troubles(page) == []
    await page.get_by_label("What it is for").fill("the panel of the shop")
    await page.get_by_role("button", name="Make it").dblclick()
    await expect(page.get_by_role("heading", name="The new key")).to_be_visible()
    assert await troubles(page) == []
    key = await page.locator("#dhru-key").inner_text()
    username = await page.locator("#dhru-username").inner_text()
    assert await page.locator("#dhru-url").inner_text() in await page.locator("#check-dhru").inner_text()
    assert "250.50" in await told(url, username, key)
    await page.get_by_role("link", name="I have it").click()
    await expect(page.get_by_text("the panel of the shop")).to_have_count(1)

    await page.get_by_role("link", name="Overview").click()
    await page.get_by_role("link", name="Top up").click()
    await page.get_by_label("Amount in USD").fill("49.50")
    await page.get_by_label("Reference").fill("bank 4712")
    await page.get_by_role("button", name="Give this credit").dblclick()
    await expect(page.get_by_role("status")).to_contain_text("49.50 USD")
    assert "300.00" in await told(url, username, key)
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("status")).to_contain_text("their keys work no more")
    assert "ERROR" in await told(url, username, key)


async def test_every_page_of_customers_and_money_is_usable_by_all_and_fits_a_phone(
    open_page: OpenPage, db: Database, sealer: Sealer
) -> None:
    staff_id = await member(db)
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        eyes, big = FourEyes(MICRO, "USD"), 5 * MICRO
        await asking.topup(conn, eyes, shop.customer_id, amount=big, reference="bank 1", staff_id=staff_id)
        await adjust(conn, shop.customer_id, amount=-1, reference="c 1", reason="x" * 200, staff_id=staff_id)
        method = await add_method(
            conn, {"name": "Bank", "currency": "USD", "instructions": "x", "min_amount": 1, "max_amount": None,
                   "fee_percent": Decimal(0), "active": True, "position": 0},
        )  # fmt: skip
        payment = Payment(method.id, MICRO, "me", now().date())
        request = (await request_topup(conn, shop.customer_id, payment)).request
        day = await close_day(conn, shop.supplier_id, now().date() - timedelta(days=1))
        events = ["order.completed"]
        hook = (
            await add_endpoint(conn, sealer, Rules(), shop.customer_id, url="https://a.example/", events=events)
        ).endpoint
    await buy(db, shop, imei(1))
    await send(db, shop, Scripted(placed=Placed("a1", Report("a1", ReportStatus.DONE, "ok"))))
    await build_due(db)
    run = await keep_run(db)
    base = f"/admin/customers/{shop.customer_id}"
    found = []
    for scheme in ("light", "dark"):
        page = await inside(open_page, color_scheme=scheme, **PHONE)
        for path in (
            "/admin/customers", base, f"{base}/statement", f"{base}/prices", f"{base}/prices/as-customer",
            f"{base}/prices/edit", f"{base}/usage", f"{base}/keys", f"{base}/keys/new", f"{base}/keys/{shop.key_id}",
            f"{base}/keys/{shop.key_id}/rotate", f"{base}/topup", f"{base}/adjust", f"{base}/terms", f"{base}/edit",
            f"{base}/webhooks", f"{base}/webhooks/{hook.id}",
            "/admin/approvals", "/admin/approvals/1/refuse", "/admin/top-ups", f"/admin/top-ups/{request.id}",
            "/admin/payment-methods", f"/admin/payment-methods/{method.id}", "/admin/payment-packages/new",
            "/admin/money/by-hand", "/admin/profit?by=service", "/admin/supplier-books",
            f"/admin/supplier-books/days/{day.id}", f"/admin/supplier-books/{shop.supplier_id}/deposit",
            "/admin/audit", f"/admin/audit/{run.id}", "/admin/debts",
        ):  # fmt: skip
            await page.goto(path)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            found += await troubles(page)
    assert found == []
