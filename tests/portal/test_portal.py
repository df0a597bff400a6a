"""The portal: who gets in, what they see, and that an order placed there is charged once."""

import html
import re

import httpx2
import pytest

from app.audit.service import audit
from app.clock import now
from app.db import Database
from app.money import MICRO
from app.portal import NOUNS
from app.portal.batches import read_batch, written_batch
from tests.factories import IMEIS, Shop, imei
from tests.pages.conftest import member
from tests.portal.conftest import Customer

OPEN = {
    "/portal/sign-in", "/portal/sign-in/code", "/portal/sign-in/back", "/portal/welcome", "/portal/forgot",
    "/portal/status",
}  # fmt: skip


def paths(method: str) -> list[str]:
    """Every path of the portal that answers ``method``, with 1 for every id."""
    return [
        "/portal" + re.sub(r"\{\w+:(int|str)\}", "1", route.path)
        for noun in NOUNS
        for route in noun.pages.routes
        if method in (route.methods or ())
    ]


async def balance(db: Database, customer_id: int) -> int:
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT balance FROM accounts WHERE customer_id = %s", (customer_id,))
        row = await cursor.fetchone()
    assert row is not None
    return int(row["balance"])


async def count(db: Database, table: str) -> int:
    async with db.pool.connection() as conn:
        row = await (await conn.execute(f"SELECT count(*) AS n FROM {table}")).fetchone()
    assert row is not None
    return int(row["n"])


async def test_without_a_session_every_page_leads_to_the_door(nobody: Customer) -> None:
    assert len(paths("GET")) > 10
    for path in set(paths("GET")) - OPEN:
        response = await nobody.get(path)
        assert response.status_code == 303, path
        assert response.headers["location"].startswith("/portal/sign-in"), path
    for path in set(paths("POST")) - OPEN:
        response = await nobody.http.post(path, data={})
        assert response.headers["location"].startswith("/portal/sign-in"), path


async def test_nothing_is_changed_without_the_token_of_the_session(customer: Customer, stranger: Customer) -> None:
    token = re.search(r'name="csrf" value="([^"]+)"', (await stranger.get("/portal/account")).text)
    assert token
    for path in paths("POST"):
        for fields in ({}, {"csrf": token[1]}):
            response = await customer.http.post(path, data=fields)
            assert response.status_code == 403, path
            assert "not of your session" in response.text, path


async def test_staff_and_customers_come_in_by_their_own_door_only(customer: Customer, db: Database, url: str) -> None:
    await member(db)
    cookie = customer.http.cookies.get("trunkline-portal")
    async with httpx2.AsyncClient(base_url=url, cookies={"trunkline": cookie or ""}) as http:
        assert (await http.get("/admin/")).headers["location"].startswith("/admin/sign-in")
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        one = Customer(http, 0)
        assert (await one.sign_in("owner@example.com")).status_code == 422


async def test_every_link_of_every_page_leads_somewhere(customer: Customer) -> None:
    links: dict[str, str] = {}
    for path in paths("GET"):
        page = await customer.get(path)
        assert page.status_code in {200, 303, 404}, (path, page.text)
        links |= dict.fromkeys(re.findall(r'(?:href|src)="(/[^"#]*)"', page.text), path)
    for link, path in links.items():
        answer = await customer.get(html.unescape(link))
        assert answer.status_code in {200, 303}, (path, link)


async def test_an_order_placed_twice_by_a_double_click_is_charged_once(
    customer: Customer, db: Database, shop: Shop
) -> None:
    page = f"/portal/services/{shop.imei_service}"
    shown = (await customer.get(page)).text
    hidden = dict(re.findall(r'type="hidden" name="(csrf|once)" value="([^"]+)"', shown))
    fields = {**hidden, "device": IMEIS[0], "reference": "<b>mine"}
    first = await customer.http.post(page, data=fields)
    second = await customer.http.post(page, data=fields)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] == second.headers["location"]
    assert await count(db, "orders") == 1
    assert await balance(db, customer.customer_id) == 998 * MICRO
    shown = (await customer.get(first.headers["location"])).text
    assert IMEIS[0] in shown
    assert "&lt;b&gt;mine" in shown
    assert "<b>mine" not in shown
    assert (await audit(db)).ok


