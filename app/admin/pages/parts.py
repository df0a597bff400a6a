"""What every page is made of: the parts of the process it needs, and the names of its cookies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.db import Database
from app.sealing import Sealer
from app.staff.sessions import Lifetime


@dataclass(frozen=True, slots=True)
class PagesDeps:
    """What the pages are built from; ``limit`` is ``Limiter.hit``, ``base_url`` the address people type in."""

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

    @property
    def session_cookie(self) -> str:
        """The name of the cookie of somebody who signed in; __Host- ones are of this host, path and TLS alone."""
        return "__Host-trunkline" if self.is_secure else "trunkline"

    @property
    def door_cookie(self) -> str:
        """The name of the cookie of a browser that has not signed in: its forms are bound to it."""
        return "__Host-trunkline-door" if self.is_secure else "trunkline-door"
