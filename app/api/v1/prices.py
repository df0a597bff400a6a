"""``/prices/history``: what a service cost the caller over time."""

from fastapi import APIRouter
from pydantic import Field

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import Parts, ServicesReader
from app.api.v1.named import InQuery, service_named
from app.api.v1.responses import SERVICE_NOT_FOUND
from app.catalog.price_history import paid_prices
from app.money import format_amount
from app.web.schemas import DEFAULT_PAGE, Cursor, Decimals, Page, PageSize, Row, Timestamp

router = APIRouter(prefix="/prices", tags=["services"], route_class=ExactRoute)


class PaidPriceOut(Row):
    """A price and since when it held."""

    price: Decimals | None = Field(description="Of one piece; null: it was not sold to you then.")
    currency: str = Field(examples=["USD"])
    at: Timestamp


@router.get("/history", summary="The prices of a service over time", responses=SERVICE_NOT_FOUND)
async def price_history(
    service: InQuery, caller: ServicesReader, parts: Parts, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> Page[PaidPriceOut]:
    """What the service cost this account, the newest price first: its own price if it has one, else its price group's,
    else the list price. The price group is the one that the account is in today."""
    found = await service_named(parts, caller, service)
    async with parts.db.pool.connection() as conn:
        paid = await paid_prices(
            conn,
            found.id,
            customer_id=caller.customer_id,
            price_group_id=caller.price_group_id,
            currency=caller.currency,
        )
    rows = [
        PaidPriceOut(
            id=one.id,
            price=None if one.price is None else format_amount(one.price),
            currency=caller.currency,
            at=one.at,
        )
        for one in reversed(paid)
        if cursor is None or one.id < cursor
    ]
    return Page.of(rows, limit)
