"""Staff, for owners: who is in, who is invited, what they may do."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.staff import members
from app.staff.service import Right, create_staff, list_staff

pages = Noun()

HERE = "/admin/staff"

ROLES = {
    "owner": "everything, also staff and who is told of alarms",
    "operator": "everything but moving money by hand and staff",
    "finance": "look at everything, and move money by hand",
    "read_only": "look at everything",
}


@pages.page("/staff", right=Right.OWN)
async def staff(visit: Visit) -> Response:
    """All of them: a house has tens of staff, not thousands."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_staff(conn)
    return await visit.page("staff/list.html", rows=rows, roles=ROLES)


async def show_new(visit: Visit) -> Response:
    """Ask who it is and what they may do."""
    return await visit.page("staff/new.html", roles=ROLES)


@pages.form("/staff/new", shown_by=show_new, right=Right.OWN, fresh=True)
async def add(visit: Visit) -> Response:
    """Create the member and show the invitation, this once."""
    email = visit.form.text("email")
    async with visit.transaction() as conn:
        staff_id = await create_staff(conn, email=email, name=visit.form.text("name"), role=visit.form.text("role"))
        token, ends = await members.invite(conn, visit.parts.sealer, staff_id)
    return await visit.page("staff/invited.html", email=email, link=_link(visit, token), ends=ends)


async def show_one(visit: Visit) -> Response:
    """One member, and what can be changed."""
    async with visit.parts.db.pool.connection() as conn:
        row = await members.get_member(conn, visit.id_in_path("staff_id"))
    return await visit.page("staff/one.html", row=row, roles=ROLES)


@pages.form("/staff/{staff_id:int}", shown_by=show_one, right=Right.OWN, fresh=True)
async def change(visit: Visit) -> Response:
    """Give them another role."""
    async with visit.transaction() as conn:
        row = await members.change_role(conn, visit.id_in_path("staff_id"), visit.form.text("role"))
    await visit.say(f"{row.name} is {row.role.replace('_', '-')} now.")
    return visit.go(HERE)


@pages.action("/staff/{staff_id:int}/invite", back=HERE, right=Right.OWN, fresh=True)
async def invite(visit: Visit) -> Response:
    """Show a new invitation, this once; it replaces the one before, and when used, the password."""
    staff_id = visit.id_in_path("staff_id")
    async with visit.transaction() as conn:
        row = await members.get_member(conn, staff_id)
        token, ends = await members.invite(conn, visit.parts.sealer, staff_id)
    return await visit.page("staff/invited.html", email=row.email, link=_link(visit, token), ends=ends)


@pages.action("/staff/{staff_id:int}/suspend", back=HERE, right=Right.OWN, fresh=True)
async def suspend(visit: Visit) -> Response:
    """Let them in no more."""
    async with visit.transaction() as conn:
        row = await members.suspend(conn, visit.id_in_path("staff_id"))
    if visit.staff.id == row.id:
        return visit.signs_out(visit.go("/admin/sign-in"))
    await visit.say(f"{row.name} is suspended.")
    return visit.go(HERE)


@pages.action("/staff/{staff_id:int}/resume", back=HERE, right=Right.OWN, fresh=True)
async def resume(visit: Visit) -> Response:
    """Let them in again."""
    async with visit.transaction() as conn:
        row = await members.resume(conn, visit.id_in_path("staff_id"))
    await visit.say(f"{row.name} may sign in again.")
    return visit.go(HERE)


def _link(visit: Visit, token: str) -> str:
    # Behind the #, which no server and no log ever sees.
    return f"{visit.parts.base_url}/admin/welcome#{token}"
