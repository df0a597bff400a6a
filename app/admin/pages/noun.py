"""How a page of the admin is declared; ``app.pages.noun`` tells what all of them have."""

from app.admin.pages.visit import Visit
from app.pages import noun as ground
from app.staff.service import Right


class Noun(ground.Noun[Visit]):
    """The pages of one noun; a page that names no right is for everybody who may look."""

    def __init__(self) -> None:
        """Without pages."""
        super().__init__(Visit, Right.READ)
