"""What the door needs from the rest of the program, and what one call carries through it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.api.lookups import LookUps
from app.catalog.snapshot import CatalogCache
from app.customers.service import Identity
from app.db import Database
from app.sealing import Sealer


@dataclass
class Door:
    """Everything the DHRU door is given.

    ``limit(key, per_minute)`` counts a request and says whether it may pass; ``used(identity, ip)`` notes
    that a key was used; ``placed()`` is called after a commit that placed something, to wake the workers.
    ``requests_per_minute`` (0: no limit) goes for keys without a limit of their own.
    ``file_link(order_id, name)`` is the URL of the file that came with a result.
    """

    db: Database
    sealer: Sealer
    catalog: CatalogCache
    lookups: LookUps
    limit: Callable[[str, int], Awaitable[bool]]
    used: Callable[[Identity, str | None], None]
    placed: Callable[[], None]
    requests_per_minute: int
    duplicate_window_seconds: int
    max_body_bytes: int
    max_file_bytes: int
    file_link: Callable[[int, str], str]
