"""Price groups: the prices of customers who share them, edited in place, moved together, taken out and in as CSV."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.percent import read_percent
from app.admin.pages.visit import Visit
from app.catalog import group_prices, prices
from app.catalog.groups import list_groups
from app.db import MAX_ID, driver
from app.errors import Invalid
from app.money import check_currency
from app.staff.service import Right

pages = Noun()

HERE = "/admin/price-groups"
PAGE = 50


async def show_all(visit: Visit) -> Response:
    """All groups with how many customers and prices each has."""
    async with visit.parts.db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT g.id, g.name, g.currency::text AS currency,"
            " (SELECT count(*) FROM customers c WHERE c.price_group_id = g.id) AS customers,"
            " (SELECT count(*) FROM group_prices p WHERE p.price_group_id = g.id) AS prices"
            " FROM price_groups g ORDER BY g.name"
        )
        rows = await cursor.fetchall()
    return await visit.page("price_groups/list.html", rows=rows)


@pages.form("/price-groups", shown_by=show_all, right=Right.OPERATE, seen_with=Right.READ)
async def add(visit: Visit) -> Response:
    """Add a price group; its currency stays for life."""
    try:
        currency = check_currency(visit.form.text("currency").upper())
    except ValueError as error:
        raise Invalid("A currency has three letters, such as USD.", field="currency") from error
    async with visit.orm() as session:
        made = await prices.create_price_group(session, name=visit.form.text("name"), currency=currency)
    await visit.say("The price group is added.")
    return visit.go(f"{HERE}/{made.id}")


async def show_one(visit: Visit) -> Response:
    """A group's prices beside the list prices, a page of services at a time."""
    search, own, after = visit.asked("search"), bool(visit.asked("own")), visit.asked_id("after") or 0
    async with visit.orm() as session:
        group = await prices.get_price_group(session, _id(visit))
        async with driver(session) as conn:
            rows = await group_prices.price_lines(conn, group.id, search=search, own=own, after=after, limit=PAGE + 1)
            groups = await list_groups(conn)
    here = f"{HERE}/{group.id}"
    query = {**({"search": search} if search else {}), **({"own": "yes"} if own else {})}
    return await visit.page(
        "price_groups/one.html",
        group=group,
        rows=rows[:PAGE],
        groups=[("", "all services")] + [(one.id, one.name) for one in groups],
        search=search,
        own=own,
        here=f"{here}?{urlencode({**query, 'after': after})}" if after or query else here,
        first=f"{here}?{urlencode(query)}" if after else None,
        more=f"{here}?{urlencode({**query, 'after': rows[PAGE - 1].service_id})}" if len(rows) > PAGE else None,
    )


@pages.form("/price-groups/{price_group_id:int}", shown_by=show_one, right=Right.OPERATE, seen_with=Right.READ)
async def change(visit: Visit) -> Response:
    """Set the prices that were typed over; an empty one is the list price again. All or none."""
    given: dict[int, int | None] = {}
    for service_id in visit.form.ids("service"):
        name = f"price-{service_id}"
        if visit.form.text(name) == visit.form.get(f"was-{service_id}"):
            continue
        given[service_id] = visit.form.amount(name) if visit.form.text(name) else None
        if (given[service_id] or 0) < 0:
            raise Invalid("A price is not below zero.", field=name)
    async with visit.transaction() as conn:
        changed = await group_prices.set_prices(conn, _id(visit), given)
    await visit.say(f"{changed} price{'' if changed == 1 else 's'} changed.")
    query = visit.request.url.query
    return visit.go(f"{HERE}/{_id(visit)}?{query}" if query else f"{HERE}/{_id(visit)}")


@pages.action("/price-groups/{price_group_id:int}/from-list", back=HERE, right=Right.OPERATE)
async def from_list(visit: Visit) -> Response:
    """Set the prices of all services, or of one group's, to the list prices moved by a percent."""
    form = visit.form
    chosen = form.ids("service_group") if form.text("service_group") else []
    async with visit.transaction() as conn:
        changed, left = await group_prices.prices_from_list(
            conn,
            _id(visit),
            basis_points=read_percent(form, "percent"),
            step=form.amount("step") if form.text("step") else 1,
            service_group_id=chosen[0] if chosen else None,
        )
    await visit.say(f"{changed} changed." + (f" {left} are sold in another currency and stay." if left else ""))
    return visit.go(f"{HERE}/{_id(visit)}")


def _id(visit: Visit) -> int:
    return min(visit.id_in_path("price_group_id"), MAX_ID)
