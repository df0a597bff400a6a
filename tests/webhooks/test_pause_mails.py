"""A pause is told by mail, once, to a customer who has an address, by a house that has a mail server."""

import pytest

from app.house.service import change
from app.webhooks.endpoints import change_endpoint
from app.webhooks.pause_mails import TRIES
from app.worker.jobs.parts import Jobs
from app.worker.jobs.pause_mails import send_due_pause_mails
from tests.fakes.smtp import MailServer, mail_server
from tests.pages.conftest import settings_for
from tests.webhooks.conftest import Told
from tests.webhooks.test_delivery import happen


def jobs_of(told: Told, mails: MailServer | None) -> Jobs:
    """The parts of the side job, whose mail goes to the fake; without one there is no mail server."""
    mail: dict[str, object] = {"smtp_url": f"smtp+plain://127.0.0.1:{mails.port}"} if mails else {}
    settings = settings_for(
        "postgresql://x/y", mail_from="The House <house@example.com>", public_url="https://panel.example", **mail
    )
    return Jobs(app=None, db=told.db, sealer=told.sealer, settings=settings, limiter=None)  # type: ignore[arg-type]


async def pause(told: Told) -> int:
    """Have the machine pause an endpoint, and return its id."""
    endpoint = await told.endpoint("balance.low", url=f"{told.url}/hook?token=hush")
    told.receiver.status = 410
    await happen(told)
    await told.deliver()
    return endpoint.id


async def waiting(told: Told) -> list[int]:
    return [row["tries"] for row in await told.rows("SELECT tries FROM webhook_pause_mails")]


async def test_a_pause_is_told_once_in_the_name_that_the_house_has_now(told: Told) -> None:
    number = await pause(told)
    async with mail_server() as mails:
        jobs = jobs_of(told, mails)
        async with told.db.transaction() as conn:
            await change(conn, jobs.settings, {"brand": "Panel\r\nBcc: them@example.com"})
        for _ in range(2):
            await send_due_pause_mails(jobs)
    [mail] = mails.mails
    [customer] = await told.rows("SELECT email FROM customers")
    assert mail["To"] == customer["email"]
    assert mail["Subject"] == "Panel Bcc: them@example.com: a webhook endpoint is paused"
    assert mail["From"] == "The House <house@example.com>"
    assert str(mail["Message-ID"]).endswith("@example.com>")
    text = mail.get_content()
    assert f"{told.url}/hook\n" in text.replace("\r", "").replace(".\n", "\n")
    assert "hush" not in text
    assert "It answered that it is gone (HTTP 410)." in text
    assert f"https://panel.example/portal/webhooks/{number}" in text
    assert await waiting(told) == []


async def test_each_pause_is_told_anew(told: Told) -> None:
    number = await pause(told)
    async with mail_server() as mails:
        await send_due_pause_mails(jobs_of(told, mails))
        async with told.db.transaction() as conn:
            await change_endpoint(conn, told.rules, told.shop.customer_id, number, state="active")
        await told.deliver()
        await send_due_pause_mails(jobs_of(told, mails))
    assert len(mails.mails) == 2


@pytest.mark.parametrize("why", ["no mail server", "no address", "suspended", "active again", "paused by themselves"])
async def test_nobody_is_told_where_there_is_nothing_to_tell(told: Told, why: str) -> None:
    number = await pause(told)
    async with told.db.transaction() as conn:
        if why == "no address":
            await conn.execute("UPDATE customers SET email = ''")
        if why == "suspended":
            await conn.execute("UPDATE customers SET state = 'suspended'")
        if why in ("active again", "paused by themselves"):
            state = "active" if why == "active again" else "paused"
            await change_endpoint(conn, told.rules, told.shop.customer_id, number, state=state)
    async with mail_server() as mails:
        await send_due_pause_mails(jobs_of(told, None if why == "no mail server" else mails))
        assert await waiting(told) == []
        await send_due_pause_mails(jobs_of(told, mails))
    assert mails.mails == []


async def test_a_mail_server_that_is_away_is_tried_again_and_given_up(told: Told) -> None:
    await pause(told)
    async with mail_server() as mails:
        mails.refuse = True
        for tries in range(1, TRIES):
            for _ in range(2):  # the second time it is not due yet
                await send_due_pause_mails(jobs_of(told, mails))
                assert await waiting(told) == [tries]
            async with told.db.transaction() as conn:
                await conn.execute("UPDATE webhook_pause_mails SET due_at = now()")
        await send_due_pause_mails(jobs_of(told, mails))
        assert await waiting(told) == []
    assert mails.mails == []
