"""How one supplier did: day by day, and for each of its services."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.supplier import supplier_of
from app.admin.pages.visit import Visit
from app.suppliers import records
from app.suppliers.performance import report_days, report_remote_services

pages = Noun()

PERIODS = (7, 30, 90)
MOST = 100


@pages.page("/suppliers/{supplier_id:int}/performance")
async def performance(visit: Visit) -> Response:
    """The last days, and the services that were bought most in them."""
    supplier_id, asked = supplier_of(visit), visit.asked_id("days")
    days = asked if asked in PERIODS else PERIODS[0]
    async with visit.parts.db.pool.connection() as conn:
        row = await records.get_supplier(conn, supplier_id)
        by_day = await report_days(conn, supplier_id, days=days)
        by_service = await report_remote_services(conn, supplier_id, days=days, limit=MOST)
    return await visit.page(
        "supplier/performance.html",
        row=row,
        days=days,
        periods=PERIODS,
        by_day=by_day,
        by_service=by_service,
        most=MOST,
    )
