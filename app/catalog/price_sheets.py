"""Prices as a sheet: the list prices and those of price groups, written out, and what a sheet sent in would change."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.catalog.group_prices import set_prices
from app.catalog.service import check_price
from app.catalog.sheets import SheetRow, Verdict, read_lines, write_lines
from app.db import Connection
from app.errors import Invalid
from app.money import format_amount, parse_amount

COLUMNS = ("service_id", "service", "price_group", "currency", "price")

_ALL = """
SELECT v.id AS service_id, v.name AS service, '' AS price_group, v.currency::text AS currency, v.price
FROM services v
UNION ALL
SELECT v.id, v.name, g.name, g.currency::text, p.price
FROM group_prices p JOIN price_groups g ON g.id = p.price_group_id JOIN services v ON v.id = p.service_id
ORDER BY service_id, price_group
"""


async def export_prices(conn: Connection) -> str:
    """Return all list prices and prices of groups as a sheet; a line without a price group is a list price."""
    rows = await (await conn.execute(_ALL)).fetchall()
    return write_lines(COLUMNS, ([*list(row.values())[:4], format_amount(row["price"])] for row in rows))


@dataclass(slots=True)
class PricePlan:
    """What a sheet of prices would change: its lines, the list prices, and each group's prices (None: the list's)."""

    rows: list[SheetRow] = field(default_factory=list)
    list_prices: dict[int, int] = field(default_factory=dict)
    group_prices: dict[int, dict[int, int | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    services: Mapping[int, tuple[str, int]]
    groups: Mapping[str, int]
    prices: Mapping[tuple[int, int], int]

    def group(self, named: str) -> int:
        """Return the id of the group of this name, whatever its case where only one can be meant; ValueError."""
        if named in self.groups:
            return self.groups[named]
        alike = [group_id for name, group_id in self.groups.items() if name.lower() == named.lower()]
        if len(alike) != 1:
            raise ValueError("Several price groups are called so." if alike else "There is no such price group.")
        return alike[0]


async def plan_prices(conn: Connection, content: str) -> PricePlan:
    """Return what a sheet of prices would change; nothing is written. Invalid for what is no such sheet."""
    lines = list(read_lines(content, ("service_id", "price_group", "price")))
    known = await _known(conn)
    plan = PricePlan()
    seen: set[tuple[int, int]] = set()
    for number, cells in lines:
        try:
            plan.rows.append(_line(number, cells, known, plan, seen))
        except ValueError as error:
            plan.rows.append(SheetRow(number, _what(cells), "", cells["price"], Verdict.WRONG, str(error)))
    return plan


async def apply_prices(conn: Connection, plan: PricePlan) -> int:
    """Set the prices of a plan by hand and return how many changed; ``conn`` is inside a transaction."""
    changed = 0
    if plan.list_prices:
        cursor = await conn.execute(
            "UPDATE services v SET price = n.price, price_source = 'manual'"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, price) WHERE v.id = n.id AND v.price <> n.price",
            (list(plan.list_prices), list(plan.list_prices.values())),
        )
        changed += cursor.rowcount
    for price_group_id, prices in sorted(plan.group_prices.items()):
        changed += await set_prices(conn, price_group_id, prices)
    return changed


async def _known(conn: Connection) -> _Known:
    services = await (await conn.execute("SELECT id, name, price FROM services")).fetchall()
    groups = await (await conn.execute("SELECT id, name FROM price_groups")).fetchall()
    prices = await (await conn.execute("SELECT price_group_id, service_id, price FROM group_prices")).fetchall()
    return _Known(
        {row["id"]: (row["name"], row["price"]) for row in services},
        {row["name"]: row["id"] for row in groups},
        {(row["price_group_id"], row["service_id"]): row["price"] for row in prices},
    )


def _line(
    number: int, cells: Mapping[str, str], known: _Known, plan: PricePlan, seen: set[tuple[int, int]]
) -> SheetRow:
    """Return what becomes of a line and note it in the plan; ValueError says what is wrong with it."""
    text = cells["service_id"]
    service_id = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if service_id not in known.services:
        raise ValueError("There is no such service.")
    name, list_price = known.services[service_id]
    named = cells["price_group"]
    group_id = known.group(named) if named else 0
    if (service_id, group_id) in seen:
        raise ValueError("This price was on an earlier line.")
    seen.add((service_id, group_id))
    price = _price(cells["price"])
    if not named and price is None:
        raise ValueError("A list price is needed.")
    before = known.prices.get((group_id, service_id)) if named else list_price
    row = SheetRow(
        number,
        f"{name}, {named or 'list price'}",
        _shown(before),
        _shown(price),
        Verdict.SAME if price == before else Verdict.CHANGE,
    )
    if row.verdict is Verdict.CHANGE:
        if named:
            plan.group_prices.setdefault(group_id, {})[service_id] = price
        elif price is not None:
            plan.list_prices[service_id] = price
    return row


def _price(text: str) -> int | None:
    if not text:
        return None
    try:
        return check_price(parse_amount(text))
    except Invalid as error:
        raise ValueError(error.message) from error


def _what(cells: Mapping[str, str]) -> str:
    return f"service {cells['service_id'][:40]}, {cells['price_group'][:80] or 'list price'}"


def _shown(price: int | None) -> str:
    return "list price" if price is None else format_amount(price)
