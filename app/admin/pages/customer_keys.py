"""A customer's API keys: made and shown once, changed, replaced, ended; and from where they may be used."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from starlette.responses import Response

from app.admin.pages.customers import HERE, customer_of
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.customers import keys, learning
from app.customers.keys import KeyRow, NewKey
from app.customers.records import CustomerRow
from app.customers.scopes import ALL_SCOPES, MEANINGS
from app.db import Connection
from app.errors import Invalid
from app.staff.service import Right

pages = Noun()

BACK = "/admin/customers/{customer_id}/keys"
LEARNING_HOURS = 48


@pages.page("/customers/{customer_id:int}/keys")
async def customer_keys(visit: Visit) -> Response:
    """All of them, those that ended too."""
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
        rows = await keys.list_keys(conn, row.id)
    replaced = {key.replaces_id for key in rows}
    return await visit.page(
        "customer_keys/list.html", customer=row, rows=rows[::-1], replaced=replaced, scopes=ALL_SCOPES
    )


async def show_new(visit: Visit) -> Response:
    """Ask what the key is for and what it may do."""
    async with visit.parts.db.pool.connection() as conn:
        row = await customer_of(visit, conn)
    return await visit.page(
        "customer_keys/new.html", customer=row, key=None, scopes=MEANINGS, chosen=_chosen(visit), last_day=""
    )


@pages.form("/customers/{customer_id:int}/keys/new", shown_by=show_new, right=Right.OPERATE, fresh=True)
async def make(visit: Visit) -> Response:
    """Make a key and show it, this once, with all that a panel needs."""
    async with visit.transaction() as conn:
        row = await customer_of(visit, conn)
        made = await keys.create_key(
            conn, visit.parts.sealer, row.id, sandbox=visit.form.yes("sandbox"), once=visit.once, **_settings(visit)
        )
    return await _shown_once(visit, row, made, sandbox=visit.form.yes("sandbox"))


async def show_one(visit: Visit) -> Response:
    """One key: its settings, and the addresses that it was seen from."""
    async with visit.parts.db.pool.connection() as conn:
        row, key = await _key(visit, conn)
        seen = await learning.seen_addresses(conn, key.id)
    return await visit.page(
        "customer_keys/one.html", customer=row, key=key, scopes=MEANINGS, chosen=_chosen(visit, key), seen=seen,
        hours=LEARNING_HOURS, last_day=_last_day(key),
    )  # fmt: skip


@pages.form("/customers/{customer_id:int}/keys/{key_id:int}", shown_by=show_one, right=Right.OPERATE, fresh=True)
async def change(visit: Visit) -> Response:
    """Change its settings, at once."""
    async with visit.transaction() as conn:
        _, key = await _key(visit, conn)
        settings = _settings(visit)
        if visit.form.text("expires_on") == _last_day(key):
            del settings["expires_at"]  # an overlap ends at its hour, not at the end of that day
        await keys.change_key(conn, key.id, settings)
    return await _after(visit, "Changed: it counts from now on.")


@pages.form("/customers/{customer_id:int}/keys/{key_id:int}/learn", shown_by=show_one, right=Right.OPERATE, fresh=True)
async def learn(visit: Visit) -> Response:
    """Let it be used from anywhere for a while, and note from where; 0 hours end that now."""
    hours = visit.form.whole("hours")
    async with visit.transaction() as conn:
        _, key = await _key(visit, conn)
        await learning.learn(conn, key.id, hours=LEARNING_HOURS if hours is None else hours)
    said = "It works from anywhere now; come back and confirm." if hours != 0 else "It learns no more."
    return await _after(visit, said)


@pages.form(
    "/customers/{customer_id:int}/keys/{key_id:int}/addresses", shown_by=show_one, right=Right.OPERATE, fresh=True
)
async def confirm(visit: Visit) -> Response:
    """Allow the ticked addresses, and from now on only the list."""
    async with visit.transaction() as conn:
        _, key = await _key(visit, conn)
        await learning.confirm_addresses(conn, key.id, visit.form.all("addresses"))
    return await _after(visit, "Confirmed: from now on it works from the addresses of its list alone.")


async def show_rotate(visit: Visit) -> Response:
    """Ask how long both keys are to work."""
    async with visit.parts.db.pool.connection() as conn:
        row, key = await _key(visit, conn)
    return await visit.page("customer_keys/rotate.html", customer=row, key=key, hours=keys.OVERLAP_HOURS)


@pages.form(
    "/customers/{customer_id:int}/keys/{key_id:int}/rotate", shown_by=show_rotate, right=Right.OPERATE, fresh=True
)
async def rotate(visit: Visit) -> Response:
    """Make the key that replaces it and show it, this once; the old one ends after the overlap."""
    hours = visit.form.whole("overlap_hours")
    async with visit.transaction() as conn:
        row, key = await _key(visit, conn)
        made = await keys.rotate_key(
            conn, visit.parts.sealer, key.id, once=visit.once,
            overlap_hours=keys.OVERLAP_HOURS if hours is None else hours,
        )  # fmt: skip
    return await _shown_once(visit, row, made, sandbox=key.sandbox)


@pages.action("/customers/{customer_id:int}/keys/{key_id:int}/revoke", back=BACK, right=Right.OPERATE, fresh=True)
async def revoke(visit: Visit) -> Response:
    """End it at once."""
    async with visit.transaction() as conn:
        row, key = await _key(visit, conn)
        await keys.revoke_key(conn, key.id)
    await visit.say("Revoked: it works no more.")
    return visit.go(f"{HERE}/{row.id}/keys")


async def _key(visit: Visit, conn: Connection) -> tuple[CustomerRow, KeyRow]:
    row = await customer_of(visit, conn)
    return row, await keys.get_key(conn, visit.id_in_path("key_id"), row.id)


async def _after(visit: Visit, said: str) -> Response:
    await visit.say(said)
    return visit.go(f"{HERE}/{visit.id_in_path('customer_id')}/keys/{visit.id_in_path('key_id')}")


async def _shown_once(visit: Visit, row: CustomerRow, made: NewKey, *, sandbox: bool) -> Response:
    return await visit.page(
        "customer_keys/made.html", customer=row, made=made, base_url=visit.parts.base_url, sandbox=sandbox
    )


def _settings(visit: Visit) -> dict[str, Any]:
    form = visit.form
    return {
        "label": form.text("label"),
        "dialect": form.text("dialect"),
        "scopes": form.all("scopes"),
        "allowed_ips": form.text("allowed_ips").replace(",", " ").split(),
        "requests_per_minute": form.whole("requests_per_minute"),
        "expires_at": _end_of(form.text("expires_on")),
    }


def _end_of(text: str) -> datetime | None:
    """Return the end of the day that a key works last, None for never."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("A day such as 2026-11-30, or nothing.", field="expires_on") from error


def _last_day(key: KeyRow) -> str:
    """Return the last day on which a key works, empty if it never ends."""
    if key.expires_at is None:
        return ""
    return (key.expires_at - timedelta(microseconds=1)).astimezone(UTC).date().isoformat()


def _chosen(visit: Visit, key: KeyRow | None = None) -> list[str]:
    """Return the scopes that are ticked: those sent, else the key's, else all."""
    if visit.problem:
        return visit.form.all("scopes")
    return key.scopes if key else [scope.value for scope in ALL_SCOPES]
