"""What a customer used us for: orders by day and by service, and what they spent."""

from datetime import UTC, datetime, time, timedelta

from starlette.responses import Response

from app.admin.pages.customers import customer_of
from app.admin.pages.noun import Noun
from app.admin.pages.ranges import bounded_days, latest_days
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.orders.usage import MOST_ORDERS, usage_of

pages = Noun()

USUAL_DAYS = 30
MOST_DAYS = 92


@pages.page("/customers/{customer_id:int}/usage")
async def usage(visit: Visit) -> Response:
    """The days asked for, the last thirty unless others are named."""
    try:
        first, last = bounded_days(visit, usual=USUAL_DAYS, most=MOST_DAYS)
    except Invalid as problem:
        visit.problem = problem
        first, last = latest_days(USUAL_DAYS)
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        days, services = await usage_of(
            conn, row.id, since=datetime.combine(first, time(), UTC),
            until=datetime.combine(last + timedelta(days=1), time(), UTC),
        )  # fmt: skip
    return await visit.page(
        "customers/usage.html",
        status=422 if visit.problem else 200,
        customer=row,
        days=days,
        services=services,
        first=first,
        last=last,
        most=MOST_ORDERS,
    )
