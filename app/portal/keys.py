"""API keys of the customer: made, replaced, ended, and bound to addresses."""

from datetime import datetime, timedelta

from starlette.responses import Response

from app.clock import now
from app.customers import keys as domain
from app.customers.learning import confirm_addresses, learn, seen_addresses
from app.customers.scopes import MEANINGS
from app.errors import Invalid
from app.portal.noun import Noun
from app.portal.visit import Visit

pages = Noun()

HERE = "/portal/keys"


@pages.page("/keys")
async def keys(visit: Visit) -> Response:
    """All of them, ended ones too."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await domain.list_keys(conn, visit.customer.id)
    return await visit.page("keys/list.html", rows=rows)


async def show_new(visit: Visit) -> Response:
    """Ask what the key is for."""
    return await visit.page("keys/new.html", scopes=MEANINGS)


@pages.form("/keys/new", shown_by=show_new, fresh=True)
async def make(visit: Visit) -> Response:
    """Make it and show it, this once, with all that a panel asks for."""
    days = visit.form.whole("days")
    async with visit.transaction() as conn:
        made = await domain.create_key(
            conn,
            visit.parts.sealer,
            visit.customer.id,
            label=visit.form.text("label"),
            dialect=visit.form.text("dialect"),
            scopes=visit.form.all("scopes"),
            allowed_ips=visit.form.text("allowed_ips").replace(",", " ").split(),
            expires_at=_in_days(days),
            sandbox=visit.form.yes("sandbox"),
            once=visit.once,
        )
    return await visit.page("keys/made.html", made=made, url=visit.parts.base_url)


async def show_one(visit: Visit) -> Response:
    """One key: what it may do, from where, and where it was seen."""
    async with visit.parts.db.pool.connection() as conn:
        row = await domain.get_key(conn, visit.id_in_path("key_id"), visit.customer.id)
        seen = await seen_addresses(conn, row.id)
    return await visit.page("keys/one.html", row=row, seen=seen, scopes=MEANINGS)


@pages.form("/keys/{key_id:int}", shown_by=show_one, fresh=True)
async def change(visit: Visit) -> Response:
    """Change what it is called, what it may do and from where."""
    async with visit.transaction() as conn:
        row = await domain.get_key(conn, visit.id_in_path("key_id"), visit.customer.id)
        await domain.change_key(
            conn,
            row.id,
            {
                "label": visit.form.text("label"),
                "dialect": visit.form.text("dialect"),
                "scopes": visit.form.all("scopes"),
                "allowed_ips": visit.form.text("allowed_ips").replace(",", " ").split(),
            },
        )
    await visit.say("The key is changed.")
    return visit.go(HERE)


@pages.action("/keys/{key_id:int}/rotate", back=HERE, fresh=True)
async def rotate(visit: Visit) -> Response:
    """Make a key like it and let this one end a day later."""
    async with visit.transaction() as conn:
        row = await domain.get_key(conn, visit.id_in_path("key_id"), visit.customer.id)
        made = await domain.rotate_key(conn, visit.parts.sealer, row.id, once=visit.once)
    return await visit.page("keys/made.html", made=made, url=visit.parts.base_url)


@pages.action("/keys/{key_id:int}/revoke", back=HERE, fresh=True)
async def revoke(visit: Visit) -> Response:
    """End it at once."""
    async with visit.transaction() as conn:
        row = await domain.get_key(conn, visit.id_in_path("key_id"), visit.customer.id)
        await domain.revoke_key(conn, row.id)
    await visit.say("The key works no more.")
    return visit.go(HERE)


@pages.action("/keys/{key_id:int}/learn", back=HERE, fresh=True)
async def start_learning(visit: Visit) -> Response:
    """Note for a day where it is used from."""
    async with visit.transaction() as conn:
        row = await domain.get_key(conn, visit.id_in_path("key_id"), visit.customer.id)
        await learn(conn, row.id, hours=24)
    await visit.say("For a day the key may be used from anywhere, and the addresses are noted.")
    return visit.go(f"{HERE}/{row.id}")


@pages.action("/keys/{key_id:int}/confirm", back=HERE, fresh=True)
async def confirm(visit: Visit) -> Response:
    """Allow the ticked addresses, and from now on only those on the list."""
    async with visit.transaction() as conn:
        row = await domain.get_key(conn, visit.id_in_path("key_id"), visit.customer.id)
        await confirm_addresses(conn, row.id, visit.form.all("address"))
    await visit.say("Only the addresses on the list may use the key now.")
    return visit.go(f"{HERE}/{row.id}")


def _in_days(days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= 3650:
        raise Invalid("1 to 3650 days, or nothing.", field="days")
    return now() + timedelta(days=days)
