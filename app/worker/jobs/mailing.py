"""How side jobs write to a customer: from the house's address, and one mail that fails keeps no other back."""

import structlog

from app.mail import mail_server, send_mail
from app.sealing import new_token
from app.settings import Settings

log = structlog.get_logger()


async def try_to_mail(settings: Settings, *, to: str, subject: str, text: str) -> bool:
    """Send one mail and say whether the server took it; without ``SMTP_URL`` none is sent."""
    if settings.smtp_url is None:
        return False
    try:
        await send_mail(
            mail_server(settings.smtp_url.get_secret_value()),
            sender=settings.mail_from,
            recipients=[to],
            subject=f"{settings.brand}: {subject}",
            text=text,
            message_id=new_token("ml"),
        )
    except Exception as error:  # noqa: BLE001  whatever a mail server does, the others get theirs
        log.warning("a mail was not sent", about=subject, error=type(error).__name__)
        return False
    return True
