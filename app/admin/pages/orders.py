"""Orders: the live list with its filters; every address of it can be kept, sent and linked to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.customers.records import find_customer
from app.db import Connection
from app.errors import Invalid, NotFound
from app.orders.listing import STATES, Wanted, find_orders, listed_orders
from app.text import storable

pages = Noun()

HERE = "/admin/orders"
PAGE = 50
MOST_AT_ONCE = 100
ACTS = {"look": "Ask now", "cancel": "Cancel", "again": "Send again", "resolve": "Resolve unclear"}
"""What can be done with several orders at once."""
STATE_WORDS = {
    "accepted": "accepted",
    "in_progress": "in progress",
    "completed": "completed",
    "rejected": "rejected",
    "late": "late",
    "unclear": "unclear",
    "held": "held",
    "cancel": "to be cancelled",
}
_NAMES = ("state", "q", "customer", "service", "supplier", "source", "from", "to")


@pages.page("/orders")
async def orders(visit: Visit) -> Response:
    """The newest that the filters let through; without a cursor the list refreshes by itself."""
    asked = asked_for(visit.request.query_params)
    before = cursor(visit.request.query_params.get("before", ""))
    async with visit.parts.db.pool.connection() as conn:
        try:
            found = await find_orders(conn, await wanted(conn, asked), before=before, limit=PAGE)
        except Invalid as problem:
            visit.problem = problem
            found = None
        rows = await listed_orders(conn, visit.parts.sealer, found.ids) if found else []
        suppliers = [] if visit.is_htmx else await supplier_names(conn)
    query = urlencode(asked)
    here = f"{HERE}?{query}" if query else HERE
    more = f"{HERE}?{urlencode({**asked, 'before': found.before})}" if found and found.before else None
    return await visit.page(
        "orders/rows.html" if visit.is_htmx else "orders/index.html",
        status=200 if found else 422,
        rows=rows,
        asked={name: asked.get(name, "") for name in _NAMES},
        query=query,
        states=[("", "any"), *((state, STATE_WORDS[state]) for state in STATES)],
        words=STATE_WORDS,
        suppliers=[("", "any"), *suppliers],
        acts=ACTS,
        most=MOST_AT_ONCE,
        here=here,
        first=here if before else None,
        more=more,
    )


def asked_for(params: Mapping[str, str]) -> dict[str, str]:
    """Return the filters that are set, by name, as they were typed."""
    return {name: value for name in _NAMES if (value := params.get(name, "").strip()[:200])}


async def wanted(conn: Connection, asked: Mapping[str, str]) -> Wanted:
    """Return which orders the filters mean; Invalid, with the field, for what cannot be meant."""
    for name, text in asked.items():
        try:
            storable(text)
        except ValueError as error:
            raise Invalid(f"There is {error}.", field=name) from error
    since, until = _day(asked, "from"), _day(asked, "to")
    if since and until and until < since:
        raise Invalid("The last day is before the first.", field="to")
    return Wanted(
        state=asked.get("state"),
        customer_id=await _customer(conn, asked["customer"]) if "customer" in asked else None,
        service_id=await _service(conn, asked["service"]) if "service" in asked else None,
        supplier_id=_supplier(asked["supplier"]) if "supplier" in asked else None,
        search=asked.get("q", ""),
        source=asked.get("source"),
        since=since,
        until=until + timedelta(days=1) if until else None,
    )


def cursor(text: str) -> int | None:
    """Return the cursor of a list from its address; None, the first page, for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def supplier_names(conn: Connection) -> list[tuple[int, str]]:
    """Return id and name of every supplier, by name: there are tens of them."""
    rows = await (await conn.execute("SELECT id, name FROM suppliers ORDER BY lower(name), id")).fetchall()
    return [(row["id"], row["name"]) for row in rows]


def _day(asked: Mapping[str, str], name: str) -> datetime | None:
    if name not in asked:
        return None
    try:
        day = datetime.strptime(asked[name], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("A day is written as 2026-11-30.", field=name) from error
    if not 2000 <= day.year < 2100:
        raise Invalid("A day of this century.", field=name)
    return day


async def _customer(conn: Connection, text: str) -> int:
    try:
        return (await find_customer(conn, text)).id
    except NotFound as error:
        raise Invalid("No customer has this username, e-mail address or id.", field="customer") from error


async def _service(conn: Connection, text: str) -> int:
    found = await conn.execute(
        "SELECT id FROM services WHERE id = %(number)s OR lower(name) = lower(%(text)s)"
        " ORDER BY id = %(number)s DESC, id LIMIT 1",
        {"text": text, "number": cursor(text)},
    )
    row = await found.fetchone()
    if row is None:
        raise Invalid("No service has this name or id.", field="service")
    return int(row["id"])


def _supplier(text: str) -> int:
    number = cursor(text)
    if number is None:
        raise Invalid("A supplier is chosen from the list.", field="supplier")
    return number
