"""Mapping: the suppliers' catalogues beside ours; what is ticked becomes services, or routes of services."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.markup_form import read_markup
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.catalog.clean_names import RULES
from app.catalog.groups import list_groups
from app.connectors.base import ServiceType
from app.db import Connection
from app.errors import Invalid
from app.staff.service import Right
from app.suppliers.assortment import Wanted, list_lines
from app.suppliers.mapping import MOST, How, make_services, plan_services
from app.suppliers.remote_lines import WantedRemote, alike, groups_of, list_remote
from app.suppliers.route_plans import Pair, make_routes, plan_routes

pages = Noun()

HERE = "/admin/mapping"
PAGE = 50
BY_RULES, BY_MARKUP = "rules", "markup"
TYPES = [(kind.value, kind.value) for kind in ServiceType]
_ASKED = ("search", "supplier", "group", "type", "unmapped", "suggest", "ours", "service")


@pages.page("/mapping")
async def mapping(visit: Visit) -> Response:
    """Their catalogues and ours side by side, each searched for itself; likely pairs where they are asked for."""
    asked = {name: visit.asked(name) for name in _ASKED}
    supplier_id, after = visit.asked_id("supplier"), visit.asked_id("after") or 0
    service_id = visit.asked_id("service")
    wanted = WantedRemote(
        search=asked["search"],
        supplier_id=supplier_id,
        group=asked["group"] if supplier_id else "",
        type=asked["type"],
        unmapped=bool(asked["unmapped"]),
    )
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_remote(conn, wanted, after=after, limit=PAGE + 1)
        shown = rows[:PAGE]
        likely = await alike(conn, [row.id for row in shown if not row.mapped]) if asked["suggest"] else {}
        ours = await list_lines(conn, Wanted(search=asked["ours"], type=asked["type"]), limit=PAGE)
        chosen = await list_lines(conn, Wanted(service_id=service_id), limit=1) if service_id else []
        suppliers = await _suppliers(conn)
        groups = await groups_of(conn, supplier_id) if supplier_id else []
    query = {name: value for name, value in asked.items() if value}
    return await visit.page(
        "mapping/index.html",
        rows=shown,
        likely=likely,
        ours=chosen + [row for row in ours if row.id != service_id],
        service_id=service_id,
        suppliers=suppliers,
        groups=groups,
        types=TYPES,
        asked=asked,
        first=f"{HERE}?{urlencode(query)}" if after else None,
        more=f"{HERE}?{urlencode({**query, 'after': shown[-1].id})}" if len(rows) > PAGE else None,
    )


async def show_services(visit: Visit) -> Response:
    """The services that the ticked remote services would become, and how: nothing is made by looking."""
    ids = visit.form.ids("remote")
    if not ids:
        await visit.say("Tick the services of suppliers that you want to sell.")
        return visit.go(HERE)
    how = _how(visit) if visit.problem is None or visit.problem.field is None else How(visit.parts.currency)
    async with visit.parts.db.pool.connection() as conn:
        plan = await plan_services(conn, ids, how)
        groups = await list_groups(conn)
    return await visit.page(
        "mapping/services.html",
        rows=plan,
        groups=groups,
        rules={name: text for name, (text, _) in RULES.items()},
        clean=_clean(visit),
        by_rules=_is_by_rules(visit),
        house=visit.parts.currency,
    )


@pages.form("/mapping/services", shown_by=show_services, right=Right.OPERATE)
async def make(visit: Visit) -> Response:
    """Show what would be made, or make exactly what was shown."""
    ids = visit.form.ids("remote")
    if visit.form.get("act") != "make" or not ids:
        return await show_services(visit)
    async with visit.orm() as session:
        made = await make_services(session, ids, _how(visit), seen=_seen(visit))
    await visit.say(f"{len(made)} service{'' if len(made) == 1 else 's'} made, each with its route.")
    return visit.go("/admin/services")


async def show_routes(visit: Visit) -> Response:
    """The routes that would be added, with what each would leave of the price."""
    pairs = await _pairs(visit)
    if not pairs:
        await visit.say("Tick services of suppliers, and choose one of ours or the likely ones.")
        return visit.go(HERE)
    async with visit.parts.db.pool.connection() as conn:
        plan = await plan_routes(conn, pairs)
    return await visit.page("mapping/routes.html", rows=plan)


@pages.form("/mapping/routes", shown_by=show_routes, right=Right.OPERATE)
async def add_routes(visit: Visit) -> Response:
    """Show which routes would be added, or add exactly those that were shown."""
    if visit.form.get("act") != "make":
        return await show_routes(visit)
    pairs = await _pairs(visit)
    if not pairs:
        return await show_routes(visit)
    async with visit.transaction() as conn:
        made = await make_routes(conn, pairs, seen=_seen(visit))
    await visit.say(f"{made} route{'' if made == 1 else 's'} added, behind those that were there.")
    services = {service for _, service in pairs}
    return visit.go(f"/admin/services/{services.pop()}/routes" if len(services) == 1 else HERE)


async def _pairs(visit: Visit) -> list[Pair]:
    """Return which remote service is to be a route of which of ours, as ticked, chosen or likely."""
    form = visit.form
    ids = form.ids("remote")
    if len(ids) > MOST:
        raise Invalid(f"At most {MOST} are mapped at once.", field="remote")
    if form.get("to") == "likely":
        async with visit.parts.db.pool.connection() as conn:
            likely = await alike(conn, ids)
        return [(remote, likely[remote].id) for remote in ids if remote in likely]
    kept = {remote: form.ids(f"service-{remote}") for remote in ids}
    chosen = form.ids("service")[:1]
    return [(remote, service) for remote in ids for service in (kept[remote] or chosen)[:1]]


def _how(visit: Visit) -> How:
    form = visit.form
    again = form.get("act") == "clean"
    return How(
        currency=visit.parts.currency,
        clean=frozenset(_clean(visit)),
        group=form.text("group"),
        markup=None if _is_by_rules(visit) else read_markup(form),
        names={} if again else {remote: form.text(f"name-{remote}") for remote in form.ids("remote")},
    )


def _seen(visit: Visit) -> dict[int, str]:
    """Return what stands for each ticked row as it was shown."""
    return {remote: visit.form.get(f"seen-{remote}") for remote in visit.form.ids("remote")}


def _is_by_rules(visit: Visit) -> bool:
    return visit.form.get("pricing", BY_RULES) == BY_RULES


def _clean(visit: Visit) -> list[str]:
    """Return the rules for names that are ticked; all of them on the first look."""
    return visit.form.all("clean") if visit.form.get("looked") else list(RULES)


async def _suppliers(conn: Connection) -> list[tuple[int, str]]:
    cursor = await conn.execute("SELECT id, name FROM suppliers ORDER BY name")
    return [(row["id"], row["name"]) for row in await cursor.fetchall()]
