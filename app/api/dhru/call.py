"""One call on its way through the door."""

from dataclasses import dataclass

from app.api.dhru.callers import Callers
from app.api.dhru.door import Door
from app.api.dhru.envelope import Envelope
from app.api.dhru.service_list import ServiceLists
from app.customers.service import Identity


@dataclass(slots=True)
class Call:
    """A request with its caller. ``identity`` may be some seconds old until ``confirmed``."""

    door: Door
    callers: Callers
    lists: ServiceLists
    envelope: Envelope
    ip: str | None
    identity: Identity
    dialect: str
    confirmed: bool = False

    async def confirm(self) -> Identity:
        """Return who calls as the database has it now. Raises Refusal."""
        self.identity = await self.callers.confirm(self.envelope, self.ip)
        self.confirmed = True
        return self.identity
