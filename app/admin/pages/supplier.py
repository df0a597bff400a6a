"""One supplier: how it stands and what to do next; its account, its pauses, its circuits."""

from starlette.responses import Response

from app.admin.pages.config_form import inputs, read_config, told_plainly
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.admin.schemas import MAX_ID
from app.alarms.kinds import AlarmKind
from app.alarms.service import about_supplier, live_about
from app.connectors import registry
from app.errors import Invalid
from app.money import check_currency
from app.staff.service import Right
from app.suppliers import records, service
from app.suppliers.balances import change_currency
from app.suppliers.circuits import close_remote_service, close_supplier
from app.suppliers.hiding import hiding
from app.suppliers.remote_services import count_catalog, list_remote_services
from app.suppliers.runway import runway_of

pages = Noun()

HERE = "/admin/suppliers"
SHOWN_CIRCUITS = 20


def supplier_of(visit: Visit) -> int:
    """Return the supplier's id of the path; one that no row can have is that of no supplier."""
    return min(visit.id_in_path("supplier_id"), MAX_ID)


def page_of(visit: Visit) -> str:
    """Return the path of the supplier's own page."""
    return f"{HERE}/{supplier_of(visit)}"


@pages.page("/suppliers/{supplier_id:int}")
async def supplier(visit: Visit) -> Response:
    """How it stands: balance and runway, circuits, alarms, its catalogue, and the next step while it is new."""
    supplier_id = supplier_of(visit)
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        account = await runway_of(conn, supplier_id)
        alarms = await live_about(conn, [about_supplier(supplier_id)])
        counts = await count_catalog(conn, supplier_id)
        resting = (
            await list_remote_services(conn, supplier_id, state="paused", limit=SHOWN_CIRCUITS) if counts.paused else []
        )
        hide = await hiding(conn, visit.parts.sealer, [supplier_id])
    return await visit.page(
        "supplier/index.html",
        row=row,
        account=account,
        alarms=[(alarm, AlarmKind(alarm.kind).meaning) for alarm in alarms],
        counts=counts,
        resting=resting,
        hide=hide,
        kind=registry.kinds()[row.kind],
    )


async def show_account(visit: Visit) -> Response:
    """The settings as they are, without the secrets."""
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_of(visit))
    return await visit.page(
        "supplier/account.html", row=row, inputs=inputs(row.kind, row.config), title=registry.kinds()[row.kind].title
    )


@pages.form("/suppliers/{supplier_id:int}/account", shown_by=show_account, right=Right.OPERATE, fresh=True)
async def change_account(visit: Visit) -> Response:
    """Change name and settings; secrets that were left empty stay. Workers take them with their next call."""
    supplier_id = supplier_of(visit)
    try:
        currency = check_currency(visit.form.text("currency").upper())
    except ValueError as error:
        raise Invalid("Three letters, such as USD.", field="currency") from error
    try:
        async with visit.transaction() as conn:
            row = await records.get_supplier(conn, supplier_id)
            await service.change(
                conn,
                visit.parts.sealer,
                supplier_id,
                name=visit.form.text("name"),
                config=read_config(row.kind, visit.form, is_new=False),
                panel_url=visit.form.text("panel_url"),
            )
            await change_currency(conn, supplier_id, currency)
    except Invalid as error:
        raise told_plainly(error) from error
    await visit.say("The account is changed. Test it again.")
    return visit.go(page_of(visit))


async def show_pause(visit: Visit) -> Response:
    """Say what a pause does, and ask why."""
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_of(visit))
    return await visit.page("supplier/pause.html", row=row)


@pages.form("/suppliers/{supplier_id:int}/pause", shown_by=show_pause, right=Right.OPERATE)
async def pause(visit: Visit) -> Response:
    """Send nothing more there until somebody resumes it; orders there are still asked after."""
    because = visit.form.text("because")
    if not because:
        raise Invalid("Say why, for those who find it paused.", field="because")
    async with visit.transaction() as conn:
        await service.change(conn, visit.parts.sealer, supplier_of(visit), state="paused", because=because)
    await visit.say("Paused: nothing new is sent there. Orders that are there are still asked after.")
    return visit.go(page_of(visit))


@pages.action("/suppliers/{supplier_id:int}/resume", back=HERE, right=Right.OPERATE)
async def resume(visit: Visit) -> Response:
    """Send orders there again; that also ends what a machine paused."""
    async with visit.transaction() as conn:
        await service.change(conn, visit.parts.sealer, supplier_of(visit), state="active")
    await visit.say("Orders are sent there again.")
    return visit.go(page_of(visit))


@pages.action("/suppliers/{supplier_id:int}/try-again", back=HERE, right=Right.OPERATE)
async def try_again(visit: Visit) -> Response:
    """Close the circuits that machines opened, of the supplier and of its services, at once."""
    async with visit.transaction() as conn:
        await records.get_supplier(conn, supplier_of(visit))
        await close_supplier(conn, supplier_of(visit))
    await visit.say("What waited is sent now.")
    return visit.go(page_of(visit))


@pages.action("/suppliers/{supplier_id:int}/services/{remote_service_id:int}/try-again", back=HERE, right=Right.OPERATE)
async def try_service_again(visit: Visit) -> Response:
    """Close the circuit of one remote service at once."""
    async with visit.transaction() as conn:
        await close_remote_service(conn, supplier_of(visit), min(visit.id_in_path("remote_service_id"), MAX_ID))
    await visit.say("Orders of this service are sent there again.")
    return visit.go(page_of(visit))
