"""Orders in a real browser: in doubt and resolved by keyboard, watched live, several at once, on a phone too."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.db import Database
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from tests.admin.test_orders import order, send, unclear
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.test_admin import sign_in
from tests.factories import imei, make_shop
from tests.pages.conftest import member


async def operator(open_page: OpenPage, path: str, **options: object) -> Page:
    """Return a page of the operator, signed in."""
    page = await open_page(path, **options)
    await sign_in(page, "operator@example.com")
    await expect(page.locator("header .navbar-brand")).to_be_visible()
    return page


async def test_unclear_orders_are_resolved_with_a_few_keys(open_page: OpenPage, db: Database, sealer: Sealer) -> None:
    await member(db, "operator")
    shop = await make_shop(db, sealer)
    for number in range(2):
        await order(db, shop, [imei(number)])
        await unclear(db, shop)
    page = await operator(open_page, "/admin/unclear")
    await expect(page.get_by_role("link", name="Resolve: order 1")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Their id of the order")).to_be_focused()
    await page.keyboard.type("S-1")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Is order 2 there?")).to_be_visible()
    await expect(page.get_by_role("status")).to_contain_text("Resolved: it is there.")
    await expect(page.get_by_label("Their id of the order")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="It is not there")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Nothing is unclear")).to_be_visible()
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT state FROM orders ORDER BY id")).fetchall()
    assert [row["state"] for row in rows] == ["in_progress", "rejected"]


async def test_the_list_is_live_waits_for_ticks_and_cancels_several_after_a_preview(
    open_page: OpenPage, db: Database, sealer: Sealer
) -> None:
    await member(db, "operator")
    shop = await make_shop(db, sealer)
    await order(db, shop, [imei(0)])
    page = await operator(open_page, "/admin/alarms")
    await page.clock.install()
    await page.goto("/admin/orders")
    await expect(page.get_by_role("link", name="1", exact=True)).to_be_visible()
    await order(db, shop, [imei(1)])
    await page.clock.fast_forward(16_000)
    await expect(page.get_by_role("link", name="2", exact=True)).to_be_visible()
    await page.get_by_label("Tick all on this page").check()
    await expect(page.locator("[data-count]")).to_have_text("2")
    await order(db, shop, [imei(2)])
    await page.clock.fast_forward(16_000)
    await expect(page.get_by_label("Order 2", exact=True)).to_be_checked()
    await expect(page.get_by_role("link", name="3", exact=True)).to_have_count(0)
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("heading", name="Cancel: 2 of 2 orders")).to_be_visible()
    await page.get_by_label("Order 1", exact=True).uncheck()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_text("cancelled, the money is back")).to_have_count(1)
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT state FROM orders ORDER BY id")).fetchall()
    assert [row["state"] for row in rows] == ["accepted", "rejected", "accepted"]


async def test_the_pages_of_orders_are_usable_by_all_and_fit_a_phone(
    open_page: OpenPage, db: Database, sealer: Sealer
) -> None:
    await member(db, "operator")
    shop = await make_shop(db, sealer)
    await order(db, shop, [imei(0)])
    await unclear(db, shop)
    await order(db, shop, [imei(1)])
    long = "x" * 300
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="1", text=long, result=long)
    await order(db, shop, [imei(2)])
    await send(db, shop, AttemptState.PLACED, order_to=OrderState.IN_PROGRESS, remote_id="z" * 150)
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET kind = 'manual'")
    page = await operator(open_page, "/admin/orders", **PHONE)
    paths = ["orders", "orders/1", "orders/1/again", "orders/2", "orders/2/customer", "unclear", "unclear/1", "waiting",
             "by-hand", "by-hand/3"]  # fmt: skip
    for path in [*paths, None]:
        if path is None:
            await page.goto("/admin/orders")
            await page.get_by_label("Tick all on this page").check()
            await page.get_by_role("button", name="Resolve unclear").click()
            await expect(page.get_by_role("heading", name="Resolve unclear")).to_be_visible()
            await page.wait_for_load_state()
        else:
            response = await page.goto(f"/admin/{path}")
            assert response is not None
            assert response.status == 200, path
        found = (await Axe().run(page)).response["violations"]
        assert not [(path, broken["id"], broken["nodes"][0]["html"]) for broken in found], path
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path


async def test_on_a_phone_a_row_is_a_card_that_names_its_columns(
    open_page: OpenPage, db: Database, sealer: Sealer
) -> None:
    await member(db, "operator")
    shop = await make_shop(db, sealer)
    await order(db, shop, [imei(0)])
    page = await operator(open_page, "/admin/alarms", **PHONE)
    await page.clock.install()
    await page.goto("/admin/orders")
    table = page.get_by_role("region", name="Orders")
    await expect(table.locator("td.amount")).to_have_attribute("data-label", "Price")
    await order(db, shop, [imei(1)])
    await page.clock.fast_forward(16_000)  # the list comes anew
    await expect(table.locator("td.amount")).to_have_count(2)
    for row in await table.locator("tbody tr").all():
        await expect(row.locator("td").nth(1)).to_have_attribute("data-label", "Order")
        await expect(row.locator("td").nth(8)).to_be_hidden()  # nothing was said
    assert await table.evaluate("region => region.scrollWidth <= region.clientWidth"), "nothing lies beside the screen"
    shown = "cell => getComputedStyle(cell, '::before').content"
    assert await table.locator("td.amount").first.evaluate(shown) == '"Price"'


async def test_on_a_phone_the_filters_are_folded_until_one_is_set(open_page: OpenPage, db: Database) -> None:
    await member(db, "operator")
    page = await operator(open_page, "/admin/orders", **PHONE)
    await expect(page.get_by_label("Customer")).to_be_hidden()
    await page.locator("summary", has_text="Filters").click()
    await page.get_by_label("Customer").fill("nobody")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_text("No order fits these filters.")).to_be_visible()
    await expect(page.get_by_label("Customer")).to_have_value("nobody")
    await expect(page.get_by_label("Customer")).to_be_visible()
    wide = await operator(open_page, "/admin/orders")
    await expect(wide.get_by_label("Customer")).to_be_visible()
    await expect(wide.locator("summary", has_text="Filters")).to_be_hidden()
