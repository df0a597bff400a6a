"""The prices of a price group beside the list prices: read in pages, and many set at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.errors import ForeignKeyViolation

from app.catalog.many import moved
from app.catalog.markup import round_up
from app.catalog.service import check_price
from app.catalog.tables import MAX_PRICE
from app.db import Connection
from app.errors import Invalid, NotFound
from app.money import format_amount


@dataclass(frozen=True, slots=True)
class PriceLine:
    """A service with its list price in micro-units of ``list_currency``, and the group's in the group's currency.

    ``price`` None: the group pays the list price, if that is in its currency.
    """

    service_id: int
    service: str
    group: str
    list_price: int
    list_currency: str
    price: int | None
    source: str | None


async def price_lines(
    conn: Connection, price_group_id: int, *, search: str = "", own: bool = False, after: int = 0, limit: int
) -> list[PriceLine]:
    """Return services with an id above ``after`` in order of id; ``own`` are those that have a price for the group."""
    cursor = await conn.execute(
        'SELECT v.id AS service_id, v.name AS service, g.name AS "group", v.price AS list_price,'
        " v.currency::text AS list_currency, p.price, p.price_source AS source"
        " FROM services v JOIN service_groups g ON g.id = v.group_id"
        " LEFT JOIN group_prices p ON p.service_id = v.id AND p.price_group_id = %(price_group)s"
        " WHERE v.id > %(after)s AND (NOT %(own)s OR p.price IS NOT NULL)"
        " AND (%(search)s = '' OR position(lower(%(search)s) IN lower(concat_ws(' ', v.name, g.name))) > 0)"
        " ORDER BY v.id LIMIT %(limit)s",
        {"price_group": price_group_id, "after": after, "own": own, "search": search, "limit": limit},
    )
    return [PriceLine(**row) for row in await cursor.fetchall()]


async def set_prices(conn: Connection, price_group_id: int, prices: Mapping[int, int | None]) -> int:
    """Set what these services cost a group by hand, None for the list price again; return how many changed.

    A price that is what it was stays whose it was. ``conn`` is inside a transaction. NotFound, Invalid.
    """
    if await (await conn.execute("SELECT 1 FROM price_groups WHERE id = %s", (price_group_id,))).fetchone() is None:
        raise NotFound("There is no such price group.")
    given = {service_id: check_price(price) for service_id, price in prices.items() if price is not None}
    gone = [service_id for service_id, price in prices.items() if price is None]
    changed = 0
    # A statement raises the catalogue's version even where it finds no row, so none runs that has nothing to do.
    if given:
        try:
            cursor = await conn.execute(
                "INSERT INTO group_prices AS p (price_group_id, service_id, price)"
                " SELECT %s, n.service_id, n.price FROM unnest(%s::bigint[], %s::bigint[]) AS n(service_id, price)"
                " ORDER BY n.service_id ON CONFLICT (price_group_id, service_id)"
                " DO UPDATE SET price = excluded.price, price_source = 'manual' WHERE p.price <> excluded.price",
                (price_group_id, list(given), list(given.values())),
            )
        except ForeignKeyViolation as error:
            raise Invalid("One of these services is not there any more.") from error
        changed += cursor.rowcount
    if gone:
        cursor = await conn.execute(
            "DELETE FROM group_prices WHERE price_group_id = %s AND service_id = ANY (%s)", (price_group_id, gone)
        )
        changed += cursor.rowcount
    return changed


async def prices_from_list(
    conn: Connection, price_group_id: int, *, basis_points: int, step: int = 1, service_group_id: int | None = None
) -> tuple[int, int]:
    """Set a group's prices to the list prices moved by ``basis_points`` and rounded up to a multiple of ``step``.

    Those of one service group, or of all services. Returns how many changed, and how many were left out because they
    are sold in another currency. ``conn`` is inside a transaction. NotFound, Invalid.
    """
    if not 1 <= step <= MAX_PRICE:
        raise Invalid(f"The step is {format_amount(1)} to {format_amount(MAX_PRICE)}.", field="step")
    cursor = await conn.execute(
        "SELECT v.id, v.price, v.currency = g.currency AS same FROM price_groups g CROSS JOIN services v"
        " WHERE g.id = %s AND (%s::bigint IS NULL OR v.group_id = %s) ORDER BY v.id",
        (price_group_id, service_group_id, service_group_id),
    )
    rows = await cursor.fetchall()
    made: dict[int, int | None] = {
        row["id"]: round_up(moved(row["price"], basis_points), step, 0) for row in rows if row["same"]
    }
    if any(price is not None and price > MAX_PRICE for price in made.values()):
        raise Invalid(f"A price would be above {format_amount(MAX_PRICE)}.", field="percent")
    return await set_prices(conn, price_group_id, made), len(rows) - len(made)