async def test_what_is_wrong_stands_beside_its_field_and_costs_nothing(
    customer: Customer, db: Database, shop: Shop
) -> None:
    page = f"/portal/services/{shop.imei_service}"
    wrong = await customer.send(page, device="123456789012345")
    assert wrong.status_code == 422
    assert 'id="wrong-device"' in wrong.text
    email = await customer.send(f"/portal/services/{shop.server_service}", quantity="1")
    assert email.status_code == 422
    assert 'id="wrong-field.0"' in email.text
    assert (await customer.get("/portal/services/999999")).status_code == 404
    assert await count(db, "orders") == 0
    assert await balance(db, customer.customer_id) == 1000 * MICRO


async def test_many_pasted_at_once_are_answered_row_by_row(customer: Customer, db: Database, shop: Shop) -> None:
    page = f"/portal/services/{shop.imei_service}/many"
    rows = "\n".join([f"{imei(1)}, box 1", "nonsense", "", imei(2), imei(1)])
    answer = await customer.send(page, rows=rows)
    assert answer.status_code == 200, answer.text
    assert "3 of 4 ordered" in answer.text  # the last line is the first one again, which stands already
    assert "not ordered" in answer.text
    assert await count(db, "orders") == 2
    assert await balance(db, customer.customer_id) == 996 * MICRO
    batch = re.search(r'href="(/portal/orders/batch/[^"]+)"', answer.text)
    assert batch
    followed = await customer.get(batch[1])
    assert "0 of 2 are over" in followed.text
    assert imei(2) in followed.text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("quantity;EMAIL;reference\n1;a@example.com;mine\n1;;other\n", "1 of 2 ordered"),
        ("Email,reference\na@example.com,mine\n", "1 of 1 ordered"),
    ],
)
async def test_a_table_with_a_heading_fills_the_fields(
    customer: Customer, db: Database, shop: Shop, rows: str, said: str
) -> None:
    answer = await customer.send(f"/portal/services/{shop.server_service}/many", rows=rows)
    assert said in answer.text
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT fields, reference FROM orders")).fetchone()
    assert row is not None
    assert (list(row["fields"].values()), row["reference"]) == (["a@example.com"], "mine")


@pytest.mark.parametrize(
    "rows",
    [
        "", "  \n ", "\n".join(["1"] * 501), "imei,nothing\n1,2", f"{IMEIS[0]},{'x' * 200_000}",
        f"{IMEIS[0]},5,mine", f"imei,reference\n{IMEIS[0]},mine,5", f"imei,IMEI\n{IMEIS[0]},{IMEIS[1]}",
    ],
)  # fmt: skip
async def test_a_paste_that_cannot_be_read_orders_nothing(
    customer: Customer, db: Database, shop: Shop, rows: str
) -> None:
    answer = await customer.send(f"/portal/services/{shop.imei_service}/many", rows=rows)
    assert answer.status_code == 422
    assert await count(db, "orders") == 0


async def test_nobody_sees_or_touches_what_is_anothers(
    customer: Customer, stranger: Customer, db: Database, shop: Shop
) -> None:
    placed = await customer.send(f"/portal/services/{shop.imei_service}", device=IMEIS[0])
    order = placed.headers["location"]
    assert (await stranger.get(order)).status_code == 404
    assert (await stranger.send("/portal/account", f"{order}/cancel")).status_code == 404
    assert IMEIS[0] not in (await stranger.get("/portal/orders")).text
    assert IMEIS[0] not in (await stranger.get(f"/portal/orders/batch/{order.rsplit('/', 1)[1]}")).text
    assert IMEIS[0] in (await customer.get(f"/portal/orders?device={IMEIS[0]}")).text
    for path in (f"/portal/keys/{shop.key_id}", f"/portal/keys/{shop.key_id}/revoke"):
        assert (await stranger.send("/portal/account", path, label="x", scopes="orders.read")).status_code == 404, path
    assert "-2.00" in (await customer.get("/portal/statement")).text
    assert "-2.00" not in (await stranger.get("/portal/statement")).text
    csv = await customer.get("/portal/statement.csv")
    assert csv.headers["content-type"].startswith("text/csv")
    assert "-2.00" in csv.text


