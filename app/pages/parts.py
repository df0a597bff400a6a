"""What pages are made of: the parts of the process they need."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.access.sessions import Lifetime
from app.db import Database
from app.sealing import Sealer


@dataclass(slots=True)
class Parts:
    """What pages are built from; ``limit`` is ``Limiter.hit``, ``base_url`` the address people type in.

    Who has one of ``second_factor_roles`` needs a second factor.
    """

    db: Database
    sealer: Sealer
    limit: Callable[[str, int], Awaitable[bool]]
    lifetime: Lifetime
    base_url: str
    brand: str = "Trunkline"
    currency: str = "USD"
    second_factor_roles: tuple[str, ...] = ()

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach us over TLS, so that cookies may insist on it."""
        return self.base_url.startswith("https://")
