"""The admin's ground floor in a real browser: the door, the keyboard, the phone, and who cannot see or point."""

import re

import pyotp
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.access.guesses import ACCOUNT_TRIES
from app.admin.pages import NOUNS
from app.alarms.kinds import AlarmKind
from app.alarms.service import raise_alarm
from app.clock import now
from app.db import Database
from tests.browser.conftest import PHONE, OpenPage
from tests.pages.conftest import PASSWORD, member

DOOR = ("/admin/sign-in", "/admin/welcome")


async def sign_in(page: Page, email: str = "owner@example.com", password: str = PASSWORD) -> None:
    """Fill the form in and send it."""
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def inside(open_page: OpenPage, path: str = "/admin/", **options: object) -> Page:
    """Return a page of the owner, signed in."""
    page = await open_page(path, **options)
    await sign_in(page)
    await expect(
        page.locator("header .navbar-brand")
    ).to_be_visible()  # which only those who are in see, on a phone too
    return page


def every_page() -> list[str]:
    """Every page without an id in its path that who is signed in may load; files are no pages."""
    return [
        f"/admin{route.path}"
        for noun in NOUNS
        for route in noun.pages.routes
        if "GET" in (route.methods or ())
        and "{" not in route.path
        and not route.path.startswith("/sign-in")
        and not route.path.endswith(".csv")
    ]


async def test_signing_in_by_keyboard_alone(open_page: OpenPage, db: Database) -> None:
    await member(db)
    page = await open_page("/admin/alarms")
    await expect(page.get_by_label("E-mail address")).to_be_focused()
    await page.keyboard.type("owner@example.com")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Alarms")).to_be_visible()  # where they wanted to go
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()


async def test_a_second_factor_is_enrolled_and_asked_for_and_a_recovery_code_stands_in(
    open_page: OpenPage, db: Database
) -> None:
    await member(db)
    page = await inside(open_page, "/admin/account")
    await page.get_by_role("link", name="Set it up").click()
    await expect(page.locator(".qr svg")).to_be_visible()
    secret = (await page.locator("#secret").inner_text()).replace(" ", "")
    await page.get_by_label("The six digits").fill(pyotp.TOTP(secret).at(now()))
    await page.get_by_role("button", name="Switch it on").click()
    await expect(page.locator(".codes li")).to_have_count(10)
    codes = await page.locator(".codes li").all_inner_texts()
    async with db.pool.connection() as conn:  # the step of that code is long ago
        await conn.execute("UPDATE logins SET totp_step = 0")

    for code in (pyotp.TOTP(secret).at(now()), codes[0]):
        other = await open_page("/admin/account")
        await sign_in(other)
        await other.get_by_label("Code").fill(code)
        await other.get_by_role("button", name="Go on").click()
        await expect(other.get_by_role("heading", name="Your account")).to_be_visible()
    await expect(other.get_by_text("9 recovery codes left")).to_be_visible()
    last = await open_page("/admin/account")
    await sign_in(last)
    await last.get_by_label("Code").fill(codes[0])
    await last.get_by_role("button", name="Go on").click()
    await expect(last.get_by_text("That code is not right")).to_be_visible()


async def test_guessing_locks_the_account_for_a_while(open_page: OpenPage, db: Database) -> None:
    await member(db)
    page = await open_page("/admin/sign-in")
    for _ in range(ACCOUNT_TRIES):
        await sign_in(page, password="wrong")
        await expect(page.get_by_role("alert")).to_have_text("The e-mail address or the password is not right.")
    await sign_in(page)
    await expect(page.get_by_role("alert")).to_contain_text("Too many tries")


async def test_a_session_ended_elsewhere_ends_here(open_page: OpenPage, db: Database) -> None:
    await member(db)
    here, there = await inside(open_page), await inside(open_page, "/admin/account")
    await there.get_by_role("button", name="End all others").click()
    await expect(there.get_by_role("status")).to_contain_text("1 other session ended")
    await here.get_by_role("link", name="Alarms").click()
    await expect(here.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_form_with_a_foreign_token_is_refused(open_page: OpenPage, db: Database) -> None:
    await member(db)
    page = await inside(open_page, "/admin/account/tokens/new")
    await page.locator("main input[name=csrf]").evaluate("field => { field.value = '0'.repeat(64) }")
    await page.get_by_label("What it is for").fill("mischief")
    await page.get_by_role("button", name="Make it").click()
    await expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()


async def test_every_page_is_usable_by_all_and_fits_a_phone(open_page: OpenPage, db: Database) -> None:
    await member(db)
    async with db.transaction() as conn:
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, "supplier 1", "x" * 300)
    for scheme in ("light", "dark"):
        outside = await open_page(DOOR[0], color_scheme=scheme, **PHONE)
        page = await inside(open_page, color_scheme=scheme, **PHONE)
        await expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
        walks = [(outside, path) for path in DOOR] + [(page, path) for path in [*every_page(), "/admin/nothing"]]
        for one, path in walks:
            await one.goto(path)
            found = (await Axe().run(one)).response["violations"]
            assert not [(path, broken["id"], broken["nodes"][0]["html"]) for broken in found], (scheme, path)
            wide = await one.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, (scheme, path)


async def test_the_menu_opens_on_a_phone(open_page: OpenPage, db: Database) -> None:
    await member(db)
    page = await inside(open_page, **PHONE)
    await page.wait_for_load_state()  # before its script is there, the button does nothing
    await expect(page.get_by_role("link", name="Staff")).to_be_hidden()
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("link", name="Staff").click()
    await expect(page.get_by_role("heading", name="Staff")).to_be_visible()


async def test_an_invitation_is_accepted_and_leaves_no_trace_in_the_address(open_page: OpenPage, db: Database) -> None:
    await member(db)
    page = await inside(open_page, "/admin/staff/new")
    await page.get_by_label("Name").fill("Bob")
    await page.get_by_label("E-mail address").fill("bob@example.com")
    await page.get_by_role("radio", name=re.compile("operator")).check()
    await page.get_by_role("button", name="Add and invite").click()
    code = (await page.locator("#invitation").inner_text()).split("#")[1]
    bob = await open_page(f"/admin/welcome#{code}")
    await expect(bob.get_by_label("Invitation")).to_have_value(code)
    assert "#" not in bob.url
    await bob.get_by_label("Password").fill("words that bob likes")
    await bob.get_by_label("The same again").fill("words that bob likes")
    await bob.get_by_role("button", name="Keep it and sign in").click()
    await expect(bob.get_by_role("heading", name="Start")).to_be_visible()
    await expect(bob.get_by_role("link", name="Staff")).to_have_count(0)


async def test_what_hurts_asks_first(open_page: OpenPage, db: Database) -> None:
    await member(db)
    await member(db, "operator")
    page = await inside(open_page, "/admin/staff")
    suspend = page.get_by_role("button", name="Suspend: The operator")
    page.once("dialog", lambda dialog: dialog.dismiss())
    await suspend.click()
    await expect(suspend).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    await suspend.click()
    await expect(page.get_by_role("status")).to_contain_text("is suspended")


async def test_alarms_refresh_by_themselves(open_page: OpenPage, db: Database) -> None:
    await member(db)
    page = await inside(open_page)
    await page.clock.install()
    await page.goto("/admin/alarms")
    await expect(page.get_by_text("No alarms")).to_be_visible()
    async with db.transaction() as conn:
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, "supplier 1", "it is gone")
    await page.clock.fast_forward(16_000)
    await expect(page.get_by_text("it is gone")).to_be_visible()
