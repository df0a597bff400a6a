"""Routes: where a service is bought, in which order, what each leaves of the price, and what it would send."""

from typing import Any

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.ordering import reordered
from app.admin.pages.visit import Visit
from app.catalog.service import get_service
from app.catalog.tables import Service
from app.db import MAX_ID, driver
from app.errors import Invalid
from app.imei import clean_imei
from app.pages.forms import Form
from app.staff.service import Right
from app.suppliers import routes
from app.suppliers.dry_run import DryRun, dry_run
from app.suppliers.measures import in_words
from app.suppliers.route_lines import routes_of
from app.suppliers.routes import RouteRow

pages = Noun()

SERVICES = "/admin/services"
MAX_QUANTITY = 100_000
MAX_VALUE = 500


@pages.page("/services/{service_id:int}/routes")
async def of_service(visit: Visit) -> Response:
    """The routes of one service in the order in which they are tried."""
    async with visit.parts.db.pool.connection() as conn:
        routed = await routes_of(conn, _id(visit, "service_id"))
    return await visit.page(
        "routes/list.html",
        routed=routed,
        service_id=routed.service_id,
        times={
            row.id: in_words(row.p50_seconds, row.p95_seconds)
            for row in routed.routes
            if row.p50_seconds is not None and row.p95_seconds is not None
        },
        moved=visit.asked("moved"),
        way=visit.asked("way"),
    )


@pages.action("/services/{service_id:int}/routes/order", back="/admin/services", right=Right.OPERATE)
async def order(visit: Visit) -> Response:
    """Let the routes be tried in the order sent, one of them moved up or down by its button."""
    service_id = _id(visit, "service_id")
    wanted, moved = reordered(visit.form, "route")
    async with visit.transaction() as conn:
        await routes.order_routes(conn, service_id, wanted)
    return visit.go(f"{_list(service_id)}{moved}")


@pages.action("/routes/{route_id:int}/pause", back="/admin/services", right=Right.OPERATE)
async def pause(visit: Visit) -> Response:
    """Send nothing over it from now on."""
    return await _set_state(visit, "paused", "is paused")


@pages.action("/routes/{route_id:int}/resume", back="/admin/services", right=Right.OPERATE)
async def resume(visit: Visit) -> Response:
    """Use it again; the circuit of its remote service is closed too."""
    return await _set_state(visit, "active", "is used again")


@pages.action("/routes/{route_id:int}/remove", back="/admin/services", right=Right.OPERATE)
async def remove(visit: Visit) -> Response:
    """Take it away; one that orders went over is paused, for their history."""
    async with visit.transaction() as conn:
        row = await routes.get_route(conn, _id(visit, "route_id"))
        gone = await routes.remove_route(conn, row.id)
    await visit.say("The route is removed." if gone else "Orders went over the route, so it is paused and stays.")
    return visit.go(_list(row.service_id))


async def show_one(visit: Visit) -> Response:
    """One route: the names of its fields there, fixed values, patience, and a dry run."""
    return await _shown(visit, None)


@pages.form("/routes/{route_id:int}", shown_by=show_one, right=Right.OPERATE, seen_with=Right.READ)
async def change(visit: Visit) -> Response:
    """Change which of our fields is which of theirs, and how patient the route is."""
    form = visit.form
    async with visit.transaction() as conn:
        row = await routes.get_route(conn, _id(visit, "route_id"))
        field_map, fixed = _mapping(form)
        await routes.change_route(
            conn,
            row.id,
            field_map=field_map,
            fixed=fixed,
            next_after_unclear_hours=form.whole("next_after_unclear_hours") or 0,
        )
    await visit.say("The route is changed.")
    return visit.go(f"/admin/routes/{row.id}")


