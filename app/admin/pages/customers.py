"""Customers: who buys from us; created, looked after, suspended."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.approvals import asking
from app.approvals.service import ApprovalRow, list_approvals
from app.catalog.prices import price_groups
from app.catalog.tables import PriceGroup
from app.customers import keys, records, service
from app.customers.portal import has_second_factor
from app.customers.records import CustomerRow
from app.db import Connection
from app.errors import Forbidden, Invalid
from app.ledger import service as ledger
from app.ledger import statement
from app.ledger.debts import ageing_of
from app.orders.usage import last_orders, open_orders
from app.staff.service import Right

pages = Noun()

HERE = "/admin/customers"
PAGE = 50
LAST_LINES = 8
_STATES = ("active", "suspended", "owing")


@pages.page("/customers")
async def customers(visit: Visit) -> Response:
    """Those that are looked for, in order of their coming."""
    search, group, after = visit.asked("search"), visit.asked_id("group"), visit.asked_id("after") or 0
    state = visit.asked("state") if visit.asked("state") in _STATES else None
    async with visit.parts.db.pool.connection() as conn:
        rows = await records.list_customers(
            conn, search=search, state=None if state == "owing" else state, owing=state == "owing",
            price_group_id=group, after=after, limit=PAGE + 1,
        )  # fmt: skip
        last = await last_orders(conn, [row.id for row in rows])
    chosen = {"search": search, "state": state or "", "group": group or ""}
    here = f"{HERE}?{urlencode(chosen)}" if any(chosen.values()) else HERE
    more = f"{HERE}?{urlencode({**chosen, 'after': rows[PAGE - 1].id})}" if len(rows) > PAGE else None
    return await visit.page(
        "customers/list.html",
        rows=rows[:PAGE],
        last=last,
        chosen=chosen,
        groups=[(group.id, group.name) for group in await groups_of(visit)],
        is_filtered=any(chosen.values()),
        first=here if after else None,
        more=more,
    )


async def show_new(visit: Visit) -> Response:
    """Ask who it is, and what they may spend."""
    groups = [(group.id, f"{group.name}, {group.currency}") for group in await groups_of(visit)]
    return await visit.page("customers/new.html", groups=groups)


@pages.form("/customers/new", shown_by=show_new, right=Right.OPERATE, fresh=True)
async def create(visit: Visit) -> Response:
    """Create the customer with their account and first credit, all or nothing."""
    form = visit.form
    credit, credit_limit = form.amount_or_none("amount") or 0, form.amount_or_none("credit_limit") or 0
    if credit < 0:
        raise Invalid("A first credit is above zero, or nothing.", field="amount")
    if (credit or credit_limit) and not visit.may(Right.MONEY):
        raise Forbidden(f"Your role, {visit.staff.role}, does not have the right to money here.")
    currency = form.text("currency").upper() or visit.parts.currency
    asked: list[ApprovalRow] = []
    async with visit.transaction() as conn:
        customer_id = await service.create_customer(
            conn, name=form.text("name"), email=form.text("email"), currency=currency
        )
        await ledger.open_account(conn, customer_id, currency)
        if (group := form.whole("price_group_id")) is not None:
            await records.set_price_group(conn, customer_id, group)
        if credit_limit:
            limited = await asking.set_credit_limit(
                conn, visit.parts.four_eyes, customer_id, credit_limit, reason="For a new customer",
                staff_id=visit.staff.id,
            )  # fmt: skip
            asked += [limited] if limited else []
        if credit:
            moved = await asking.topup(
                conn, visit.parts.four_eyes, customer_id, amount=credit,
                reference=form.text("reference") or "first credit", staff_id=visit.staff.id,
            )  # fmt: skip
            asked += [moved] if isinstance(moved, ApprovalRow) else []
    await visit.say(
        "The customer is created; the credit waits for another member of staff to approve it."
        if asked
        else "The customer is created. Next: make them an API key."
    )
    return visit.go(f"{HERE}/{customer_id}")


@pages.page("/customers/{customer_id:int}")
async def customer(visit: Visit) -> Response:
    """One customer: credit, debt, what is open, what waits, and the last lines of the account."""
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        span = await statement.span_of(conn, row.id)
        facts: dict[str, Any] = {
            "debt": await ageing_of(conn, row.id) if row.balance < 0 else None,
            "open": await open_orders(conn, row.id),
            "last": (await last_orders(conn, [row.id])).get(row.id),
            "waiting": await list_approvals(conn, customer_id=row.id, limit=PAGE),
            "lines": await statement.page(conn, span, statement.Filter(), limit=LAST_LINES),
            "keys": await keys.list_keys(conn, row.id),
            "has_second_factor": await has_second_factor(conn, row.id),
        }
    return await visit.page("customers/one.html", customer=row, **facts)


async def show_edit(visit: Visit) -> Response:
    """Ask for name and price group."""
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
    groups = [(group.id, group.name) for group in await groups_of(visit) if group.currency == row.currency]
    return await visit.page("customers/edit.html", customer=row, groups=groups)


@pages.form("/customers/{customer_id:int}/edit", shown_by=show_edit, right=Right.OPERATE)
async def change(visit: Visit) -> Response:
    """Change name and price group."""
    changes = {"name": visit.form.text("name"), "price_group_id": visit.form.whole("price_group_id")}
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        await records.change_customer(conn, row.id, changes)
    await visit.say("Changed.")
    return visit.go(f"{HERE}/{row.id}")


@pages.action("/customers/{customer_id:int}/suspend", back="/admin/customers/{customer_id}", right=Right.OPERATE)
async def suspend(visit: Visit) -> Response:
    """Let their keys work no more; what is ordered already goes on."""
    return await _set_state(visit, "suspended", "Suspended: their keys work no more. Open orders go on.")


@pages.action("/customers/{customer_id:int}/resume", back="/admin/customers/{customer_id}", right=Right.OPERATE)
async def resume(visit: Visit) -> Response:
    """Let their keys work again."""
    return await _set_state(visit, "active", "Active: their keys work again.")


async def customer_of(visit: Visit, conn: Connection) -> CustomerRow:
    """Return the customer that the path names; NotFound if there is none."""
    return await records.get_customer(conn, visit.id_in_path("customer_id"))


async def groups_of(visit: Visit) -> list[PriceGroup]:
    """Return the price groups there are, by name: a house has tens of them."""
    async with visit.parts.db.sessions() as session:
        return list(await price_groups(session))


async def _set_state(visit: Visit, state: str, said: str) -> Response:
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        await service.set_state(conn, row.id, state)
    await visit.say(said)
    return visit.go(f"{HERE}/{row.id}")
