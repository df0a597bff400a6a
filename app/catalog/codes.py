"""Codes: names of services for programs, each given once."""

import re
from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.tables import CODE, Service
from app.errors import Conflict, Invalid


def check_code(given: str | None) -> str | None:
    """Return a code as it is kept, None for none; Invalid for what cannot be one."""
    code = (given or "").strip().lower()
    if code and not re.fullmatch(CODE.strip("^$"), code):
        raise Invalid("A code has 2 to 60 letters, digits and hyphens, and begins with a letter.", field="code")
    return code or None


async def refuse_taken_codes(session: AsyncSession, services: Sequence[Service]) -> None:
    """Raise Conflict if a code is another service's too, also where that one is given it in this very moment.

    The services are not yet written."""
    codes = [service.code for service in services if service.code is not None]
    if not codes:
        return
    with session.no_autoflush:
        # Whoever changes what is sold holds this row until they commit, so what is looked at next is what stays.
        await session.execute(text("SELECT FROM catalog_version WHERE id = 1 FOR UPDATE"))
        own = [service.id for service in services if service.id is not None]
        taken = await session.scalar(select(Service.id).where(Service.code.in_(codes), Service.id.not_in(own)).limit(1))
    if taken is not None or len(set(codes)) < len(codes):
        raise Conflict("Another service has this code.", field="code")
