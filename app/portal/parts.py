"""What the portal's pages are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from app.catalog.snapshot import CatalogCache
from app.orders.placing import Placer
from app.pages.parts import Parts
from app.portal.board import Board
from app.webhooks.destinations import Rules


@dataclass(slots=True, kw_only=True)
class PortalDeps(Parts):
    """What the portal is built from.

    ``placed()`` wakes the workers after a commit that placed something. ``file_link(order_id, name)`` is the URL of the
    file that came with a result. ``has_mail``: a mail server is set up, so that passwords can be reset.
    """

    catalog: CatalogCache
    placed: Callable[[], None]
    file_link: Callable[[int, str], str]
    duplicate_window_seconds: int
    has_mail: bool
    webhook_rules: Rules
    board: Board

    @property
    def placer(self) -> Placer:
        """What places the orders of this door."""
        return Placer(self.db, self.catalog, self.placed, self.duplicate_window_seconds, "portal")
