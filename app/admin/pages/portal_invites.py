"""Letting customers into the portal: invited, and let in again when the second factor is lost."""

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.customers.portal import drop_second_factor, invite_customer
from app.customers.records import get_customer
from app.staff.service import Right

pages = Noun()


@pages.action(
    "/customers/{customer_id:int}/portal", back="/admin/customers/{customer_id}", right=Right.OPERATE, fresh=True
)
async def invite(visit: Visit) -> Response:
    """Show an invitation, this once; it replaces the one before, and when used, the password."""
    customer_id = visit.id_in_path("customer_id")
    async with visit.transaction() as conn:
        customer = await get_customer(conn, customer_id)
        token, ends = await invite_customer(conn, visit.parts.sealer, customer_id)
    # Behind the #, which no server and no log ever sees.
    link = f"{visit.parts.base_url}/portal/welcome#{token}"
    return await visit.page("customers/invited.html", customer=customer, link=link, ends=ends)


@pages.action(
    "/customers/{customer_id:int}/portal/second-factor",
    back="/admin/customers/{customer_id}",
    right=Right.OPERATE,
    fresh=True,
)
async def remove_second_factor(visit: Visit) -> Response:
    """Take away the second factor of somebody who lost phone and recovery codes."""
    async with visit.transaction() as conn:
        customer = await get_customer(conn, visit.id_in_path("customer_id"))
        await drop_second_factor(conn, customer.id)
    await visit.say(f"{customer.name} signs in with the password alone.")
    return visit.go(f"/admin/customers/{customer.id}")
