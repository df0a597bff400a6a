"""One call on its way through the door."""

import asyncio
from dataclasses import dataclass
from typing import Any

from app.api.dhru.callers import Callers
from app.api.dhru.door import Door
from app.api.dhru.envelope import Envelope
from app.api.dhru.service_list import ServiceLists
from app.customers.scopes import Scope
from app.customers.service import Identity

LARGE = 128 * 1024
"""What is longer is parsed beside the event loop, so that other requests go on."""


@dataclass(slots=True)
class Call:
    """A request with its caller, who needs ``scope``. ``identity`` may be some seconds old until ``confirmed``."""

    door: Door
    callers: Callers
    lists: ServiceLists
    envelope: Envelope
    ip: str | None
    scope: Scope | None
    identity: Identity
    dialect: str
    confirmed: bool = False

    async def content(self) -> Any:
        """Return the parameters decoded, large ones beside the event loop. Raises Malformed."""
        parameters = self.envelope.parameters
        if isinstance(parameters, str) and len(parameters) > LARGE:
            return await asyncio.to_thread(self.envelope.content)
        return self.envelope.content()

    async def confirm(self) -> Identity:
        """Return who calls as the database has it now. Raises Refusal."""
        self.identity = await self.callers.confirm(self.envelope, self.ip, self.scope)
        self.confirmed = True
        return self.identity