async def test_an_order_that_no_supplier_has_is_cancelled_and_the_money_is_back(
    customer: Customer, db: Database, shop: Shop
) -> None:
    placed = await customer.send(f"/portal/services/{shop.imei_service}", device=IMEIS[0])
    order = placed.headers["location"]
    assert (await customer.send(order, f"{order}/cancel")).status_code == 303
    shown = (await customer.get(order)).text
    assert "rejected" in shown
    assert await balance(db, customer.customer_id) == 1000 * MICRO


async def test_a_key_made_here_works_at_the_dhru_door_and_ends_when_revoked(customer: Customer, url: str) -> None:
    made = await customer.send("/portal/keys/new", label="panel", dialect="6.1", scopes=["orders.read", "money.read"])
    assert made.status_code == 200, made.text
    key = re.search(r'id="made-key">(tk_[^<]+)<', made.text)
    assert key
    assert key[1] not in (await customer.get("/portal/keys")).text
    call = {"username": "", "apiaccesskey": key[1], "requestformat": "JSON", "action": "accountinfo"}
    told = await customer.http.post("/api/index.php", data=call)
    assert "SUCCESS" in told.json(), told.text
    listed = (await customer.get("/portal/keys")).text
    number = re.findall(r"/portal/keys/(\d+)/revoke", listed)[-1]
    assert (await customer.send("/portal/keys", f"/portal/keys/{number}/revoke")).status_code == 303
    assert "ERROR" in (await customer.http.post("/api/index.php", data=call)).json()


async def test_addresses_of_a_key_may_stand_in_lines_or_between_commas(customer: Customer) -> None:
    made = {"label": "bound", "dialect": "6.1", "scopes": "orders.read"}
    await customer.send("/portal/keys/new", allowed_ips="203.0.113.7, 198.51.100.0/24\n2001:db8::1", **made)
    listed = (await customer.get("/portal/keys")).text
    assert "only from 203.0.113.7/32, 198.51.100.0/24, 2001:db8::1/128" in listed


async def test_the_key_of_the_portal_is_nobodys(customer: Customer, db: Database, shop: Shop) -> None:
    await customer.send(f"/portal/services/{shop.imei_service}", device=IMEIS[0])
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT portal_key_id FROM customers WHERE id = %s", (shop.customer_id,))
        row = await cursor.fetchone()
    assert row is not None
    assert row["portal_key_id"] is not None
    assert f"/portal/keys/{row['portal_key_id']}/" not in (await customer.get("/portal/keys")).text
    assert (await customer.get(f"/portal/keys/{row['portal_key_id']}")).status_code == 404


async def test_somebody_suspended_is_out_at_once(customer: Customer, db: Database, shop: Shop) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE customers SET state = 'suspended' WHERE id = %s", (shop.customer_id,))
    assert (await customer.get("/portal/")).status_code == 303
    assert (await customer.sign_in(shop.username)).status_code == 422


def test_a_batch_is_written_short_and_read_back() -> None:
    assert written_batch([7, 5, 6, 9, 12, 13]) == "5-7.9.12-13"
    assert read_batch("5-7.9.12-13") == [5, 6, 7, 9, 12, 13]
    assert written_batch([]) == ""


async def test_an_odd_batch_is_not_found(customer: Customer) -> None:
    for text in ("x", "1-", "1-999999999", "9" * 30, "1..2"):
        assert (await customer.get(f"/portal/orders/batch/{text}")).status_code == 404, text


async def test_the_status_of_the_services_is_there_for_everybody(nobody: Customer, shop: Shop) -> None:
    assert (await nobody.get("/status")).headers["location"] == "/portal/status"
    assert (await nobody.get("/")).headers["location"] == "/portal/"
    shown = (await nobody.get("/portal/status")).text
    assert "2 of 2" in shown or "1 of 1" in shown
    assert "Sign out" not in shown


