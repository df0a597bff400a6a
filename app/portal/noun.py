"""How a page of the portal is declared; ``app.pages.noun`` tells what all of them have."""

from app.pages import noun as ground
from app.portal.visit import Signed, Visit


class Noun(ground.Noun[Visit]):
    """The pages of one noun."""

    def __init__(self) -> None:
        """Without pages."""
        super().__init__(Visit, Signed.IN)
