"""Staff as the owner sets them up: invited, given another role, suspended; there is always an owner left."""

from datetime import datetime

from app.access import invites
from app.access.sessions import end_sessions
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.sealing import Sealer
from app.staff.service import RIGHTS, StaffRow, list_staff


async def get_member(conn: Connection, staff_id: int) -> StaffRow:
    """Return a staff member; NotFound if there is none."""
    row = next((row for row in await list_staff(conn) if row.id == staff_id), None)
    if row is None:
        raise NotFound("There is no such staff member.")
    return row


async def invite(conn: Connection, sealer: Sealer, staff_id: int) -> tuple[str, datetime]:
    """Return an invitation to choose a password, the only copy, and when it ends; one made before works no more.

    Raises NotFound for an unknown staff member, Conflict for one who is suspended.
    """
    member = await get_member(conn, staff_id)
    if member.state != "active":
        raise Conflict("This staff member is suspended.")
    return await invites.invite(conn, sealer, member.login_id)


async def change_role(conn: Connection, staff_id: int, role: str) -> StaffRow:
    """Give a staff member another role and return them; Invalid for no role, Conflict for the last owner."""
    if role not in RIGHTS:
        raise Invalid(f"The role is one of {', '.join(RIGHTS)}.", field="role")
    if role != "owner":
        await _another_owner(conn, staff_id)
    await conn.execute("UPDATE staff SET role = %s WHERE id = %s", (role, staff_id))
    return await get_member(conn, staff_id)


async def suspend(conn: Connection, staff_id: int) -> StaffRow:
    """Let a staff member in no more: sessions and invitations end, tokens rest. Conflict for the last owner."""
    await _another_owner(conn, staff_id)
    await conn.execute("UPDATE staff SET state = 'suspended' WHERE id = %s", (staff_id,))
    member = await get_member(conn, staff_id)
    await end_sessions(conn, member.login_id)
    await invites.withdraw_invite(conn, member.login_id)
    return member


async def resume(conn: Connection, staff_id: int) -> StaffRow:
    """Let a suspended staff member in again, with the password and the tokens they had."""
    await conn.execute("UPDATE staff SET state = 'active' WHERE id = %s", (staff_id,))
    return await get_member(conn, staff_id)


async def _another_owner(conn: Connection, staff_id: int) -> None:
    """Conflict if there would be no active owner without this one."""
    # Locked, so that two owners who leave at the same time do not both count on the other.
    cursor = await conn.execute(
        "SELECT id FROM staff WHERE role = 'owner' AND state = 'active' ORDER BY id FOR NO KEY UPDATE"
    )
    owners = {row["id"] for row in await cursor.fetchall()}
    if owners == {staff_id}:
        raise Conflict("This is the last owner; make somebody else an owner first.")
