"""Evidence of an order: one list in time, the same whenever it is made, with no secret and no stranger's markup."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from app.alarms.service import AlarmKind, about_supplier, raise_alarm
from app.catalog.snapshot import load_catalog
from app.clock import now
from app.connectors.http import Exchange
from app.customers.keys import create_key
from app.db import Database
from app.orders.attempts import Write, claim, record
from app.orders.service import place
from app.orders.states import AttemptState, OrderState
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.suppliers.service import keep_exchanges
from tests.admin.conftest import ok, refused
from tests.admin.test_orders import WORKER, order, send
from tests.factories import IMEIS, Shop, make_remote_service, make_route, make_shop, make_supplier

KEY, OTHER_KEY = "their-secret-key", "another-suppliers-key"
PASSWORD, PIN = "hunter2 & friends", "4711"
HOSTILE = (
    f'<script>alert("{KEY}")</script><img src=x onerror=alert(1)>\u202etxt.exe\x1b[2J </pre></body> {{{{7*7}}}} {{0.a}}'
)


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop whose supplier asks a cost that nothing else in the test looks like."""
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE remote_services SET cost = 1234567 WHERE supplier_id = %s", (shop.supplier_id,))
    return shop


async def evidence(owner: httpx2.AsyncClient, order_id: int, audience: str = "staff") -> dict[str, Any]:
    """The document of an order."""
    return await ok(owner.get(f"orders/{order_id}/evidence", params={"audience": audience}))


async def page(owner: httpx2.AsyncClient, order_id: int, audience: str = "staff") -> str:
    """The page of an order."""
    response = await owner.get(f"orders/{order_id}/evidence.html", params={"audience": audience})
    assert response.status_code == 200, response.text
    return response.text


async def test_the_life_of_an_order_is_one_list_in_time(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    async with db.transaction() as conn:
        await raise_alarm(conn, AlarmKind.UNKNOWN_STATUS, about_supplier(shop.supplier_id), "status 9?")
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="clean", result="clean")
    await ok(owner.post(f"orders/{order_id}/reverse", json={"reason": "It was wrong"}))
    async with db.transaction() as conn:
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, about_supplier(shop.supplier_id), "after the order's life")
    found = await evidence(owner, order_id)
    assert [entry["n"] for entry in found["timeline"]] == list(range(1, len(found["timeline"]) + 1))
    times = [entry["at"] for entry in found["timeline"]]
    assert times == sorted(times)
    assert [(entry["kind"], entry["facts"].get("transfer", entry["attempt"])) for entry in found["timeline"]] == [
        ("order", None), ("attempt", 1), ("money", "charge"), ("alarm", None), ("attempt", 1), ("request", 1),
        ("attempt", 1), ("order", None), ("money", "settle"), ("staff", None), ("money", "reverse"),
    ]  # fmt: skip
    placed, prepared, charged, alarm, sent, request, done, _, settled, reversal, back = found["timeline"]
    assert (placed["who"], placed["facts"]["key"]) == (f"customer {shop.username}", shop.key_id)
    assert placed["facts"]["key_ends_with"] == shop.key[-4:]
    assert (charged["facts"]["effect_on_customer"], charged["facts"]["in_escrow_for_this_order"]) == ("-2.00", "2.00")
    assert prepared["facts"]["supplier"] == "Reseller's upstream"
    assert alarm["facts"]["text"] == "status 9?"
    assert (sent["facts"]["cost"], sent["facts"]["currency"]) == ("1.234567", "USD")
    assert (request["facts"]["request"], request["facts"]["reply"], request["facts"]["status"]) == (
        "key=***", '{"ID": 5}', 200,
    )  # fmt: skip
    assert done["what"] == "Attempt 1 went from sending to done."
    assert settled["facts"]["in_escrow_for_this_order"] == "0.00"
    assert (reversal["who"], reversal["facts"]["detail"]) == ("staff 1 (owner)", "It was wrong")
    assert (back["who"], back["facts"]["effect_on_customer"], back["facts"]["reason"]) == (
        "staff 1 (owner)", "+2.00", "It was wrong",
    )  # fmt: skip
    assert found["parties"]["staff"] == [{"id": 1, "name": "owner"}]
    await refused(owner.get("orders/999999/evidence"), 404, "not_found")
    await refused(owner.get("orders/999999/evidence.html"), 404, "not_found")
    await refused(owner.get(f"orders/{order_id}/evidence?audience=police"), 422, "invalid", "audience")


