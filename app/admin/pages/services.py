"""Services: what we sell, found, put on sale, changed, and many of them changed at once."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages import service_form
from app.admin.pages.noun import Noun
from app.admin.pages.percent import read_percent
from app.admin.pages.visit import Visit
from app.catalog import many
from app.catalog import service as catalog
from app.catalog.groups import list_groups
from app.catalog.price_history import history_of
from app.catalog.tables import Service
from app.connectors.base import FieldType, ServiceType
from app.db import MAX_ID
from app.errors import Conflict, Invalid, NotFound
from app.pages.forms import safe_next
from app.staff.service import Right
from app.suppliers.assortment import TROUBLES, Wanted, list_lines

pages = Noun()

HERE = "/admin/services"
PAGE = 50
DEVICES = (
    ("imei", "an IMEI"), ("serial", "a serial number"), ("imei_or_serial", "an IMEI or a serial number"),
    ("none", "nothing"),
)  # fmt: skip
DUPLICATES = (
    ("refuse", "refused"), ("return", "answered with the first order, if it is the same in all"),
    ("recent", "answered with the first result, while it is young enough"), ("allow", "taken"),
)  # fmt: skip
ROUTINGS = (
    ("priority", "by the order that you set"), ("cost", "the cheapest first"),
    ("expected_cost", "the cheapest per delivery first"),
)  # fmt: skip


@pages.page("/services")
async def services(visit: Visit) -> Response:
    """Those that are asked for, in the order of the service list."""
    wanted = Wanted(
        search=visit.asked("search"),
        group_id=visit.asked_id("group"),
        type=visit.asked("type"),
        state=visit.asked("state"),
        trouble=visit.asked("trouble"),
    )
    after = visit.asked_id("after")
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_lines(conn, wanted, after=after, limit=PAGE + 1)
        groups = await list_groups(conn)
    asked = {name: visit.asked(name) for name in ("search", "group", "type", "state", "trouble")}
    query = {name: value for name, value in asked.items() if value}
    return await visit.page(
        "services/list.html",
        rows=rows[:PAGE],
        groups=[(group.id, group.name) for group in groups],
        asked=asked,
        types=[(kind.value, kind.value) for kind in ServiceType],
        troubles=TROUBLES,
        here=f"{HERE}?{urlencode(query)}" if query else HERE,
        first=f"{HERE}?{urlencode(query)}" if after else None,
        more=f"{HERE}?{urlencode({**query, 'after': rows[PAGE - 1].id})}" if len(rows) > PAGE else None,
    )


@pages.action("/services/many", back=HERE, right=Right.OPERATE)
async def change_many(visit: Visit) -> Response:
    """Hide, show, move or price the services that are ticked, all or none."""
    ticked = visit.form.ids("service")
    act = visit.form.text("act")
    async with visit.transaction() as conn:
        if act in ("hide", "show"):
            changed = await many.set_state(conn, ticked, "hidden" if act == "hide" else "active")
            text = f"{changed} {'hidden' if act == 'hide' else 'shown'}."
        elif act == "move":
            changed = await many.move_to_group(conn, ticked, (visit.form.ids("to_group") or [0])[0])
            text = f"{changed} moved."
        elif act == "price":
            changed = await many.move_prices(
                conn,
                ticked,
                basis_points=read_percent(visit.form, "percent"),
                step=visit.form.amount("step") if visit.form.text("step") else 1,
            )
            text = f"{changed} priced anew, by hand."
        elif act == "rules":
            changed = await many.leave_to_rules(conn, ticked)
            text = f"{changed} left to the mark-up rules, which make the prices within a minute."
        else:
            raise Invalid("Choose what to do with them.", field="act")
    await visit.say(text)
    return visit.go(safe_next(visit.form.get("back") or HERE, pages.root))


async def show_new(visit: Visit) -> Response:
    """Ask for everything a service can have; most of it has a usual value."""
    return await _form(visit, None)


@pages.form("/services/new", shown_by=show_new, right=Right.OPERATE)
async def add(visit: Visit) -> Response:
    """Put a service on sale; what comes next is its routes."""
    new = service_form.read_new(visit)
    try:
        async with visit.orm() as session:
            made = await catalog.create_service(session, new)
    except Invalid as error:
        raise service_form.at_fault(error, visit.form) from error
    await visit.say(f"{made.name} is on sale; orders are taken once a route leads to a supplier.")
    return visit.go(f"{HERE}/{made.id}/routes")


async def show_one(visit: Visit) -> Response:
    """One service, and all that can be changed of it."""
    async with visit.orm() as session:
        service = await catalog.get_service(session, _id(visit))
    return await _form(visit, service)


@pages.form("/services/{service_id:int}", shown_by=show_one, right=Right.OPERATE, seen_with=Right.READ)
async def change(visit: Visit) -> Response:
    """Change it as it was seen, or not at all; orders that are open keep what they were sold as."""
    changes = service_form.read_changes(visit)
    try:
        async with visit.orm() as session:
            service = await catalog.get_service(session, _id(visit), lock=True)
            if visit.form.get("seen", service_form.digest_of(service)) != service_form.digest_of(service):
                raise Conflict("Somebody changed this service since you opened it: look, and send it again.")
            made = await catalog.change_service(session, service.id, changes)
    except Invalid as error:
        raise service_form.at_fault(error, visit.form) from error
    await visit.say(f"{made.name} is changed.")
    return visit.go(f"{HERE}/{made.id}")


@pages.page("/services/{service_id:int}/prices")
async def prices(visit: Visit) -> Response:
    """Every price that it ever had, the newest first."""
    service_id = _id(visit)
    before = visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        rows = await history_of(conn, service_id, before=before, limit=PAGE + 1)
        cursor = await conn.execute("SELECT name FROM services WHERE id = %s", (service_id,))
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such service.")
    here = f"{HERE}/{service_id}/prices"
    return await visit.page(
        "services/prices.html",
        service_id=service_id,
        name=row["name"],
        rows=rows[:PAGE],
        first=here if before else None,
        more=f"{here}?before={rows[PAGE - 1].id}" if len(rows) > PAGE else None,
    )


async def _form(visit: Visit, service: Service | None) -> Response:
    async with visit.parts.db.pool.connection() as conn:
        groups = await list_groups(conn)
    values = service_form.shown(service, visit.parts.currency)
    numbers = service_form.numbers_of_fields(visit.form) if visit.problem else range(len(values["fields"]))
    last = max(numbers, default=-1)
    return await visit.page(
        "services/one.html",
        service=service,
        shown_fields={*values, *visit.form.names()} - {"next_after_rejection", "measured_time", "takes_quantity"},
        values=values,
        # What was typed before somebody else's change was told of may be sent again, knowing of it.
        seen=visit.form.get("seen")
        if visit.problem and visit.problem.field
        else service and service_form.digest_of(service),
        groups=[(group.id, group.name) for group in groups],
        field_numbers=range(min(last + 1 + service_form.BLANK_FIELDS, service_form.MAX_FIELDS)),
        types=[(kind.value, kind.value) for kind in ServiceType],
        field_types=[(kind.value, kind.value) for kind in FieldType],
        devices=DEVICES,
        duplicates=DUPLICATES,
        routings=ROUTINGS,
    )


def _seen(visit: Visit, service: Service | None) -> str:
    """Return what stands for the service as the person saw it: what it is now, once they were told of a change."""
    kept = visit.form.get("seen") if visit.problem and visit.problem.field else ""
    return kept or (service_form.digest_of(service) if service else "")


def _id(visit: Visit) -> int:
    return min(visit.id_in_path("service_id"), MAX_ID)
