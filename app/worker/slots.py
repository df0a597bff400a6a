"""How many calls may be open at a supplier, and how many begun in a minute; shared by all workers where Redis is there.

A slot is taken before anything is claimed, so that what is claimed can be sent at once and nobody waits inside a call.
"""

import secrets

from app.redis import Limiter
from app.suppliers.service import SupplierAccount

HOLDS = 2
"""A shared slot outlives its worker by so many times the longest request; a call may be several of them."""


class Slots:
    """The calls of one sort (``what``) that are open, by supplier."""

    def __init__(self, what: str, limiter: Limiter, *, share: float = 1.0) -> None:
        """``share`` is the part of a supplier's requests per minute that calls of this sort may use up."""
        self._what = what
        self._limiter = limiter
        self._share = share
        self._open: dict[int, list[str]] = {}

    async def open(self, account: SupplierAccount, longest_seconds: float) -> int:
        """Take slots for calls that may begin now and return their number, 0 if none may.

        A supplier with a limit per minute gets one at a time, because what is taken for a call that then is not made
        is lost for that minute.
        """
        mine = self._open.setdefault(account.id, [])
        wanted = account.concurrency - len(mine)
        if wanted <= 0:
            return 0
        if account.requests_per_minute:
            wanted = 1
        tokens = [secrets.token_hex(8) for _ in range(wanted)]
        granted = await self._limiter.take(
            self._key(account.id), account.concurrency, tokens, seconds=HOLDS * longest_seconds
        )
        if granted and not await self._may_begin(account):
            await self._limiter.give(self._key(account.id), granted)
            return 0
        mine += granted
        return len(granted)

    async def close(self, supplier_id: int, number: int = 1) -> None:
        """Give ``number`` slots back."""
        mine = self._open.get(supplier_id, [])
        given, self._open[supplier_id] = mine[:number], mine[number:]
        if given:
            await self._limiter.give(self._key(supplier_id), given)

    async def _may_begin(self, account: SupplierAccount) -> bool:
        limit = account.requests_per_minute
        if limit == 0:
            return True
        part = max(1, int(limit * self._share))
        if part < limit and not await self._limiter.hit(f"{self._key(account.id)} begun", part):
            return False
        return await self._limiter.hit(f"supplier {account.id}", limit)

    def _key(self, supplier_id: int) -> str:
        return f"supplier {supplier_id} {self._what}"
