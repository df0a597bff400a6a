"""A new password by mail: sent to who is there, told to nobody who asks."""

import re

import httpx2
import pytest

from app.customers.portal import RESET_TRIES, invite_customer
from app.db import Database
from app.sealing import Sealer
from app.worker.jobs.parts import Jobs
from app.worker.jobs.resets import send_due_resets
from tests.factories import Shop
from tests.fakes.smtp import MailServer, mail_server
from tests.pages.conftest import PASSWORD, Surfer, member, settings_for
from tests.portal.conftest import Customer, give_password

NEW = "other words are as good"


@pytest.fixture
def changes() -> dict[str, object]:
    """The server offers the mail; that of the fake is sent by the side job of each test."""
    return {"smtp_url": "smtp+plain://127.0.0.1:9", "mail_from": "house@example.com"}


def jobs_of(db: Database, sealer: Sealer, conninfo: str, mails: MailServer) -> Jobs:
    """The parts of the side job, whose mail goes to the fake."""
    settings = settings_for(
        conninfo,
        smtp_url=f"smtp+plain://127.0.0.1:{mails.port}",
        mail_from="house@example.com",
        public_url="https://panel.example",
    )
    return Jobs(app=None, db=db, sealer=sealer, settings=settings, limiter=None)  # type: ignore[arg-type]


async def wishes(db: Database) -> list[tuple[str, int]]:
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT typed, tries FROM password_resets ORDER BY id")).fetchall()
    return [(row["typed"], row["tries"]) for row in rows]


async def test_a_link_by_mail_lets_them_choose_a_new_password_once(
    nobody: Customer, shop: Shop, db: Database, sealer: Sealer, conninfo: str
) -> None:
    await give_password(db, sealer, shop.customer_id)
    answers = set()
    for typed in ("Reseller@Example.com", "reseller@example.com", "nobody@example.com"):
        answer = await nobody.send("/portal/forgot", email=typed)
        answers.add((answer.status_code, re.sub(r'"csrf" value="[^"]+"', "", answer.text)))
    assert len(answers) == 1
    assert await wishes(db) == [("reseller@example.com", 0), ("nobody@example.com", 0)]
    async with mail_server() as mails:
        await send_due_resets(jobs_of(db, sealer, conninfo, mails))
    [mail] = mails.mails
    assert mail["To"] == "reseller@example.com"
    link = re.search(r"https://panel\.example/portal/welcome#(iv_\S+)", mail.get_content())
    assert link
    assert await wishes(db) == []
    chosen = {"code": link[1], "password": NEW, "again": NEW}
    assert (await nobody.send("/portal/welcome", **chosen)).status_code == 303
    assert "To spend" in (await nobody.get("/portal/")).text
    assert (await nobody.send("/portal/", "/portal/sign-out")).status_code == 303
    assert (await nobody.send("/portal/welcome", **chosen)).status_code == 422
    assert (await nobody.sign_in(shop.username, PASSWORD)).status_code == 422
    assert (await nobody.sign_in(shop.username, NEW)).status_code == 303


async def test_whoever_asks_again_and_again_fills_no_mailbox(
    nobody: Customer, shop: Shop, db: Database, sealer: Sealer, conninfo: str
) -> None:
    await give_password(db, sealer, shop.customer_id)
    async with db.transaction() as conn:
        await invite_customer(conn, sealer, shop.customer_id)  # by staff: that sent no mail
    async with mail_server() as mails:
        for typed in (shop.username, "reseller@example.com", shop.username):
            await nobody.send("/portal/forgot", email=typed)
            await send_due_resets(jobs_of(db, sealer, conninfo, mails))
        assert len(mails.mails) == 1
        async with db.transaction() as conn:
            await conn.execute("UPDATE login_invites SET created_at = created_at - interval '11 minutes'")
        await nobody.send("/portal/forgot", email=shop.username)
        await send_due_resets(jobs_of(db, sealer, conninfo, mails))
        assert len(mails.mails) == 2
    assert await wishes(db) == []


async def test_a_lost_second_factor_is_taken_away_by_staff(
    customer: Customer, shop: Shop, db: Database, url: str
) -> None:
    page = f"/admin/customers/{shop.customer_id}"
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        await member(db, "operator")
        staff = Surfer(http)
        await staff.sign_in("operator@example.com")
        assert "second factor" not in (await staff.get(page)).text
        assert (await staff.send(page, f"{page}/portal/second-factor")).status_code == 409
        async with db.transaction() as conn:
            await conn.execute(
                "UPDATE logins SET totp_sealed = 'x' WHERE id = (SELECT login_id FROM customers WHERE id = %s)",
                (shop.customer_id,),
            )
        assert (await customer.get("/portal/")).headers["location"].startswith("/portal/sign-in/code")
        assert "Remove their second factor" in (await staff.get(page)).text
        assert (await staff.send(page, f"{page}/portal/second-factor")).status_code == 303
        assert "second factor" in (await staff.get(f"/admin/audit-log?kind=customer&id={shop.customer_id}")).text
    assert (await customer.get("/portal/")).headers["location"].startswith("/portal/sign-in")
    assert (await customer.sign_in(shop.username)).headers["location"] == "/portal/"
    assert (await customer.get("/portal/")).status_code == 200


async def test_a_mail_server_that_is_away_is_tried_again_and_given_up(
    nobody: Customer, shop: Shop, db: Database, sealer: Sealer, conninfo: str
) -> None:
    await give_password(db, sealer, shop.customer_id)
    await nobody.send("/portal/forgot", email=shop.username)
    async with mail_server() as mails:
        mails.refuse = True
        for tries in range(1, RESET_TRIES):
            await send_due_resets(jobs_of(db, sealer, conninfo, mails))
            assert await wishes(db) == [(shop.username, tries)]
            await send_due_resets(jobs_of(db, sealer, conninfo, mails))  # not due yet
            assert await wishes(db) == [(shop.username, tries)]
            async with db.transaction() as conn:
                await conn.execute("UPDATE password_resets SET due_at = now()")
        mails.refuse = False
        await send_due_resets(jobs_of(db, sealer, conninfo, mails))
    assert len(mails.mails) == 1
    assert await wishes(db) == []


async def test_an_invitation_to_the_portal_opens_no_door_of_staff(
    nobody: Customer, shop: Shop, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        token, _ = await invite_customer(conn, sealer, shop.customer_id)
    chosen = {"code": token, "password": NEW, "again": NEW}
    assert (await nobody.send("/admin/welcome", **chosen)).status_code == 422
    assert (await nobody.send("/portal/welcome", **chosen)).status_code == 303


async def test_staff_invite_a_customer_with_a_link_shown_once(
    nobody: Customer, shop: Shop, db: Database, url: str
) -> None:
    await member(db, "operator")
    await member(db, "finance")
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        staff = Surfer(http)
        await staff.sign_in("operator@example.com")
        page = f"/admin/customers/{shop.customer_id}"
        shown = await staff.send(page, f"{page}/portal")
        link = re.search(r"/portal/welcome#(iv_[\w-]+)", shown.text)
        assert link
        assert link[1] not in (await staff.get(page)).text
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        staff = Surfer(http)
        await staff.sign_in("finance@example.com")
        assert (await staff.send(page, f"{page}/portal")).status_code == 403
    chosen = {"code": link[1], "password": NEW, "again": NEW}
    assert (await nobody.send("/portal/welcome", **chosen)).status_code == 303
