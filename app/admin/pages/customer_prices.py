"""What everything costs one customer: their own prices set, and the list as they see it."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.customers import HERE, customer_of
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.catalog.prices import change_customer_prices
from app.errors import Invalid
from app.money import parse_amount
from app.staff.service import Right
from app.suppliers.effective_prices import effective_prices

pages = Noun()

PAGE = 50


@pages.page("/customers/{customer_id:int}/prices")
async def prices(visit: Visit) -> Response:
    """The active services with this customer's prices and what is left of them."""
    return await _listed(visit, "customers/prices.html", "prices")


@pages.page("/customers/{customer_id:int}/prices/as-customer")
async def as_customer(visit: Visit) -> Response:
    """The list as this customer sees it, and nothing else."""
    return await _listed(visit, "customers/as_customer.html", "prices/as-customer")


async def show_edit(visit: Visit) -> Response:
    """The same list with a field for a price of their own beside each service."""
    return await _listed(visit, "customers/prices_edit.html", "prices/edit")


@pages.form("/customers/{customer_id:int}/prices/edit", shown_by=show_edit, right=Right.OPERATE)
async def keep(visit: Visit) -> Response:
    """Set the prices of a page of services, all or none; an empty one lets the group's or the list price apply."""
    services, texts = visit.form.ids("service"), visit.form.all("price")
    if len(services) != len(texts):
        raise Invalid("These are not the rows of the list; load the page again.")
    wanted = {service: _price(service, text) for service, text in zip(services, texts, strict=True)}
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        changed = await change_customer_prices(conn, row.id, wanted)
    await visit.say(f"{changed} price{'' if changed == 1 else 's'} changed.")
    here = f"{HERE}/{row.id}/prices/edit"
    asked = {name: visit.asked(name) for name in ("search", "after") if visit.asked(name)}
    return visit.go(f"{here}?{urlencode(asked)}" if asked else here)


async def _listed(visit: Visit, template: str, page: str) -> Response:
    search, after = visit.asked("search"), visit.asked_id("after") or 0
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        rows = await effective_prices(conn, row.id, search=search, after=after, limit=PAGE + 1)
    here = f"{HERE}/{row.id}/{page}"
    found = {"search": search} if search else {}
    return await visit.page(
        template,
        customer=row,
        rows=rows[:PAGE],
        here=here,
        search=search,
        action=f"{here}?{urlencode({**found, 'after': after})}",
        # What was typed into a page that is shown again stays in its fields.
        typed=dict(zip(visit.form.all("service"), visit.form.all("price"), strict=False)),
        first=(f"{here}?{urlencode(found)}" if found else here) if after else None,
        more=f"{here}?{urlencode({**found, 'after': rows[PAGE - 1].service_id})}" if len(rows) > PAGE else None,
    )


def _price(service: int, text: str) -> int | None:
    if not text.strip():
        return None
    try:
        return parse_amount(text.strip())
    except ValueError as error:
        raise Invalid("An amount such as 12.50, or nothing.", field=f"price-{service}") from error