async def test_an_endpoint_is_added_tested_paused_and_removed(customer: Customer, db: Database) -> None:
    private = await customer.send("/portal/webhooks/new", url="https://127.0.0.1/hook", events="order.completed")
    assert private.status_code == 422
    made = await customer.send(
        "/portal/webhooks/new", url="https://panel.example/hook", events=["order.completed", "balance.low"]
    )
    assert made.status_code == 200, made.text
    secret = re.search(r'id="webhook-secret">(whsec_[^<]+)<', made.text)
    assert secret
    place = re.search(r'href="(/portal/webhooks/\d+)"', made.text)
    assert place
    assert (await customer.send(place[1], f"{place[1]}/test")).status_code == 303
    shown = (await customer.get(place[1])).text
    assert "test.ping" in shown
    assert secret[1] not in shown
    resent = re.search(r'action="(/portal/webhooks/\d+/deliveries/\d+/resend)"', shown)
    assert resent
    assert (await customer.send(place[1], resent[1])).status_code == 303
    assert (await customer.send(place[1], f"{place[1]}/state", state="paused")).status_code == 303
    assert "paused" in (await customer.get(place[1])).text
    assert (await customer.send(place[1], f"{place[1]}/state", state="gone")).status_code == 422
    assert (await customer.send("/portal/webhooks", "/portal/webhooks/low-balance", threshold="5.5")).status_code == 303
    assert 'value="5.50"' in (await customer.get("/portal/webhooks")).text
    edit = f"{place[1]}/edit"
    ticked = re.findall(r'value="([\w.]+)" checked', (await customer.get(edit)).text)
    assert ticked == ["balance.low", "order.completed"]
    for url, events in (("https://127.0.0.1/x", ["balance.low"]), ("https://panel.example/2", [])):
        refused = await customer.send(edit, url=url, events=events)
        assert refused.status_code == 422
        assert 'name="label"' in refused.text
    assert (
        await customer.send(edit, url="https://panel.example/2", label="Two", events="balance.low")
    ).status_code == 303
    shown = (await customer.get(place[1])).text
    for text in ("https://panel.example/2", "Two", ">balance.low<"):
        assert text in shown, text
    assert (await customer.send(place[1], f"{place[1]}/remove")).status_code == 303
    assert (await customer.get(place[1])).status_code == 404
    assert (await customer.get(edit)).status_code == 404


async def test_anothers_endpoint_is_not_there(customer: Customer, stranger: Customer) -> None:
    made = await customer.send("/portal/webhooks/new", url="https://panel.example/hook", events="order.completed")
    place = re.search(r'href="(/portal/webhooks/\d+)"', made.text)
    assert place
    assert (await stranger.get(place[1])).status_code == 404
    assert (await stranger.get(f"{place[1]}/edit")).status_code == 404
    for act in ("test", "rotate", "remove", "state"):
        answer = await stranger.send("/portal/account", f"{place[1]}/{act}", state="paused")
        assert answer.status_code == 404, act


async def test_a_top_up_is_asked_for_and_waits(customer: Customer, db: Database) -> None:
    assert "No way to pay" in (await customer.get("/portal/top-ups")).text
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO payment_methods (name, currency, instructions, min_amount, max_amount, active, position)"
            " VALUES ('Bank', 'USD', 'IBAN <b>12', 1000000, 500000000, true, 0)"
        )
        row = await (await conn.execute("SELECT id FROM payment_methods")).fetchone()
    assert row is not None
    shown = (await customer.get("/portal/top-ups")).text
    assert "IBAN &lt;b&gt;12" in shown
    asked = {"method_id": str(row["id"]), "sender": "Ann", "paid_on": f"{now():%Y-%m-%d}"}
    assert 'id="wrong-amount"' in (await customer.send("/portal/top-ups", amount="0.5", **asked)).text
    assert 'id="wrong-paid_on"' in (await customer.send("/portal/top-ups", **{**asked, "paid_on": "today"})).text
    assert (await customer.send("/portal/top-ups", amount="50", **asked)).status_code == 303
    assert "waiting" in (await customer.get("/portal/top-ups")).text
    assert await balance(db, customer.customer_id) == 1000 * MICRO
