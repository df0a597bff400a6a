"""Going to a supplier on the spot: a test with its diagnosis, a reading of its list; no transaction is open."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.supplier import HERE, supplier_of
from app.admin.pages.visit import Visit
from app.staff.service import Right
from app.suppliers import records
from app.suppliers.contact import WAITING_SECONDS, SupplierFailed, sync_supplier, try_out
from app.suppliers.diagnosis_steps import steps_of
from app.suppliers.hiding import hiding

pages = Noun()


@pages.action("/suppliers/{supplier_id:int}/test", back=HERE, right=Right.OPERATE)
async def test(visit: Visit) -> Response:
    """Ask for balance and catalogue, buy nothing, and say at which step it ended."""
    supplier_id = supplier_of(visit)
    found = await try_out(visit.parts.db, visit.parts.sealer, supplier_id)
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        hide = await hiding(conn, visit.parts.sealer, [supplier_id])
    return await visit.page(
        "supplier/tested.html",
        row=row,
        found=found,
        hide=hide,
        steps=steps_of(found.code, str(row.config.get("base_url", ""))),
    )


@pages.action("/suppliers/{supplier_id:int}/sync", back=HERE, right=Right.OPERATE)
async def sync(visit: Visit) -> Response:
    """Take over the catalogue now; "believe" takes one list as it is, however short it became."""
    supplier_id = supplier_of(visit)
    problem, result = None, None
    try:
        result = await sync_supplier(
            visit.parts.db,
            visit.parts.sealer,
            supplier_id,
            believed=visit.form.yes("believe"),
            staff_id=visit.staff.id,
            at_most=WAITING_SECONDS,
        )
    except SupplierFailed as error:
        problem = error
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        hide = await hiding(conn, visit.parts.sealer, [supplier_id])
    return await visit.page(
        "supplier/synced.html", row=row, result=result, trouble=hide(problem.message) if problem else None
    )
