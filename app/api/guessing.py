"""Limits how fast keys can be guessed from one address, without shutting out those who call from there rightly."""

import time

from app.addresses import network_of
from app.api.lookups import LookUps
from app.customers.service import Asker, Identity
from app.errors import Throttled, Unauthenticated
from app.redis import Limiter

WRONG_PER_MINUTE = 30
"""Wrong keys from one address; after that it has to wait, whatever key it shows next."""

KNOWN_SECONDS = 600.0
MAX_KNOWN = 10_000


class GuardedLookUps:
    """Looks keys up, but not for an address from which too many wrong ones came within a minute.

    A key that was right from there a short while ago is looked up all the same, so that one guest of a shared address
    does not lock the others out.
    """

    def __init__(self, lookups: LookUps, limiter: Limiter) -> None:
        self._lookups = lookups
        self._limiter = limiter
        self._known: dict[tuple[str, bytes], float] = {}

    async def identify(self, asker: Asker) -> Identity:
        """Return who this is as of now. Raises Throttled, Unauthenticated, AddressRefused."""
        address = network_of(asker.ip or "")
        known = (address, asker.hashes[0])
        if self._known.get(known, 0.0) < time.monotonic():
            standing = await self._limiter.look(f"guess:{address}", WRONG_PER_MINUTE)
            if not standing.remaining:
                raise Throttled("Too many wrong keys came from your address.", seconds=standing.seconds)
        try:
            identity = await self._lookups.identify(asker)
        except Unauthenticated:
            self._known.pop(known, None)
            await self._limiter.hit(f"guess:{address}", WRONG_PER_MINUTE)
            raise
        if len(self._known) >= MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[known] = time.monotonic() + KNOWN_SECONDS
        return identity
