"""A request of a member of staff."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from app.admin.pages.navigation import MENU
from app.admin.pages.parts import PagesDeps
from app.db import Actor, Connection
from app.errors import Unauthenticated
from app.pages import visit as ground
from app.pages.menu import Section, menu_for
from app.pages.render import Templates
from app.staff.service import REALM, Right, StaffIdentity, staff_of_login


class Visit(ground.Visit[PagesDeps]):
    """One request to the admin."""

    face = ground.Face("/admin", "trunkline", REALM, Templates(Path(__file__).parent.parent / "templates"))

    _staff: StaffIdentity | None = None

    async def recognise(self, conn: Connection, login_id: int) -> bool:
        """Remember the member of staff whose login it is; False if there is none who is active."""
        self._staff = await staff_of_login(conn, login_id)
        return self._staff is not None

    @property
    def staff(self) -> StaffIdentity:
        """Who it is; Unauthenticated if nobody signed in."""
        if self.session is None or self._staff is None:
            raise Unauthenticated("Sign in first.")
        return self._staff

    @property
    def name(self) -> str:
        """What the member of staff is called."""
        return self.staff.name

    @property
    def email(self) -> str:
        """Their e-mail address."""
        return self.staff.email

    @property
    def role(self) -> str:
        """Their role."""
        return self.staff.role

    def has_right(self, right: StrEnum) -> bool:
        """Whether their role has the right."""
        return self.staff.may(Right(right))

    def may(self, right: Right | str) -> bool:
        """Whether who is there has a right, for templates by its name."""
        return self.signed_in and self.staff.may(Right(right))

    def menu(self) -> Sequence[Section]:
        """Return what their role may open."""
        return menu_for(MENU, self.has_right, self.path)

    def actor(self) -> Actor:
        """Return the member of staff, who is nobody at the door, and their address."""
        return Actor("admin", self.browser.address, staff_id=self._staff.id if self._staff else None)

    def orm(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Lend SQLAlchemy's session in a transaction, as ``transaction`` does, for the functions that take one."""
        self.acts()
        return self.parts.db.sessions.begin()
