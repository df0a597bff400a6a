"""A customer's keys in the browser: shown once and working, changed, learning, replaced, revoked."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2

from app.clock import now
from app.customers.keys import list_keys
from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.factories import make_customer
from tests.pages.conftest import Surfer, SurferOf

SCOPES = ["services.read", "orders.create", "orders.read", "money.read"]


async def customer(db: Database, sealer: Sealer) -> int:
    """A customer with 12.34 and a key."""
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=12_340_000)
    return customer_id


async def account_info(url: str, username: str, key: str) -> str:
    """What a DHRU panel is told with this key."""
    fields = {"username": username, "apiaccesskey": key, "action": "accountinfo", "requestformat": "JSON"}
    async with httpx2.AsyncClient(base_url=url, timeout=30) as panel:
        return (await panel.post("/api/index.php", data=fields)).text


async def post(one: Surfer, page: str, path: str, fields: Mapping[str, Any]) -> httpx2.Response:
    """Send a form in which a name may come several times."""
    found = re.search(r'name="csrf" value="([^"]+)"', (await one.get(page)).text)
    assert found
    return await one.http.post(path, data={"csrf": found[1], **fields})


def shown(page: str) -> tuple[str, str]:
    """The username and the key that a page shows once."""
    username = re.search(r'id="dhru-username">([^<]+)<', page)
    key = re.search(r'id="dhru-key">(tk_[\w-]+)<', page)
    assert username
    assert key
    return username[1], key[1]


async def test_a_key_is_shown_once_with_what_a_panel_needs_and_works(
    surfer: SurferOf, url: str, db: Database, sealer: Sealer
) -> None:
    customer_id = await customer(db, sealer)
    operator = await surfer("operator")
    new = f"/admin/customers/{customer_id}/keys/new"
    fields = {"label": "<i>panel", "dialect": "8.2", "scopes": SCOPES, "expires_on": "2090-01-31"}
    made = await post(operator, new, new, {**fields, "requests_per_minute": "30"})
    assert made.status_code == 200
    username, key = shown(made.text)
    assert "curl -sS" in made.text
    assert "12.34" in await account_info(url, username, key)
    listed = (await operator.get(f"/admin/customers/{customer_id}/keys")).text
    assert key not in listed
    assert key[-4:] in listed
    assert "&lt;i&gt;panel" in listed
    assert "ends <time" in listed
    async with db.pool.connection() as conn:
        row = (await list_keys(conn, customer_id))[-1]
    assert (row.scopes, row.dialect, row.requests_per_minute) == (SCOPES, "8.2", 30)
    assert row.expires_at is not None
    assert row.expires_at.isoformat() == "2090-02-01T00:00:00+00:00"


async def test_settings_that_cannot_be_are_said_beside_their_field(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    customer_id = await customer(db, sealer)
    operator = await surfer("operator")
    new = f"/admin/customers/{customer_id}/keys/new"
    for wrong, says in (
        ({"scopes": []}, "Scopes are one or more"),
        ({"scopes": ["everything"]}, "Scopes are one or more"),
        ({"dialect": "9"}, "6.1 or 8.2"),
        ({"allowed_ips": "203.0.113.7\nnot an address"}, "Addresses are IPs"),
        ({"requests_per_minute": "-1"}, "A whole number"),
        ({"expires_on": "2020-01-01"}, "ends in the future"),
        ({"expires_on": "soon"}, "A day such as"),
        ({"label": "x" * 201}, "at most 200"),
    ):
        given: dict[str, Any] = {"label": "x", "dialect": "6.1", "scopes": SCOPES, **wrong}
        answer = await post(operator, new, new, given)
        assert answer.status_code == 422, wrong
        assert says in answer.text, wrong
    async with db.pool.connection() as conn:
        assert len(await list_keys(conn, customer_id)) == 1


async def test_a_key_is_changed_replaced_with_an_overlap_and_revoked(
    surfer: SurferOf, url: str, db: Database, sealer: Sealer
) -> None:
    customer_id = await customer(db, sealer)
    operator = await surfer("operator")
    base = f"/admin/customers/{customer_id}/keys"
    old_name, old_key = shown(
        (await post(operator, f"{base}/new", f"{base}/new", {"dialect": "6.1", "scopes": SCOPES})).text
    )
    async with db.pool.connection() as conn:
        old = (await list_keys(conn, customer_id))[-1]
    changed = {"label": "renamed", "dialect": "6.1", "scopes": SCOPES, "allowed_ips": "203.0.113.0/24, 198.51.100.7"}
    assert (await post(operator, f"{base}/{old.id}", f"{base}/{old.id}", {**changed})).status_code == 303
    assert "SUCCESS" not in await account_info(url, old_name, old_key), "we call from another address"
    assert (await post(operator, f"{base}/{old.id}", f"{base}/{old.id}", {**changed, "allowed_ips": ""})).is_redirect
    made = await post(operator, f"{base}/{old.id}/rotate", f"{base}/{old.id}/rotate", {"overlap_hours": "2"})
    new_name, new_key = shown(made.text)
    for name, key in ((old_name, old_key), (new_name, new_key)):
        assert "SUCCESS" in await account_info(url, name, key)
    again = await post(operator, f"{base}/{old.id}/rotate", f"{base}/{old.id}/rotate", {"overlap_hours": "2"})
    assert again.status_code == 409, "a second click makes no third key"
    async with db.pool.connection() as conn:
        rows = await list_keys(conn, customer_id)
    assert len(rows) == 3
    ends = rows[1].expires_at
    assert ends is not None
    assert timedelta(hours=1, minutes=55) < ends - now() < timedelta(hours=2)
    # Saving the settings of a key that is about to end leaves its hour as it is.
    day = re.search(r'name="expires_on"[^>]*value="([^"]*)"', (await operator.get(f"{base}/{old.id}")).text)
    assert day
    saved = {**changed, "allowed_ips": "", "expires_on": day[1]}
    assert (await post(operator, f"{base}/{old.id}", f"{base}/{old.id}", saved)).is_redirect
    async with db.pool.connection() as conn:
        assert (await list_keys(conn, customer_id))[1].expires_at == ends
    revoked = await operator.send(base, f"{base}/{rows[2].id}/revoke")
    assert revoked.headers["location"] == base
    assert "SUCCESS" not in await account_info(url, new_name, new_key)
    assert (await operator.send(base, f"{base}/{rows[2].id}/revoke")).status_code == 303


async def test_a_key_learns_where_it_is_used_and_a_person_confirms(
    surfer: SurferOf, url: str, db: Database, sealer: Sealer
) -> None:
    customer_id = await customer(db, sealer)
    operator = await surfer("operator")
    base = f"/admin/customers/{customer_id}/keys"
    async with db.pool.connection() as conn:
        [key] = await list_keys(conn, customer_id)
        await conn.execute("UPDATE api_keys SET allowed_ips = '{203.0.113.7/32}'")
    assert (await operator.send(f"{base}/{key.id}", f"{base}/{key.id}/learn", hours="24")).status_code == 303
    assert "learns its addresses" in (await operator.get(base)).text
    async with db.pool.connection() as conn:
        await conn.execute("INSERT INTO key_addresses VALUES (%s, '198.51.100.9', now(), now(), 3)", (key.id,))
    page = (await operator.get(f"{base}/{key.id}")).text
    assert "198.51.100.9" in page
    nothing = await operator.send(f"{base}/{key.id}", f"{base}/{key.id}/addresses")
    assert nothing.status_code == 422
    unseen = await operator.send(f"{base}/{key.id}", f"{base}/{key.id}/addresses", addresses="198.51.100.10")
    assert unseen.status_code == 422
    confirmed = await operator.send(f"{base}/{key.id}", f"{base}/{key.id}/addresses", addresses="198.51.100.9")
    assert confirmed.status_code == 303
    async with db.pool.connection() as conn:
        [key] = await list_keys(conn, customer_id)
    assert sorted(key.allowed_ips) == ["198.51.100.9/32", "203.0.113.7/32"]
    assert key.learning_until is None


async def test_who_may_see_and_who_may_make_keys(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    customer_id = await customer(db, sealer)
    async with db.transaction() as conn:
        other_id, *_ = await make_customer(conn, sealer, name="Other", credit=MICRO)
        [theirs] = await list_keys(conn, other_id)
    base = f"/admin/customers/{customer_id}/keys"
    for role in ("finance", "read_only"):
        one = await surfer(role)
        assert (await one.get(base)).status_code == 200
        assert "Make a key" not in (await one.get(base)).text
        for path in (f"{base}/new", f"{base}/{theirs.id}", f"{base}/{theirs.id}/rotate", f"{base}/{theirs.id}/revoke"):
            assert (await one.send("/admin/account", path)).status_code == 403, path
    operator = await surfer("operator")
    for path in (f"{base}/{theirs.id}", f"{base}/{theirs.id}/rotate"):
        assert (await operator.get(path)).status_code == 404, "a key belongs to its customer"
    assert (await operator.send("/admin/account", f"{base}/{theirs.id}/revoke")).status_code == 404
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
    asked = await operator.send("/admin/account", f"{base}/{theirs.id}/revoke")
    assert asked.headers["location"] == f"/admin/prove?next=%2Fadmin%2Fcustomers%2F{customer_id}%2Fkeys"
