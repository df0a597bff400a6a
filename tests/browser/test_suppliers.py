"""The pages of one supplier with something on each of them, for all and on a phone."""

from datetime import timedelta

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from app.alarms.kinds import AlarmKind
from app.alarms.service import raise_alarm
from app.clock import now
from app.db import Database
from app.sealing import Sealer
from app.suppliers.performance import measure_days
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.test_admin import inside
from tests.factories import make_shop
from tests.pages.conftest import member
from tests.suppliers.accounts import Account

PAGES = ("", "/services", "/performance", "/calls", "/calls/1", "/words", "/limits", "/account", "/pause")


async def test_every_page_of_a_supplier_is_usable_by_all_and_fits_a_phone(
    open_page: OpenPage, db: Database, sealer: Sealer
) -> None:
    await member(db)
    shop = await make_shop(db, sealer)
    account, sent = Account(db, shop), now() - timedelta(hours=30)
    for state in ("done", "failed", "unclear"):
        await account.attempt(state, sent, closed_at=sent + timedelta(minutes=3))
    async with db.transaction() as conn:
        await measure_days(conn, back=3)
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, f"supplier {shop.supplier_id}", "x" * 300)
        for table in ("suppliers", "remote_services"):
            await conn.execute(
                f"UPDATE {table} SET paused_until = now() + interval '1 hour', pause_reason = 'no funds'"
            )
        await conn.execute('UPDATE suppliers SET wording = \'{"refusals": {"saldo": "no_funds"}}\'')
        await conn.execute(
            "INSERT INTO exchanges (supplier_id, call, at, method, url, request, status, reply, milliseconds)"
            " VALUES (%s, 'place', now(), 'POST', 'https://a.example', %s, 502, %s, 7)",
            (shop.supplier_id, "y" * 3000, "<b>z</b>" * 500),
        )
    home = f"/admin/suppliers/{shop.supplier_id}"
    for scheme in ("light", "dark"):
        page = await inside(open_page, color_scheme=scheme, **PHONE)
        for path in [*(f"{home}{one}" for one in PAGES), "/admin/suppliers/new/doctorsim"]:
            answer = await page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            found = (await Axe().run(page)).response["violations"]
            assert not [(path, broken["id"], broken["nodes"][0]["html"]) for broken in found], scheme
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path


async def test_a_password_of_a_supplier_is_never_filled_in(open_page: OpenPage, db: Database, sealer: Sealer) -> None:
    await member(db)
    shop = await make_shop(db, sealer)
    page = await inside(open_page, f"/admin/suppliers/{shop.supplier_id}/account")
    key = page.get_by_label("API access key")
    await expect(key).to_have_value("")
    await expect(key).to_have_attribute("type", "password")
    await page.get_by_label("Name", exact=True).fill("Renamed")
    await page.get_by_role("button", name="Change it").click()
    await expect(page.get_by_role("heading", name="Renamed")).to_be_visible()
