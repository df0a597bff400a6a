"""What the handlers of the staff API ask for: the parts, who is calling, and a transaction of their own.

The transactions end in the ``function`` scope, which is before the reply is sent: a client that holds a reply holds
committed rows, and a commit that fails becomes an error instead of a lie.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.addresses import client_ip
from app.approvals.asking import FourEyes
from app.db import Actor, Connection, Database, acting
from app.errors import Forbidden, Unauthenticated
from app.sealing import Sealer
from app.staff.service import Right, StaffIdentity, authenticate


@dataclass(slots=True)
class AdminDeps:
    """What the staff API is built from; ``currency`` is that of accounts and prices unless a call names another.

    ``four_eyes_above`` is the amount of it, in micro-units, above which two people move money; None: never.
    """

    db: Database
    sealer: Sealer
    currency: str
    four_eyes_above: int | None = None

    @property
    def four_eyes(self) -> FourEyes:
        """The rule that tells which acts with money another has to approve."""
        return FourEyes(self.four_eyes_above, self.currency)


def bound(deps: AdminDeps) -> Callable[[Request], None]:
    """Return the dependency that hands ``deps`` to every request of one router."""

    def bind(request: Request) -> None:
        request.state.admin = deps

    return bind


def _parts(request: Request) -> AdminDeps:
    return cast("AdminDeps", request.state.admin)


Parts = Annotated[AdminDeps, Depends(_parts)]

_bearer = HTTPBearer(
    auto_error=False, scheme_name="Staff token", description="A staff token; `trunkline staff token EMAIL` makes one."
)


async def _identity(
    request: Request, parts: Parts, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> StaffIdentity:
    if credentials is None:
        raise Unauthenticated("A staff token is needed: Authorization: Bearer ts_…")
    # Its own connection, given back at once: the call may go on to talk to a supplier.
    async with parts.db.pool.connection() as conn:
        staff = await authenticate(conn, parts.sealer, credentials.credentials)
    address = client_ip(request.scope) or ""
    acting.set(None if request.method == "GET" else Actor("api", address, staff_id=staff.id))
    return staff


def require(staff: StaffIdentity, right: Right) -> None:
    """Forbidden unless the staff member's role has the right."""
    if not staff.may(right):
        raise Forbidden(f"Your role, {staff.role}, does not have the right to {right.value} here.")


def _with(right: Right) -> Callable[..., StaffIdentity]:
    def allowed(staff: Annotated[StaffIdentity, Depends(_identity)]) -> StaffIdentity:
        require(staff, right)
        return staff

    return allowed


Reader = Annotated[StaffIdentity, Depends(_with(Right.READ))]
Operator = Annotated[StaffIdentity, Depends(_with(Right.OPERATE))]
Treasurer = Annotated[StaffIdentity, Depends(_with(Right.MONEY))]
Owner = Annotated[StaffIdentity, Depends(_with(Right.OWN))]


# Both need to know who is calling before they begin: the transaction tells who it was.
async def _session(parts: Parts, _: Annotated[StaffIdentity, Depends(_identity)]) -> AsyncIterator[AsyncSession]:
    async with parts.db.sessions.begin() as session:
        yield session


async def _transaction(parts: Parts, _: Annotated[StaffIdentity, Depends(_identity)]) -> AsyncIterator[Connection]:
    async with parts.db.transaction() as conn:
        yield conn


Session = Annotated[AsyncSession, Depends(_session, scope="function")]
Transaction = Annotated[Connection, Depends(_transaction, scope="function")]
