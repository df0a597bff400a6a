"""Sends customers of the portal what lets them choose a new password."""

from app.customers.portal import end_reset, invite_for_reset, next_reset, put_off_reset
from app.house.service import settings_now
from app.worker.jobs.mailing import try_to_mail
from app.worker.jobs.parts import Jobs

_TEXT = """Somebody, most likely you, asked for a new password at {brand}.

Choose it here within the next hour:

{link}

If it was not you, nothing needs to be done: the old password goes on working.
"""


def register(jobs: Jobs) -> None:
    """Add the task of this file to the engine."""

    @jobs.app.periodic(cron="* * * * *")
    @jobs.app.task(name="send_resets", queueing_lock="send_resets", lock="send_resets", pass_context=False)
    async def send_resets(timestamp: int) -> None:
        del timestamp
        await send_due_resets(jobs)


async def send_due_resets(jobs: Jobs) -> None:
    """Send a mail for each wish that is due; without a mail server the wishes are dropped."""
    while await _send_one(jobs):
        pass


async def _send_one(jobs: Jobs) -> bool:
    async with jobs.db.transaction() as conn:
        reset = await next_reset(conn)
        if reset is None:
            return False
        settings = await settings_now(conn, jobs.settings)
        # Out of the way of the others, whatever becomes of this one: it is sent outside any transaction.
        await put_off_reset(conn, reset)
        invited = await invite_for_reset(conn, jobs.sealer, reset) if settings.smtp_url else None
    if invited is not None:
        address, token = invited
        text = _TEXT.format(brand=settings.brand, link=f"{settings.base_url}/portal/welcome#{token}")
        if not await try_to_mail(settings, to=address, subject="a new password", text=text):
            return True
    async with jobs.db.transaction() as conn:
        await end_reset(conn, reset.id)
    return True
