"""What currencies are worth in the base currency, by date: what makes a margin between two of them provable."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.db import Connection
from app.errors import Invalid
from app.money import check_currency


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of ``currency`` is worth ``rate`` units of the base currency from ``valid_from`` on."""

    currency: str
    rate: Decimal
    valid_from: datetime


async def set_rate(conn: Connection, *, currency: str, rate: Decimal, base: str, staff_id: int | None) -> Rate:
    """Enter a rate that holds from now on; the base currency's own is 1 and comes by itself.

    Raises Invalid for a code that is none, the base currency, or a rate out of range.
    """
    try:
        check_currency(currency)
    except ValueError as error:
        raise Invalid(str(error), field="currency") from error
    if currency == base:
        raise Invalid("The base currency's own rate is 1.", field="currency")
    if not rate.is_finite() or not Decimal("1e-9") <= rate <= Decimal("1e9"):
        raise Invalid("A rate lies between 0.000000001 and 1000000000.", field="rate")
    await conn.execute(
        "INSERT INTO exchange_rates (currency, valid_from, rate) VALUES (%s, '-infinity', 1) ON CONFLICT DO NOTHING",
        (base,),
    )
    cursor = await conn.execute(
        "INSERT INTO exchange_rates (currency, valid_from, rate, staff_id) VALUES (%s, clock_timestamp(), %s, %s)"
        " RETURNING currency, rate, valid_from",
        (currency, rate, staff_id),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return Rate(**row)


async def current_rates(conn: Connection) -> list[Rate]:
    """Return the rate of each currency that holds now, the base currency's left out."""
    cursor = await conn.execute(
        "SELECT DISTINCT ON (currency) currency, rate, valid_from FROM exchange_rates"
        " WHERE valid_from <= now() AND valid_from > '-infinity' ORDER BY currency, valid_from DESC"
    )
    return [Rate(**row) for row in await cursor.fetchall()]
