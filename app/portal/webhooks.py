"""Webhooks of the customer: where they are told, what of, and what became of it."""

from starlette.responses import Response

from app.errors import Invalid, NotFound
from app.ledger.service import low_balance_of, set_low_balance
from app.portal.noun import Noun
from app.portal.visit import Visit
from app.webhooks import endpoints, log
from app.webhooks.events import ping
from app.webhooks.kinds import SUBSCRIBED

pages = Noun()

HERE = "/portal/webhooks"
PAGE = 50
EVENTS = sorted(SUBSCRIBED)


@pages.page("/webhooks")
async def webhooks(visit: Visit) -> Response:
    """All endpoints, and below which balance to be told."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await endpoints.list_endpoints(conn, visit.customer.id)
        threshold = await low_balance_of(conn, visit.customer.id)
    return await visit.page("webhooks/list.html", rows=rows, threshold=threshold)


async def show_new(visit: Visit) -> Response:
    """Ask for the address and what to tell it."""
    return await visit.page("webhooks/new.html", events=EVENTS, row=None)


@pages.form("/webhooks/new", shown_by=show_new, fresh=True)
async def add(visit: Visit) -> Response:
    """Add it and show its secret, this once."""
    async with visit.transaction() as conn:
        made = await endpoints.add_endpoint(
            conn,
            visit.parts.sealer,
            visit.parts.webhook_rules,
            visit.customer.id,
            url=visit.form.text("url"),
            events=visit.form.all("events"),
            label=visit.form.text("label"),
            once=visit.once,
        )
    return await visit.page("webhooks/made.html", made=made)


@pages.form("/webhooks/low-balance", shown_by=webhooks)
async def tell_low_balance(visit: Visit) -> Response:
    """Set the balance below which to be told; nothing means never."""
    threshold = visit.form.amount_or_none("threshold")
    async with visit.transaction() as conn:
        await set_low_balance(conn, visit.customer.id, threshold)
    await visit.say("It is set." if threshold is not None else "You are not told of the balance any more.")
    return visit.go(HERE)


@pages.page("/webhooks/{endpoint_id:int}")
async def one(visit: Visit) -> Response:
    """One endpoint with its newest deliveries."""
    before = visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        row = await endpoints.get_endpoint(conn, visit.customer.id, visit.id_in_path("endpoint_id"))
        found = await log.list_deliveries(conn, visit.customer.id, row.id, before=before, limit=PAGE + 1)
    return await visit.page(
        "webhooks/one.html",
        row=row,
        deliveries=found[:PAGE],
        more=found[PAGE - 1].id if len(found) > PAGE else None,
        is_first=before is None,
    )


async def show_edit(visit: Visit) -> Response:
    """Ask for another address, or other things to tell it."""
    async with visit.parts.db.pool.connection() as conn:
        row = await endpoints.get_endpoint(conn, visit.customer.id, visit.id_in_path("endpoint_id"))
    if row.url is None:
        raise NotFound("Callbacks go to the URL that each order names.")
    return await visit.page("webhooks/new.html", events=EVENTS, row=row)


@pages.form("/webhooks/{endpoint_id:int}/edit", shown_by=show_edit, fresh=True)
async def change(visit: Visit) -> Response:
    """Change where it is and what it is told; its secret stays."""
    async with visit.transaction() as conn:
        row = await endpoints.change_endpoint(
            conn,
            visit.parts.webhook_rules,
            visit.customer.id,
            visit.id_in_path("endpoint_id"),
            url=visit.form.text("url"),
            events=visit.form.all("events"),
            label=visit.form.text("label"),
        )
    await visit.say("Changed. The secret is the one it had.")
    return visit.go(f"{HERE}/{row.id}")


@pages.action("/webhooks/{endpoint_id:int}/test", back=HERE)
async def test(visit: Visit) -> Response:
    """Send a test message, also to a paused one."""
    endpoint_id = visit.id_in_path("endpoint_id")
    async with visit.transaction() as conn:
        await endpoints.check_testable(conn, visit.customer.id, endpoint_id)
        await ping(conn, visit.customer.id, endpoint_id)
    await visit.say("A test message is on its way; the log tells what became of it.")
    return visit.go(f"{HERE}/{endpoint_id}")


@pages.action("/webhooks/{endpoint_id:int}/state", back=HERE)
async def change_state(visit: Visit) -> Response:
    """Pause it, or go on."""
    state = visit.form.text("state")
    if state not in {"active", "paused"}:
        raise Invalid("An endpoint is active or paused.", field="state")
    async with visit.transaction() as conn:
        row = await endpoints.change_endpoint(
            conn, visit.parts.webhook_rules, visit.customer.id, visit.id_in_path("endpoint_id"), state=state
        )
    await visit.say("It is told again." if row.state == "active" else "It is sent nothing now; what waits is kept.")
    return visit.go(f"{HERE}/{row.id}")


@pages.action("/webhooks/{endpoint_id:int}/rotate", back=HERE, fresh=True)
async def rotate(visit: Visit) -> Response:
    """Show another secret, this once; the one before signs too for another day."""
    async with visit.transaction() as conn:
        made = await endpoints.rotate_secret(
            conn, visit.parts.sealer, visit.customer.id, visit.id_in_path("endpoint_id"), once=visit.once
        )
    return await visit.page("webhooks/made.html", made=made)


@pages.action("/webhooks/{endpoint_id:int}/remove", back=HERE, fresh=True)
async def remove(visit: Visit) -> Response:
    """Tell it nothing any more, and forget its log."""
    async with visit.transaction() as conn:
        await endpoints.remove_endpoint(conn, visit.customer.id, visit.id_in_path("endpoint_id"))
    await visit.say("It is removed.")
    return visit.go(HERE)


@pages.action("/webhooks/{endpoint_id:int}/deliveries/{delivery_id:int}/resend", back=HERE)
async def resend(visit: Visit) -> Response:
    """Send one delivery again."""
    endpoint_id = visit.id_in_path("endpoint_id")
    async with visit.transaction() as conn:
        await log.resend(conn, visit.customer.id, endpoint_id, visit.id_in_path("delivery_id"))
    await visit.say("It is sent again.")
    return visit.go(f"{HERE}/{endpoint_id}")
