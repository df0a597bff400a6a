"""Knows who calls: remembered for a moment where a statement checks the key anyway, asked afresh everywhere else."""

import time
from dataclasses import dataclass

from app.api.dhru import replies
from app.api.dhru.door import Door
from app.api.dhru.envelope import Envelope
from app.customers.scopes import Scope
from app.customers.service import AddressRefused, Asker, Identity
from app.errors import Unauthenticated

REMEMBER_SECONDS = 30.0
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Remembered:
    identity: Identity
    until: float


class Callers:
    """Tells whose key a request has, and whether it may pass now.

    What is remembered serves to know whose limits and dialect apply and which key a statement must check. It lets
    nobody in: placing and status look at key, customer and address again within their one statement.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._remembered: dict[bytes, _Remembered] = {}

    async def admit(self, envelope: Envelope, ip: str | None, scope: Scope | None) -> Identity:
        """Return who seems to call and count the request.

        Raises Refusal for a wrong key, username or address, for one without ``scope``, and beyond the key's rate limit.
        """
        identity = self._recall(envelope, scope) or await self.confirm(envelope, ip, scope)
        per_minute = identity.requests_per_minute
        if per_minute is None:
            per_minute = self._door.requests_per_minute
        if per_minute and not await self._door.limit(f"dhru:{identity.key_id}", per_minute):
            raise replies.too_frequent(per_minute)
        self._door.used(identity, ip)
        return identity

    async def confirm(self, envelope: Envelope, ip: str | None, scope: Scope | None) -> Identity:
        """Return who calls as the database has it now. Raises Refusal."""
        if not envelope.key:
            raise replies.unauthenticated()
        hashes = self._door.sealer.hashes(envelope.key)
        self._remembered.pop(hashes[0], None)
        try:
            identity = await self._door.lookups.identify(Asker(hashes, ip, envelope.username))
        except Unauthenticated as error:
            raise replies.unauthenticated() from error
        except AddressRefused as error:
            raise replies.address_refused(ip) from error
        if scope is not None and scope not in identity.scopes:
            raise replies.not_allowed(scope)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[hashes[0]] = _Remembered(identity, time.monotonic() + REMEMBER_SECONDS)
        return identity

    def _recall(self, envelope: Envelope, scope: Scope | None) -> Identity | None:
        if not envelope.key:
            return None
        remembered = self._remembered.get(self._door.sealer.hashes(envelope.key)[0])
        if remembered is None or remembered.until < time.monotonic():
            return None
        identity = remembered.identity
        if scope is not None and scope not in identity.scopes:
            return None  # it may have been given the scope since
        known = ("", identity.username, identity.email.lower())
        return identity if envelope.username.strip().lower() in known else None
