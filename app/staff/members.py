"""Staff as the owner sets them up: invited, given another role, suspended; there is always an owner left."""

from datetime import datetime, timedelta

from app.clock import now
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.sealing import Sealer, new_token
from app.staff.passwords import set_password
from app.staff.service import RIGHTS, StaffRow, list_staff

INVITE_LASTS = timedelta(days=3)


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
    token, ends = new_token("iv"), now() + INVITE_LASTS
    await conn.execute(
        "INSERT INTO staff_invites (staff_id, token_hash, expires_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (staff_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = now(),"
        " expires_at = excluded.expires_at",
        (staff_id, sealer.hash(token), ends),
    )
    return token, ends


async def accept_invite(conn: Connection, sealer: Sealer, token: str, password_hash: str) -> int:
    """Give the invited member the password they chose, and return their id; Invalid if the invitation does not work."""
    cursor = await conn.execute(
        "DELETE FROM staff_invites i USING staff s WHERE i.token_hash = ANY (%s) AND i.expires_at > now()"
        " AND s.id = i.staff_id AND s.state = 'active' RETURNING i.staff_id",
        (sealer.hashes(token.strip()),),
    )
    row = await cursor.fetchone()
    if row is None:
        raise Invalid(
            "This invitation does not work: it was used, replaced, or is over. Ask for another.", field="code"
        )
    staff_id: int = row["staff_id"]
    await set_password(conn, staff_id, password_hash)
    return staff_id


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
    await conn.execute("DELETE FROM staff_sessions WHERE staff_id = %s", (staff_id,))
    await conn.execute("DELETE FROM staff_invites WHERE staff_id = %s", (staff_id,))
    return await get_member(conn, staff_id)


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
