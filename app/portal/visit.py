"""A request of a customer."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from app.customers.portal import REALM, PortalCustomer, customer_of_login, portal_identity
from app.customers.service import Identity
from app.db import Actor, Connection
from app.errors import Unauthenticated
from app.pages import visit as ground
from app.pages.menu import Section, menu_for
from app.pages.render import Templates
from app.portal.navigation import MENU
from app.portal.parts import PortalDeps


class Signed(StrEnum):
    """What pages of the portal ask for."""

    IN = "in"
    """To have signed in: all that a customer sees is their own."""


class Visit(ground.Visit[PortalDeps]):
    """One request to the portal."""

    face = ground.Face("/portal", "trunkline-portal", REALM, Templates(Path(__file__).parent / "templates"))

    _customer: PortalCustomer | None = None

    async def recognise(self, conn: Connection, login_id: int) -> bool:
        """Remember the customer whose login it is; False if there is none who is active."""
        self._customer = await customer_of_login(conn, login_id)
        return self._customer is not None

    @property
    def customer(self) -> PortalCustomer:
        """Who it is; Unauthenticated if nobody signed in."""
        if self.session is None or self._customer is None:
            raise Unauthenticated("Sign in first.")
        return self._customer

    @property
    def name(self) -> str:
        """What the customer is called."""
        return self.customer.name

    @property
    def email(self) -> str:
        """The customer's e-mail address."""
        return self.customer.email

    @property
    def role(self) -> str:
        """The role that all of them have."""
        return "customer"

    def has_right(self, right: StrEnum) -> bool:
        """Whether they may: whoever signed in may do all there is."""
        return isinstance(right, Signed) and self.session is not None

    def menu(self) -> Sequence[Section]:
        """Return what there is."""
        return menu_for(MENU, self.has_right, self.path)

    def actor(self) -> Actor:
        """Return the customer, who is nobody at the door, and their address."""
        return Actor("portal", self.browser.address, customer_id=self._customer.id if self._customer else None)

    async def identity(self) -> Identity:
        """Return the customer as the functions know them that place orders; their balance is of now."""
        async with self.parts.db.pool.connection() as conn:
            return await portal_identity(conn, self.parts.sealer, self.customer.id)