@pages.form("/routes/{route_id:int}/dry-run", shown_by=show_one, right=Right.OPERATE, seen_with=Right.READ)
async def try_dry(visit: Visit) -> Response:
    """Show exactly what an order would send; nothing is sent."""
    row, service, _ = await _read(visit)
    form = visit.form
    device = form.text("device")
    if service.device == "imei":
        try:
            device = clean_imei(device)
        except ValueError as error:
            raise Invalid(f"{str(error).capitalize()}.", field="device") from error
    quantity = form.whole("quantity") or 1
    if not 1 <= quantity <= MAX_QUANTITY:
        raise Invalid(f"A quantity is 1 to {MAX_QUANTITY}.", field="quantity")
    given = {
        field.name: value for number, field in enumerate(service.fields) if (value := _value(form, f"field.{number}"))
    }
    told = await dry_run(visit.parts.db, visit.parts.sealer, row.id, device=device, quantity=quantity, fields=given)
    return await _shown(visit, told)


async def _shown(visit: Visit, told: DryRun | None) -> Response:
    row, service, theirs = await _read(visit)
    async with visit.parts.db.pool.connection() as conn:
        warnings = await routes.route_warnings(conn, row.id)
        cursor = await conn.execute(
            "SELECT c.field, c.kind, s.name AS supplier FROM service_choices c JOIN suppliers s ON s.id = c.supplier_id"
            " WHERE c.service_id = %s ORDER BY c.field",
            (service.id,),
        )
        choices = await cursor.fetchall()
    return await visit.page(
        "routes/one.html",
        row=row,
        service=service,
        service_id=service.id,
        ours=[("", "the field of that name")]
        + [(field.name, field.name) for field in service.fields]
        + [(_FIXED, "a fixed value:")],
        theirs=_as_mapped(row, theirs),
        warnings=warnings,
        choices=choices,
        told=told,
        fixed_mark=_FIXED,
    )


_FIXED = "="
"""Stands in the form for a fixed value in place of a field; no field of ours can be told from it by panels."""


def _as_mapped(row: RouteRow, remote_fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return their fields, and whatever else the route names, each with where its value comes from."""
    sources = {theirs: ours for ours, theirs in row.field_map.items()}
    names = dict.fromkeys([*(field["name"] for field in remote_fields), *row.field_map.values(), *row.fixed])
    required = {field["name"] for field in remote_fields if field.get("required")}
    return [
        {
            "name": name,
            "required": name in required,
            "source": _FIXED if name in row.fixed else sources.get(name, ""),
            "value": row.fixed.get(name, ""),
        }
        for name in names
    ]


def _mapping(form: Form) -> tuple[dict[str, str], dict[str, str]]:
    field_map: dict[str, str] = {}
    fixed: dict[str, str] = {}
    for number, name in enumerate(form.all("theirs")[:100]):
        if not name.strip():
            continue
        if len(name) > MAX_VALUE or "\x00" in name:
            raise Invalid(f"A name has at most {MAX_VALUE} characters.", field=f"source.{number}")
        source = form.get(f"source.{number}")
        if source == _FIXED:
            fixed[name] = _value(form, f"value.{number}")
        elif source in field_map:
            raise Invalid("One field of ours is one of theirs.", field=f"source.{number}")
        elif source:
            form.text(f"source.{number}")
            field_map[source] = name
    return field_map, fixed


def _value(form: Form, name: str) -> str:
    value = form.text(name)
    if len(value) > MAX_VALUE:
        raise Invalid(f"At most {MAX_VALUE} characters.", field=name)
    return value


async def _read(visit: Visit) -> tuple[RouteRow, Service, list[dict[str, Any]]]:
    async with visit.orm() as session:
        async with driver(session) as conn:
            row = await routes.get_route(conn, _id(visit, "route_id"))
            cursor = await conn.execute("SELECT fields FROM remote_services WHERE id = %s", (row.remote_service_id,))
            (remote,) = await cursor.fetchall()
        return row, await get_service(session, row.service_id), remote["fields"]


async def _set_state(visit: Visit, state: str, said: str) -> Response:
    async with visit.transaction() as conn:
        await routes.change_route(conn, _id(visit, "route_id"), state=state)
        row = await routes.get_route(conn, _id(visit, "route_id"))
    await visit.say(f"The route to {row.supplier} {said}.")
    return visit.go(_list(row.service_id))


def _list(service_id: int) -> str:
    return f"{SERVICES}/{service_id}/routes"


def _id(visit: Visit, name: str) -> int:
    return min(visit.id_in_path(name), MAX_ID)
