"""Suppliers: all our accounts upstream with their health at a glance, and adding one."""

from starlette.responses import Response

from app.admin.pages.config_form import inputs, read_config, told_plainly
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.alarms.service import about_supplier, live_about
from app.connectors import registry
from app.errors import Conflict, Invalid, NotFound
from app.money import check_currency
from app.staff.service import Right
from app.suppliers import records, service
from app.suppliers.runway import runways

pages = Noun()

HERE = "/admin/suppliers"
SIMULATOR = "Simulator"


@pages.page("/suppliers")
async def suppliers(visit: Visit) -> Response:
    """All of them: a house has tens of suppliers, not thousands."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await records.list_suppliers(conn)
        accounts = {account.supplier_id: account for account in await runways(conn)}
        alarms = await live_about(conn, [about_supplier(row.id) for row in rows])
    return await visit.page(
        "suppliers/list.html",
        rows=[
            (row, accounts[row.id], [alarm for alarm in alarms if alarm.subject == about_supplier(row.id)])
            for row in rows
            if row.id in accounts
        ],
        titles={kind: connector.title for kind, connector in registry.kinds().items()},
        simulator=visit.parts.simulator,
    )


@pages.page("/suppliers/new", right=Right.OPERATE)
async def choose_kind(visit: Visit) -> Response:
    """Ask what the supplier speaks."""
    return await visit.page(
        "suppliers/kinds.html",
        kinds=[(kind, connector.title, _said_of(kind)) for kind, connector in registry.kinds().items()],
        simulator=visit.parts.simulator,
    )


async def show_new(visit: Visit) -> Response:
    """Ask for what the kind wants to know."""
    kind = str(visit.request.path_params["kind"])
    return await visit.page(
        "suppliers/new.html", kind=kind, inputs=inputs(kind), title=registry.kinds()[kind].title, about=_said_of(kind)
    )


@pages.form("/suppliers/new/{kind}", shown_by=show_new, right=Right.OPERATE, fresh=True)
async def add(visit: Visit) -> Response:
    """Add the account with its secrets sealed, and lead to its page, where the next steps are."""
    kind = str(visit.request.path_params["kind"])
    config = read_config(kind, visit.form, is_new=True)
    try:
        currency = check_currency(visit.form.text("currency").upper())
    except ValueError as error:
        raise Invalid("Three letters, such as USD.", field="currency") from error
    try:
        async with visit.transaction() as conn:
            supplier_id = await service.add(
                conn, visit.parts.sealer, name=visit.form.text("name"), kind=kind, config=config, currency=currency
            )
    except Invalid as error:
        raise told_plainly(error) from error
    await visit.say("The supplier is added. Test it next.")
    return visit.go(f"{HERE}/{supplier_id}")


@pages.action("/suppliers/simulator", back=HERE, right=Right.OPERATE)
async def add_simulator(visit: Visit) -> Response:
    """Add the built-in simulator where one runs; asked for twice, it is there once."""
    simulator = visit.parts.simulator
    if simulator is None:
        raise NotFound("No simulator runs here: start one with trunkline simulator and set SIMULATOR_URL.")
    try:
        async with visit.transaction() as conn:
            supplier_id = await service.add(
                conn, visit.parts.sealer, name=SIMULATOR, kind="dhru", currency="USD", config=simulator.config
            )
    except Conflict:
        async with visit.parts.db.pool.connection() as conn:
            supplier_id = (await records.find_supplier(conn, SIMULATOR)).id
    else:
        await visit.say("The simulator is added. Test it next.")
    return visit.go(f"{HERE}/{supplier_id}")


def _said_of(kind: str) -> str:
    """Return what a kind says of itself in one sentence: the first line of its connector's docstring."""
    return (registry.kinds()[kind].__doc__ or "").strip().splitlines()[0]
