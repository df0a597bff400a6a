"""What the admin's pages are made of."""

from dataclasses import dataclass, field

from app.approvals.asking import FourEyes
from app.house.service import House
from app.pages.parts import Parts


@dataclass(frozen=True, slots=True)
class Simulator:
    """Where the built-in simulator runs, for newcomers who have no supplier yet."""

    url: str
    api_key: str = field(repr=False)

    @property
    def config(self) -> dict[str, object]:
        """Return the settings of a supplier that is the simulator."""
        return {"base_url": self.url, "username": "simulator", "api_key": self.api_key}


@dataclass(slots=True)
class PagesDeps(Parts):
    """What the pages of the admin are built from.

    ``four_eyes_above`` is the amount of ``currency``, in micro-units, above which two people move money; None: never.
    ``simulator`` is there if one runs, ``house`` where settings can be changed.
    """

    four_eyes_above: int | None = None
    simulator: Simulator | None = None
    house: House | None = None

    @property
    def four_eyes(self) -> FourEyes:
        """The rule that tells which acts with money another has to approve."""
        return FourEyes(self.four_eyes_above, self.currency)
