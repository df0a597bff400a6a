"""``/staff``: who runs the business, what they may do, and how they get in."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Owner, Parts, Reader, Transaction
from app.admin.schemas import Body, Listing, PathId, Row
from app.staff import members
from app.staff.service import StaffRow, create_staff, list_staff

router = APIRouter(prefix="/staff", tags=["staff"], route_class=ExactRoute)

Role = Annotated[str, Field(examples=["operator"], description="owner, operator, finance or read_only.")]


class StaffOut(Row):
    """A member of staff; ``tokens`` counts those that work."""

    email: str
    name: str
    role: str
    state: str
    tokens: int
    created_at: datetime


class StaffIn(Body):
    """Somebody new."""

    email: str
    name: str
    role: Role


class RoleIn(Body):
    """What they may do from now on."""

    role: Role


class InvitationOut(Row):
    """An invitation to choose a password; ``code`` is shown this once and goes behind ``/admin/welcome#``."""

    code: str
    expires_at: datetime


@router.get("", summary="All members of staff")
async def list_all(_: Reader, conn: Transaction) -> Listing[StaffOut]:
    """In the order they came."""
    return Listing(items=[_out(row) for row in await list_staff(conn)])


@router.post("", status_code=201, summary="Add a member of staff")
async def create(body: StaffIn, _: Owner, conn: Transaction) -> StaffOut:
    """They cannot sign in before they used an invitation."""
    staff_id = await create_staff(conn, email=body.email, name=body.name, role=body.role)
    return _out(await members.get_member(conn, staff_id))


@router.post("/{staff_id}/invite", summary="Make an invitation to choose a password")
async def invite(staff_id: PathId, _: Owner, conn: Transaction, parts: Parts) -> InvitationOut:
    """It works once, for three days, and replaces the one before."""
    code, ends = await members.invite(conn, parts.sealer, staff_id)
    return InvitationOut(id=staff_id, code=code, expires_at=ends)


@router.put("/{staff_id}/role", summary="Change what a member of staff may do")
async def change_role(staff_id: PathId, body: RoleIn, _: Owner, conn: Transaction) -> StaffOut:
    """The last owner stays one."""
    return _out(await members.change_role(conn, staff_id, body.role))


@router.post("/{staff_id}/suspend", summary="Let a member of staff in no more")
async def suspend(staff_id: PathId, _: Owner, conn: Transaction) -> StaffOut:
    """Their sessions end and their tokens rest; the last owner stays."""
    return _out(await members.suspend(conn, staff_id))


@router.post("/{staff_id}/resume", summary="Let a suspended member of staff in again")
async def resume(staff_id: PathId, _: Owner, conn: Transaction) -> StaffOut:
    """With the password, the second factor and the tokens they had."""
    return _out(await members.resume(conn, staff_id))


def _out(row: StaffRow) -> StaffOut:
    return StaffOut(
        id=row.id,
        email=row.email,
        name=row.name,
        role=row.role,
        state=row.state,
        tokens=row.tokens,
        created_at=row.created_at,
    )
