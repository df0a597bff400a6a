"""``/rates``: what currencies are worth in the base currency, so that margins between two of them can be told."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, PlainSerializer

from app.admin.bodies import ExactRoute
from app.admin.deps import Operator, Parts, Reader, Transaction
from app.admin.schemas import Body, Listing
from app.ledger import rates

router = APIRouter(prefix="/rates", tags=["rates"], route_class=ExactRoute)

Code = Annotated[str, Path(pattern="^[A-Z]{3}$", examples=["IDR"])]
Digits = Annotated[Decimal, PlainSerializer(lambda value: format(value.normalize(), "f"), return_type=str)]


class RateIn(Body):
    """A rate that holds from now on."""

    rate: Annotated[Decimal, Field(gt=0, lt=Decimal("1e9"), max_digits=24, decimal_places=12, examples=["0.0000615"])]


class RateOut(BaseModel):
    """One unit of ``currency`` is worth ``rate`` units of the base currency."""

    currency: str
    rate: Digits
    base: str
    valid_from: datetime


@router.get("", summary="The rates that hold now")
async def list_rates(_: Reader, parts: Parts, conn: Transaction) -> Listing[RateOut]:
    """One row a currency; the base currency's own rate is 1 and not listed."""
    rows = await rates.current_rates(conn)
    return Listing(
        items=[
            RateOut(currency=row.currency, rate=row.rate, base=parts.currency, valid_from=row.valid_from)
            for row in rows
        ]
    )


@router.put("/{currency}", summary="Enter a rate")
async def set_rate(currency: Code, body: RateIn, staff: Operator, parts: Parts, conn: Transaction) -> RateOut:
    """Enter what one unit of the currency is worth from now on; earlier rates stay on record."""
    row = await rates.set_rate(conn, currency=currency, rate=body.rate, base=parts.currency, staff_id=staff.id)
    return RateOut(currency=row.currency, rate=row.rate, base=parts.currency, valid_from=row.valid_from)
