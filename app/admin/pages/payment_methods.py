"""Payment methods and packages: how customers may pay in.

Whoever changes them decides where customers send their money, so each change asks for the password again.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.errors import Invalid
from app.staff.service import Right
from app.topups import offers

pages = Noun()

HERE = "/admin/payment-methods"


@pages.page("/payment-methods")
async def payment_methods(visit: Visit) -> Response:
    """All methods and packages in their order: a house has some tens of them."""
    async with visit.parts.db.pool.connection() as conn:
        methods, packages = await offers.list_methods(conn), await offers.list_packages(conn)
    return await visit.page("payment_methods/list.html", methods=methods, packages=packages)


async def show_new_method(visit: Visit) -> Response:
    """Ask for all of a method."""
    return await visit.page("payment_methods/method.html", row=None)


@pages.form("/payment-methods/new", shown_by=show_new_method, right=Right.MONEY, fresh=True)
async def add_method(visit: Visit) -> Response:
    """Show it to the customers of its currency from now on."""
    async with visit.transaction() as conn:
        made = await offers.add_method(conn, {**_method(visit), "currency": _currency(visit)})
    await visit.say(f"{made.name}: customers in {made.currency} see it now.")
    return visit.go(HERE)


async def show_method(visit: Visit) -> Response:
    """One method, to be changed."""
    async with visit.parts.db.pool.connection() as conn:
        row = await offers.get_method(conn, visit.id_in_path("method_id"))
    return await visit.page("payment_methods/method.html", row=row)


@pages.form("/payment-methods/{method_id:int}", shown_by=show_method, right=Right.MONEY, fresh=True)
async def change_method(visit: Visit) -> Response:
    """Change all but the currency; requests that wait keep what they were promised."""
    async with visit.transaction() as conn:
        made = await offers.change_method(conn, visit.id_in_path("method_id"), _method(visit))
    await visit.say(f"{made.name} is changed.")
    return visit.go(HERE)


@pages.action("/payment-methods/{method_id:int}/remove", back=HERE, right=Right.MONEY, fresh=True)
async def remove_method(visit: Visit) -> Response:
    """Remove one that was never used."""
    async with visit.transaction() as conn:
        await offers.remove_method(conn, visit.id_in_path("method_id"))
    await visit.say("Removed.")
    return visit.go(HERE)


async def show_new_package(visit: Visit) -> Response:
    """Ask for all of a package."""
    return await visit.page("payment_methods/package.html", row=None)


@pages.form("/payment-packages/new", shown_by=show_new_package, right=Right.MONEY, fresh=True)
async def add_package(visit: Visit) -> Response:
    """Show it to the customers of its currency from now on."""
    async with visit.transaction() as conn:
        made = await offers.add_package(conn, {**_package(visit), "currency": _currency(visit)})
    await visit.say(f"{made.name}: customers in {made.currency} see it now.")
    return visit.go(HERE)


async def show_package(visit: Visit) -> Response:
    """One package, to be changed."""
    async with visit.parts.db.pool.connection() as conn:
        row = await offers.get_package(conn, visit.id_in_path("package_id"))
    return await visit.page("payment_methods/package.html", row=row)


@pages.form("/payment-packages/{package_id:int}", shown_by=show_package, right=Right.MONEY, fresh=True)
async def change_package(visit: Visit) -> Response:
    """Change all but the currency; requests keep what was offered to them."""
    async with visit.transaction() as conn:
        made = await offers.change_package(conn, visit.id_in_path("package_id"), _package(visit))
    await visit.say(f"{made.name} is changed.")
    return visit.go(HERE)


@pages.action("/payment-packages/{package_id:int}/remove", back=HERE, right=Right.MONEY, fresh=True)
async def remove_package(visit: Visit) -> Response:
    """Remove one that was never used."""
    async with visit.transaction() as conn:
        await offers.remove_package(conn, visit.id_in_path("package_id"))
    await visit.say("Removed.")
    return visit.go(HERE)


def _method(visit: Visit) -> Mapping[str, Any]:
    form = visit.form
    try:
        fee = Decimal(form.text("fee_percent") or "0")
    except InvalidOperation as error:
        raise Invalid("A number of percent such as 2.9.", field="fee_percent") from error
    if not fee.is_finite():
        raise Invalid("A number of percent such as 2.9.", field="fee_percent")
    return {
        "name": form.text("name"),
        "instructions": form.text("instructions"),
        "min_amount": form.amount("min_amount"),
        "max_amount": form.amount_or_none("max_amount"),
        "fee_percent": fee,
        **_shown(visit),
    }


def _package(visit: Visit) -> Mapping[str, Any]:
    form = visit.form
    return {"name": form.text("name"), "pay": form.amount("pay"), "credit": form.amount("credit"), **_shown(visit)}


def _shown(visit: Visit) -> Mapping[str, Any]:
    text = visit.form.text("position") or "0"
    if not re.fullmatch(r"-?[0-9]{1,7}", text) or abs(int(text)) > offers.MAX_POSITION:
        raise Invalid(f"A whole number, at most {offers.MAX_POSITION}.", field="position")
    return {"active": visit.form.yes("active"), "position": int(text)}


def _currency(visit: Visit) -> str:
    return visit.form.text("currency").upper() or visit.parts.currency
