"""Forms that are sent twice, by a double click or after a lost reply: what they make is made once, and shown again."""

import asyncio
import re
from datetime import timedelta

import pytest

from app.clock import now
from app.customers.keys import MAX_KEYS, MAX_LISTED, list_keys
from app.db import Database
from app.sealing import SHOWN_AGAIN, Sealer
from tests.factories import IMEIS, Shop
from tests.pages import conftest as pages
from tests.pages.conftest import SurferOf
from tests.portal.conftest import Customer
from tests.portal.test_portal import count

KEY = re.compile(r'id="(?:made|dhru)-key">(tk_\w{43})<')
SECRET = re.compile(r'id="webhook-secret">(whsec_[^<]+)<')
surfer = pages.surfer

NEW_KEY = {"label": "panel", "dialect": "6.1", "scopes": "orders.read"}


async def twice(one: Customer, page: str, action: str | None = None, **fields: str) -> list[str]:
    """What two clicks on one form answer, sent side by side."""
    sent = {**await one.hidden(page), **fields}
    assert "once" in sent, page
    answers = await asyncio.gather(*(one.http.post(action or page, data=sent) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    return [answer.text for answer in answers]


async def test_two_clicks_make_one_key_and_both_show_it(customer: Customer, db: Database) -> None:
    before = await count(db, "api_keys")
    shown = {key for text in await twice(customer, "/portal/keys/new", **NEW_KEY) for key in KEY.findall(text)}
    assert len(shown) == 1
    assert await count(db, "api_keys") == before + 1
    call = {"username": "", "apiaccesskey": shown.pop(), "requestformat": "JSON", "action": "accountinfo"}
    assert "ERROR" in (await customer.http.post("/api/index.php", data=call)).json()  # it may not see money
    listed = (await customer.get("/portal/keys")).text
    assert listed.count("<strong>panel</strong>") == 1


async def test_the_same_form_with_other_content_makes_another_key(customer: Customer, db: Database) -> None:
    sent = {**await customer.hidden("/portal/keys/new"), **NEW_KEY}
    before = await count(db, "api_keys")
    first = await customer.http.post("/portal/keys/new", data=sent)
    second = await customer.http.post("/portal/keys/new", data={**sent, "label": "another"})
    assert KEY.findall(first.text) != KEY.findall(second.text)
    assert await count(db, "api_keys") == before + 2


async def test_a_key_is_shown_again_for_minutes_and_while_it_works(customer: Customer, db: Database) -> None:
    sent = {**await customer.hidden("/portal/keys/new"), **NEW_KEY}
    assert KEY.search((await customer.http.post("/portal/keys/new", data=sent)).text)
    for spoil in ("created_at = now() - %s", "created_at = now(), revoked_at = now() + 0 * %s"):
        async with db.transaction() as conn:
            await conn.execute(
                f"UPDATE api_keys SET {spoil} WHERE label = 'panel'", (SHOWN_AGAIN + timedelta(minutes=1),)
            )
        again = await customer.http.post("/portal/keys/new", data=sent)
        assert again.status_code == 409
        assert not KEY.search(again.text)


async def test_two_clicks_replace_a_key_once(customer: Customer, db: Database, shop: Shop) -> None:
    before = await count(db, "api_keys")
    texts = await twice(customer, "/portal/keys", f"/portal/keys/{shop.key_id}/rotate")
    assert len({key for text in texts for key in KEY.findall(text)}) == 1
    assert await count(db, "api_keys") == before + 1
    again = await customer.send("/portal/keys", f"/portal/keys/{shop.key_id}/rotate")  # another click, minutes later
    assert again.status_code == 409


async def test_two_clicks_add_one_endpoint_and_replace_its_secret_once(customer: Customer, db: Database) -> None:
    made = await twice(customer, "/portal/webhooks/new", url="https://panel.example/hook", events="order.completed")
    assert len({secret for text in made for secret in SECRET.findall(text)}) == 1
    assert await count(db, "webhook_endpoints") == 1
    page = re.search(r'href="(/portal/webhooks/\d+)"', made[0])
    assert page
    async with db.pool.connection() as conn:
        first = await (await conn.execute("SELECT sealed FROM webhook_endpoints")).fetchone()
    rotated = await twice(customer, page[1], f"{page[1]}/rotate")
    assert len({secret for text in rotated for secret in SECRET.findall(text)}) == 1
    async with db.pool.connection() as conn:
        after = await (await conn.execute("SELECT sealed_before FROM webhook_endpoints")).fetchone()
    assert first is not None
    assert after is not None
    assert after["sealed_before"] == first["sealed"]  # what receivers know signs on


async def test_two_clicks_ask_for_one_top_up(customer: Customer, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO payment_methods (name, currency, instructions, min_amount, max_amount, active, position)"
            " VALUES ('Bank', 'USD', '', 1000000, 500000000, true, 0)"
        )
    asked = {"method_id": "1", "amount": "50", "sender": "Ann", "paid_on": f"{now():%Y-%m-%d}"}
    sent = {**await customer.hidden("/portal/top-ups"), **asked}
    answers = await asyncio.gather(*(customer.http.post("/portal/top-ups", data=sent) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [303, 303]
    assert await count(db, "topup_requests") == 1
    assert (await customer.send("/portal/top-ups", **asked)).status_code == 303  # they did pay the same twice
    assert await count(db, "topup_requests") == 2


async def test_an_order_form_changed_after_it_ordered_says_so_and_can_be_sent(
    customer: Customer, db: Database, shop: Shop
) -> None:
    page = f"/portal/services/{shop.imei_service}"
    sent = {**await customer.hidden(page), "device": IMEIS[0]}
    assert (await customer.http.post(page, data=sent)).status_code == 303
    changed = await customer.http.post(page, data={**sent, "device": IMEIS[1]})
    assert changed.status_code == 409
    assert "ordered already" in changed.text
    assert await count(db, "orders") == 1
    anew = dict(re.findall(r'type="hidden" name="(csrf|once)" value="([^"]+)"', changed.text))
    assert (await customer.http.post(page, data={**anew, "device": IMEIS[1]})).status_code == 303
    assert await count(db, "orders") == 2


async def test_a_customer_has_so_many_keys_and_no_more(
    customer: Customer, db: Database, shop: Shop, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO api_keys (customer_id, key_hash, hint, scopes, revoked_at)"
            " SELECT %s, n::text::bytea, n::text, '{orders.read}', CASE WHEN n > %s THEN now() END"
            " FROM generate_series(2, %s) n",
            (shop.customer_id, MAX_KEYS - 1, MAX_KEYS + MAX_LISTED),
        )
        rows = await list_keys(conn, shop.customer_id)
        assert len(rows) == MAX_LISTED
        assert rows[0].id == shop.key_id  # the oldest, which works
        assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert (await customer.send("/portal/keys/new", **NEW_KEY)).status_code == 200
    for page, path in (("/portal/keys/new", None), ("/portal/keys", f"/portal/keys/{shop.key_id}/rotate")):
        refused = await customer.send(page, path, **NEW_KEY)
        assert refused.status_code == 409
        assert "at most 100 keys" in refused.text
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET expires_at = now() WHERE hint = '7'")
    assert (await customer.send("/portal/keys/new", **NEW_KEY)).status_code == 200


@pytest.mark.parametrize("act", ["new", "rotate"])
async def test_two_clicks_of_staff_make_one_key(surfer: SurferOf, db: Database, shop: Shop, act: str) -> None:
    operator = await surfer("operator")
    keys = f"/admin/customers/{shop.customer_id}/keys"
    page = f"{keys}/new" if act == "new" else f"{keys}/{shop.key_id}/rotate"
    before = await count(db, "api_keys")
    sent = {**await operator.hidden(page), **NEW_KEY, "overlap_hours": "1"}
    answers = await asyncio.gather(*(operator.http.post(page, data=sent) for _ in range(2)))
    assert len({key for answer in answers for key in KEY.findall(answer.text)}) == 1
    assert [answer.status_code for answer in answers] == [200, 200]
    assert await count(db, "api_keys") == before + 1


async def test_two_clicks_make_one_staff_token(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    sent = {**await owner.hidden("/admin/account/tokens/new"), "label": "a laptop"}
    answers = await asyncio.gather(*(owner.http.post("/admin/account/tokens/new", data=sent) for _ in range(2)))
    shown = {token for answer in answers for token in re.findall(r'id="new-token">(ts_\w{43})<', answer.text)}
    assert len(shown) == 1
    assert await count(db, "staff_tokens") == 1
    listed = await owner.http.get("/api/admin/alarms", headers={"Authorization": f"Bearer {shown.pop()}"})
    assert listed.status_code == 200
    async with db.transaction() as conn:
        await conn.execute("UPDATE staff_tokens SET created_at = now() - interval '1 hour'")
    assert (await owner.http.post("/admin/account/tokens/new", data=sent)).status_code == 409
