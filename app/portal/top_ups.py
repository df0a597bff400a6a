"""Topping up: how to pay, what was paid, and what became of it."""

from datetime import date

from starlette.responses import Response

from app.customers.once import once
from app.errors import Invalid
from app.money import format_amount
from app.portal.noun import Noun
from app.portal.visit import Visit
from app.topups.offers import list_methods, list_packages
from app.topups.requests import Payment, list_requests, request_topup

pages = Noun()

HERE = "/portal/top-ups"
NEWEST = 50


async def show(visit: Visit) -> Response:
    """The ways to pay, the packages, and the newest requests."""
    currency = visit.customer.currency
    async with visit.parts.db.pool.connection() as conn:
        methods = await list_methods(conn, currency=currency, active=True)
        packages = await list_packages(conn, currency=currency, active=True)
        requests = await list_requests(conn, customer_id=visit.customer.id, limit=NEWEST)
    return await visit.page(
        "top_ups/index.html",
        methods=methods,
        packages=packages,
        method_choices=[(method.id, method.name) for method in methods],
        package_choices=[
            (one.id, f"{one.name}: pay {format_amount(one.pay)}, get {format_amount(one.credit)} {one.currency}")
            for one in packages
        ],
        requests=requests,
    )


@pages.form("/top-ups", shown_by=show)
async def ask(visit: Visit) -> Response:
    """Write down what was paid; staff credit it once it arrived."""
    try:
        paid_on = date.fromisoformat(visit.form.text("paid_on"))
    except ValueError as error:
        raise Invalid("A day is written 2026-01-31.", field="paid_on") from error
    payment = Payment(
        method_id=visit.form.whole("method_id") or 0,
        amount=visit.form.amount_or_none("amount"),
        sender=visit.form.text("sender"),
        paid_on=paid_on,
        note=visit.form.text("note"),
        package_id=visit.form.whole("package_id"),
    )
    async with visit.transaction() as conn:
        call = once(visit.once, "portal/top-ups", None) if visit.once else None
        await request_topup(conn, visit.customer.id, payment, call=call)
    await visit.say("Thank you. It is credited when it has arrived.")
    return visit.go(HERE)
