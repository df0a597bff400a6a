"""Service groups: the headings of the service list, named and put in order."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.ordering import reordered
from app.admin.pages.visit import Visit
from app.catalog import groups
from app.db import MAX_ID
from app.errors import NotFound
from app.staff.service import Right

pages = Noun()

HERE = "/admin/services/groups"


async def show_all(visit: Visit) -> Response:
    """All of them in the order of the service list: a house has tens of groups."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await groups.list_groups(conn)
    return await visit.page("services/groups.html", rows=rows, moved=visit.asked("moved"), way=visit.asked("way"))


@pages.form("/services/groups", shown_by=show_all, right=Right.OPERATE, seen_with=Right.READ)
async def add(visit: Visit) -> Response:
    """Add a group behind the others."""
    async with visit.transaction() as conn:
        await groups.add_group(conn, visit.form.text("name"))
    await visit.say("The group is added.")
    return visit.go(HERE)


@pages.action("/services/groups/order", back=HERE, right=Right.OPERATE)
async def order(visit: Visit) -> Response:
    """Put the groups in the order sent, one of them moved up or down by its button."""
    wanted, moved = reordered(visit.form, "group")
    async with visit.transaction() as conn:
        await groups.order_groups(conn, wanted)
    return visit.go(f"{HERE}{moved}")


async def show_one(visit: Visit) -> Response:
    """One group, to be renamed or removed."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await groups.list_groups(conn)
    row = next((row for row in rows if row.id == _id(visit)), None)
    if row is None:
        raise NotFound("There is no such group.")
    return await visit.page("services/group.html", row=row)


@pages.form("/services/groups/{group_id:int}", shown_by=show_one, right=Right.OPERATE)
async def rename(visit: Visit) -> Response:
    """Give it another name."""
    async with visit.transaction() as conn:
        await groups.rename_group(conn, _id(visit), visit.form.text("name"))
    await visit.say("The group is renamed.")
    return visit.go(HERE)


@pages.action("/services/groups/{group_id:int}/remove", back=HERE, right=Right.OPERATE)
async def remove(visit: Visit) -> Response:
    """Take an empty group away."""
    async with visit.transaction() as conn:
        await groups.remove_group(conn, _id(visit))
    await visit.say("The group is removed.")
    return visit.go(HERE)


def _id(visit: Visit) -> int:
    return min(visit.id_in_path("group_id"), MAX_ID)
