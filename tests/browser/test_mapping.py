"""Mapping in a real browser: fifty services made at once, and routes put in order by keyboard and by dragging."""

import re

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.test_admin import inside
from tests.factories import make_remote_service, make_route, make_service, make_supplier
from tests.pages.conftest import member


async def fits(page: Page) -> None:
    """Nobody is kept out, and nothing sticks out at the side."""
    await page.wait_for_load_state()
    found = (await Axe().run(page)).response["violations"]
    assert not [(broken["id"], broken["nodes"][0]["html"]) for broken in found], page.url
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, page.url


async def test_fifty_services_are_mapped_at_once(open_page: OpenPage, db: Database, sealer: Sealer) -> None:
    await member(db)
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer)
        fields = [{"name": "Email", "required": True}]
        for number in range(1, 51):
            await make_remote_service(
                conn, supplier, remote_id=str(number), cost=number * MICRO // 10, type="server", fields=fields
            )
        await conn.execute("UPDATE remote_services SET name = '🔥 [VIP] Tool ' || remote_id || ' - $9.99'")
    page = await inside(open_page, "/admin/services")
    await page.get_by_role("link", name="Map services").click()
    await page.get_by_label("Tick all on this page").check()
    await expect(page.get_by_text("With the 50 that are ticked")).to_be_visible()
    await fits(page)
    await page.get_by_role("button", name="Make services of them").click()
    await expect(page.get_by_label("Our name for 🔥 [VIP] Tool 7 - $9.99")).to_have_value("Tool 7")
    await expect(page.get_by_text("No mark-up rule is for it")).to_have_count(50)
    await page.get_by_label("made once, with this mark-up").check()
    await page.get_by_label("Percent").fill("50")
    await page.get_by_label("Group of all of them").fill("Tools")
    await page.get_by_role("button", name="Show it again").click()
    await expect(page.get_by_role("cell", name="1.05 USD")).to_be_visible()  # 0.70 and half of it
    await page.get_by_label("Our name for 🔥 [VIP] Tool 50 - $9.99").fill("The best tool")
    await page.keyboard.press("Enter")  # a habit, and no wish for any of the buttons
    await fits(page)
    await page.get_by_role("button", name="Make the 50 that are ticked").click()
    await expect(page.get_by_role("status")).to_contain_text("50 services made, each with its route.")
    await page.get_by_label("Tick Tool 7").check()
    await page.get_by_label("Percent").fill("10")
    await page.keyboard.press("Enter")
    await page.get_by_label("Name, group or number").fill("best")
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.get_by_role("link", name="The best tool", exact=True).click()
    await expect(page.get_by_label("Price of one piece")).to_have_value("7.50")
    await fits(page)
    await page.get_by_role("link", name="Routes", exact=True).click()
    await expect(page.get_by_text("5.00 USD", exact=True)).to_be_visible()
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT count(*) AS n FROM services v JOIN routes r ON r.service_id = v.id WHERE v.state = 'active'"
        )
        assert await cursor.fetchone() == {"n": 50}


async def test_routes_are_put_in_order_by_keyboard_and_by_dragging(
    open_page: OpenPage, db: Database, sealer: Sealer
) -> None:
    await member(db)
    async with db.transaction() as conn:
        service = await make_service(conn)
        for name in ("One", "Two", "Three"):
            supplier = await make_supplier(conn, sealer, name=name)
            await make_route(conn, service, await make_remote_service(conn, supplier, remote_id=name))
    here = f"/admin/services/{service}/routes"
    page = await inside(open_page, here)

    def named(*names: str) -> re.Pattern[str]:
        return re.compile(".*".join(f"Remote {name}" for name in names), re.DOTALL)

    listed = page.locator("[data-list]")
    await expect(listed).to_have_text(named("One", "Two", "Three"))
    down = page.get_by_role("button", name="Move down: One, Remote One")
    await down.focus()
    await page.keyboard.press("Enter")
    await expect(listed).to_have_text(named("Two", "One", "Three"))
    await expect(down).to_be_focused()  # so that it can be pressed again
    await page.keyboard.press("Enter")
    await expect(listed).to_have_text(named("Two", "Three", "One"))

    async def drag(name: str, above: str) -> None:
        handle = page.locator("[data-row]", has_text=f"Remote {name}").locator("[data-drag]")
        target = page.locator("[data-row]", has_text=f"Remote {above}")
        start, end = await handle.bounding_box(), await target.bounding_box()
        assert start
        assert end
        await page.mouse.move(start["x"] + 5, start["y"] + 5)
        await page.mouse.down()
        await page.mouse.move(end["x"] + 20, end["y"] + 2, steps=8)
        await page.mouse.up()

    async with page.expect_navigation():
        await drag("One", "Two")
    await expect(listed).to_have_text(named("One", "Two", "Three"))
    await fits(page)
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT m.remote_id FROM routes r JOIN remote_services m ON m.id = r.remote_service_id ORDER BY r.priority"
        )
        assert [row["remote_id"] for row in await cursor.fetchall()] == ["One", "Two", "Three"]

    small = await inside(open_page, here, **PHONE)
    await fits(small)
    await small.get_by_role("button", name="Move down: One, Remote One").click()
    await expect(small.locator("[data-list]")).to_have_text(named("Two", "One", "Three"))
    await small.get_by_role("link", name="Remote Two").click()
    await small.wait_for_url("**/admin/routes/*")
    await fits(small)
    await small.get_by_label("IMEI", exact=True).fill("356557847079356")
    await small.get_by_role("button", name="Show it").click()
    await expect(small.locator("#told")).to_contain_text("placeimeiorder")
    await fits(small)
