"""Rates: what currencies are worth in the base currency; each holds from the moment it was entered."""

from decimal import Decimal, InvalidOperation

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.ledger.rates import current_rates, set_rate
from app.staff.service import Right

pages = Noun()

HERE = "/admin/rates"
_MOST_PLACES = 12


@pages.page("/rates")
async def rates(visit: Visit) -> Response:
    """The rates that hold now."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await current_rates(conn)
    return await visit.page("rates/index.html", rows=[(row, f"{row.rate.normalize():f}") for row in rows])


async def show_new(visit: Visit) -> Response:
    """Ask for a currency and what it is worth."""
    return await visit.page("rates/new.html")


@pages.form("/rates/new", shown_by=show_new, right=Right.OPERATE)
async def enter(visit: Visit) -> Response:
    """Enter what one unit of a currency is worth from now on; earlier rates stay on record."""
    async with visit.transaction() as conn:
        row = await set_rate(
            conn,
            currency=visit.form.text("currency").upper(),
            rate=_rate(visit.form.text("rate")),
            base=visit.parts.currency,
            staff_id=visit.staff.id,
        )
    worth = f"{row.rate.normalize():f} {visit.parts.currency}"
    await visit.say(f"One {row.currency} is worth {worth} from now on.")
    return visit.go(HERE)


def _rate(text: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation as error:
        raise Invalid("A number such as 0.0000615.", field="rate") from error
    exponent = rate.as_tuple().exponent
    if len(text) > 40 or not isinstance(exponent, int) or exponent < -_MOST_PLACES:
        raise Invalid(f"A number with at most {_MOST_PLACES} decimal places.", field="rate")
    return rate
