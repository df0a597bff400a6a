"""Tells customers by mail that one of their webhook endpoints is paused: who is not called may not look either."""

from app.house.service import settings_now
from app.webhooks.pause_mails import forget_mail, next_mail, put_off_mail
from app.worker.jobs.mailing import try_to_mail
from app.worker.jobs.parts import Jobs

_TEXT = """{brand} sends nothing any more to {name}.

{reason}

What waited is held. Set the endpoint active once it answers again, and what was held is sent:

{link}

What happens until then is not sent to it, but stands in the portal and in the API.
"""


def register(jobs: Jobs) -> None:
    """Add the task of this file to the engine."""

    @jobs.app.periodic(cron="* * * * *")
    @jobs.app.task(
        name="send_pause_mails", queueing_lock="send_pause_mails", lock="send_pause_mails", pass_context=False
    )
    async def send_pause_mails(timestamp: int) -> None:
        del timestamp
        await send_due_pause_mails(jobs)


async def send_due_pause_mails(jobs: Jobs) -> None:
    """Send each mail that is due; without a mail server, or an address, none is and the wishes are dropped."""
    while await _send_one(jobs):
        pass


async def _send_one(jobs: Jobs) -> bool:
    async with jobs.db.transaction() as conn:
        mail = await next_mail(conn)
        if mail is None:
            return False
        settings = await settings_now(conn, jobs.settings)
        if settings.smtp_url is None or not mail.email:
            await forget_mail(conn, mail.endpoint_id)
            return True
        # Out of the way of the others, whatever becomes of this one: it is sent outside any transaction.
        await put_off_mail(conn, mail)
    # What stands behind the question mark is often a secret of theirs, and mail is read by many.
    name = "the callbacks of your orders" if mail.url is None else mail.url.partition("?")[0]
    text = _TEXT.format(
        brand=settings.brand,
        name=f"{name} ({mail.label})" if mail.label else name,
        reason=mail.reason,
        link=f"{settings.base_url}/portal/webhooks/{mail.endpoint_id}",
    )
    if await try_to_mail(settings, to=mail.email, subject="a webhook endpoint is paused", text=text):
        async with jobs.db.transaction() as conn:
            await forget_mail(conn, mail.endpoint_id)
    return True