async def test_asking_is_told_as_one_line(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    attempt_id = await send(db, shop, AttemptState.PLACED, order_to=OrderState.IN_PROGRESS, remote_id="77")
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET polls = 31, note = 'In queue' WHERE id = %s", (attempt_id,))
    [asking] = [entry for entry in (await evidence(owner, order_id))["timeline"] if entry["kind"] == "asking"]
    assert asking["what"] == "From here on the supplier was asked 31 times."
    assert (asking["facts"]["said_last"], asking["facts"]["remote_id"]) == ("In queue", "77")


async def test_searches_and_wishes_of_an_attempt_are_told_too(
    owner: httpx2.AsyncClient, db: Database, shop: Shop
) -> None:
    [order_id] = await order(db, shop)
    attempt_id = await send(db, shop, AttemptState.UNCLEAR, order_to=OrderState.IN_PROGRESS, text="?")
    [other] = await order(db, shop, IMEIS[1:2])
    other_attempt = await send(db, shop, AttemptState.PLACED, order_to=OrderState.IN_PROGRESS, remote_id="77")
    for call, attempts in (("find", [attempt_id]), ("hurry", [attempt_id, other_attempt]), ("find", [])):
        async with db.transaction() as conn:
            said = [Exchange(now(), "POST", f"http://x/{step}", "", 200, "", 1, "") for step in ("login", call)]
            await keep_exchanges(conn, shop.supplier_id, call, said, attempts=attempts)
    for number, expected in (
        (order_id, ["place", "find", "find", "hurry", "hurry"]),
        (other, ["place"] + 2 * ["hurry"]),
    ):
        told = [entry for entry in (await evidence(owner, number))["timeline"] if entry["kind"] == "request"]
        assert [entry["facts"]["call"] for entry in told] == expected
    facts = await ok(owner.get(f"attempts/{attempt_id}/facts"))
    assert [exchange["call"] for exchange in facts["exchanges"]] == ["place", "find", "find", "hurry", "hurry"]
    # When their time is over they are gone, and it is said so.
    async with db.transaction() as conn:
        await conn.execute("DELETE FROM exchanges")
    [sent] = [entry for entry in (await evidence(owner, order_id))["timeline"] if "wire" in entry["facts"]]
    assert sent["facts"]["wire"].startswith("no request is kept")


async def test_the_same_facts_have_the_same_sum(owner: httpx2.AsyncClient, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    await send(
        db, shop, AttemptState.PLACED, order_to=OrderState.IN_PROGRESS, remote_id="Ünï-\x7f-77", note='"\\ \u2028'
    )
    for audience in ("staff", "customer"):
        first, second = await evidence(owner, order_id, audience), await evidence(owner, order_id, audience)
        assert first.pop("generated_at") < second.pop("generated_at")
        assert first == second
        shown = first.pop("sha256")
        canonical = json.dumps(first, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(canonical.encode()).hexdigest() == shown
        assert shown in await page(owner, order_id, audience)
    before = (await evidence(owner, order_id))["sha256"]
    async with db.transaction() as conn:
        await conn.execute("UPDATE exchanges SET reply = reply || ' '")
    assert (await evidence(owner, order_id))["sha256"] != before


async def _hostile_order(db: Database, sealer: Sealer, shop: Shop) -> tuple[int, str]:
    """An order that two suppliers said everything about that must not be told; return its id and the customer's key."""
    async with db.transaction() as conn:
        key = (await create_key(conn, sealer, shop.customer_id)).key
        other = await make_supplier(conn, sealer, name="Second source <b>", api_key=OTHER_KEY)
        remote = await make_remote_service(conn, other, remote_id="9", cost=1345678)
        await make_route(conn, shop.imei_service, remote, priority=500)
        for number, name in enumerate(("Account password", "Device PIN"), start=1):
            await conn.execute(
                "INSERT INTO service_fields (service_id, name, position) VALUES (%s, %s, %s)",
                (shop.imei_service, name, number),
            )
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        fields = {"Account password": PASSWORD, "Device PIN": PIN}
        wish = make_wish(
            catalog.services[shop.imei_service],
            device="356557847079356", quantity=None, fields=fields, reference=f"mine {key}",
        )  # fmt: skip
        [outcome] = await place(
            conn, [wish], key_id=shop.key_id, ip=None, catalog_version=catalog.version, source="t", window_seconds=1
        )
    assert outcome.order_id
    encoded = base64.b64encode(f"<K>{KEY}</K>{PASSWORD}".encode()).decode()
    for supplier_id, secret, write in (
        (
            shop.supplier_id,
            KEY,
            {"new": AttemptState.REFUSED, "refusal": "other", "next_route": await _last_route(db), "note": HOSTILE},
        ),
        (
            other,
            OTHER_KEY,
            {"new": AttemptState.FAILED, "remote_id": f"R-{OTHER_KEY}", "order_to": OrderState.REJECTED,
             "reason": f"no: {OTHER_KEY} {PASSWORD}"},
        ),
    ):  # fmt: skip
        said = f"{HOSTILE} {secret} {quote(secret)} {encoded} pin={PIN}; {quote(PASSWORD)} {PASSWORD} {key}"
        async with db.transaction() as conn:
            [claimed] = await claim(conn, supplier_id, lease_by=WORKER, lease_seconds=60, limit=1)
        async with db.transaction() as conn:
            # As if it had not been cleaned when it was written.
            exchange = Exchange(now(), "POST", f"http://x/?key={secret}", said, None, said, 12, said)
            kept = await keep_exchanges(conn, supplier_id, "place", [exchange])
            whole = Write(
                claimed.attempt_id,
                AttemptState.SENDING,
                **{"text": said, "place_exchange": kept, **write},  # type: ignore[arg-type]  # columns of one row
            )
            assert await record(conn, [whole], lease_by=WORKER, actor=WORKER)
            await raise_alarm(conn, AlarmKind.SUPPLIER_BLOCKED, about_supplier(supplier_id), said)
    return outcome.order_id, key


async def _last_route(db: Database) -> int:
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT max(id) AS id FROM routes")).fetchone()
    assert row
    return int(row["id"])


@pytest.mark.parametrize("audience", ["staff", "customer"])
async def test_pain_30_no_secret_gets_into_evidence_whoever_said_it(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, shop: Shop, audience: str
) -> None:
    order_id, key = await _hostile_order(db, sealer, shop)
    found = await evidence(owner, order_id, audience)
    assert found["order"]["state"] == "rejected"
    for text in (json.dumps(found, ensure_ascii=False), await page(owner, order_id, audience)):
        assert "***" in text
        for secret in (KEY, OTHER_KEY, PASSWORD, key, key[3:]):
            for form in (secret, quote(secret), secret.replace("&", "&amp;")):
                assert form not in text, (secret, form)
        assert base64.b64encode(f"<K>{KEY}".encode())[4:-4].decode() not in text
        assert not re.search(r"\b4711\b", text)
    assert {"name": "Device PIN", "value": "***"} in found["order"]["fields"]
    # What is not secret stays: the device a password's digits may be part of, and the times.
    assert found["order"]["device"] == "356557847079356"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["at"]) for entry in found["timeline"])


async def test_the_customer_sees_no_supplier_cost_or_route(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, shop: Shop
) -> None:
    order_id, _ = await _hostile_order(db, sealer, shop)
    ours = ("upstream", "Second source", "Remote 1", "Remote 9", "1.234567", "1.345678", "1234567", "route", "attempt ",
            "supplier", "exchange", "dhru", "txt.exe", WORKER, "R-***", "other")  # fmt: skip
    full, cut = await evidence(owner, order_id), await evidence(owner, order_id, "customer")
    shown = json.dumps(cut["timeline"]) + json.dumps(cut["order"]) + json.dumps(cut["parties"])
    for text in (shown, await page(owner, order_id, "customer")):
        assert [word for word in ours if word.lower() in text.lower()] == []
    assert [word for word in ours if word.lower() not in json.dumps(full).lower()] == ["1234567"]
    assert [(entry["kind"], entry["what"]) for entry in cut["timeline"]] == [
        ("order", "The order was placed."),
        ("money", "2.00 USD was taken from the account and set aside for this order."),
        ("order", "The order was rejected."),
        ("money", "2.00 USD was given back to the account."),
    ]
    assert cut["timeline"][-1]["facts"]["set_aside_for_this_order"] == "0.00"
    assert cut["order"]["reason"] == "no: *** ***"


async def test_the_customer_sees_no_reason_or_result_that_is_not_theirs_yet(
    owner: httpx2.AsyncClient, db: Database, shop: Shop
) -> None:
    [order_id] = await order(db, shop)
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="SIM", result="SIM")
    assert (await evidence(owner, order_id, "customer"))["order"]["result"] == "SIM"
    await ok(owner.post(f"orders/{order_id}/reverse", json={"reason": "wrong"}))
    shown = (await evidence(owner, order_id, "customer"))["order"]
    assert ("result" in shown, shown["reason"]) == (False, "wrong")
    assert (await evidence(owner, order_id))["order"]["result"] == "SIM"


class Elements(HTMLParser):
    """The elements of a page, their attributes, and the texts in them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


async def test_pain_18_what_suppliers_say_is_text_on_the_page_and_nothing_else(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, shop: Shop
) -> None:
    order_id, _ = await _hostile_order(db, sealer, shop)
    response = await owner.get(f"orders/{order_id}/evidence.html")
    read = Elements()
    read.feed(response.text)
    read.close()
    allowed = "html head meta title style body h1 h2 p dl dt dd ol ul li span pre"
    assert read.tags <= set(allowed.split())
    assert read.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class"}
    [style] = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    policy = response.headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"url\(|@import|://", style)
    # The whole of it can be read, also what the eye would not see.
    said = HOSTILE.replace(KEY, "***").replace("\u202e", "[U+202E]").replace("\x1b", "[U+001B]")
    assert any(said in text for text in read.texts)
    assert "\u202e" not in response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-disposition"] == f'inline; filename="order-{order_id}-staff.html"'
