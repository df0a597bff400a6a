"""Orders in the browser: found by every filter, told whole, and changed only by who may and where nothing is lost."""

import contextlib
import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from markupsafe import escape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.audit.service import audit
from app.clock import now
from app.db import Database
from app.money import MICRO
from app.orders.listing import LOOK, Wanted, find_orders
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from tests.admin.test_orders import order, send, unclear
from tests.factories import IMEIS, Shop, imei, make_remote_service, make_route, make_shop, make_supplier
from tests.pages.conftest import Surfer, SurferOf
from tests.serving import serving

IN_PROCESS = {"order_to": OrderState.IN_PROGRESS}


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop with credit of 1000."""
    return await make_shop(db, sealer)


async def run(db: Database, statement: str, *values: object) -> None:
    """Set the scene."""
    async with db.transaction() as conn:
        await conn.execute(statement, values)


async def one(db: Database, statement: str, *values: object) -> dict[str, object]:
    """Return the one row of a question."""
    async with db.pool.connection() as conn:
        [row] = await (await conn.execute(statement, values)).fetchall()
    return row


@contextlib.asynccontextmanager
async def upstream_that_says(db: Database, status: str, code: str) -> AsyncIterator[None]:
    """Let every supplier answer every question with a DHRU status and its text."""

    async def answer(request: Request) -> Response:
        return JSONResponse({"SUCCESS": [{"STATUS": status, "CODE": code}]})

    async with serving(Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])]), graceful=True) as address:
        await run(db, "UPDATE suppliers SET config = config || jsonb_build_object('base_url', %s::text)", address)
        yield


async def sound(db: Database) -> None:
    """The books balance."""
    assert (await audit(db)).ok


async def listed(surfer: Surfer, query: str = "") -> list[int]:
    """The ids of the orders on a page, as they stand."""
    response = await surfer.get(f"/admin/orders{query}")
    assert response.status_code == 200, (query, response.text)
    return [int(number) for number in re.findall(r'name="order" value="(\d+)"', response.text)]


async def test_orders_are_found_by_every_filter_alone_and_together(
    surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop
) -> None:
    reader = await surfer("read_only")
    assert "No orders" in (await reader.get("/admin/orders")).text
    other = await make_shop(db, sealer, name="Other")
    [placed] = await order(db, shop, IMEIS[:1])
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="SUP-7")
    [doubtful] = await order(db, shop, IMEIS[1:2])
    await unclear(db, shop)
    [done] = await order(db, shop, IMEIS[2:3])
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="9", text="x", result="x")
    [waiting] = await order(db, shop, IMEIS[3:4])
    [theirs] = await order(db, other, IMEIS[:1])
    await run(db, "UPDATE orders SET late_at = now() - interval '1 hour', escalated_at = now() WHERE id = %s", placed)
    await run(db, "UPDATE orders SET late_at = now() - interval '1 hour' WHERE id = %s", theirs)
    await run(db, "UPDATE orders SET cancel_requested_at = now() WHERE id = %s", doubtful)
    # All on one day, though midnight may have passed meanwhile; two of them nine days earlier.
    at = now()
    await run(db, "UPDATE orders SET created_at = %s", at)
    await run(db, "UPDATE orders SET created_at = created_at - interval '9 days' WHERE id <= %s", doubtful)
    today, before = f"{at:%Y-%m-%d}", f"{at - timedelta(days=10):%Y-%m-%d}"
    everything = [theirs, waiting, done, doubtful, placed]
    for query, expected in (
        ("", everything),
        ("?state=accepted", [theirs, waiting]),
        ("?state=in_progress", [doubtful, placed]),
        ("?state=completed", [done]),
        ("?state=rejected", []),
        ("?state=late", [theirs, placed]),
        ("?state=unclear", [doubtful]),
        ("?state=cancel", [doubtful]),
        ("?state=held", []),
        (f"?customer={shop.username}", everything[1:]),
        ("?customer=OTHER@example.com", [theirs]),
        (f"?service={shop.imei_service}", everything[1:]),
        ("?service=imei+CHECK", everything[1:]),
        (f"?supplier={other.supplier_id}", [theirs]),
        ("?supplier=999", []),
        (f"?q={IMEIS[0]}", [theirs, placed]),
        ("?q=SUP-7", [placed]),
        (f"?q={done}", [done]),
        ("?q=r0", everything),
        ("?q=%27%3B+DROP+TABLE+orders", []),
        ("?source=test", everything),
        ("?source=portal", []),
        (f"?from={today}&to={today}", everything[:3]),
        (f"?from={today}", everything[:3]),
        (f"?to={before}", []),
        ("?from=2020-01-01&to=2020-01-02", []),
        (f"?state=late&customer={shop.username}&supplier={shop.supplier_id}&q={IMEIS[0]}&source=test", [placed]),
        (f"?state=late&customer={shop.username}&service={other.imei_service}", []),
        (f"?state=completed&supplier={shop.supplier_id}&from={today}", [done]),
        (f"?before={done}", [doubtful, placed]),
        ("?before=nonsense&unknown=1", everything),
    ):
        assert await listed(reader, query) == expected, query
    for query, sentence in (
        ("?customer=nobody", "No customer has"),
        ("?service=nothing", "No service has"),
        ("?supplier=x", "chosen from the list"),
        ("?state=bored", "The state is one of"),
        ("?from=yesterday", "A day is written"),
        ("?from=0001-01-01", "of this century"),
        ("?to=9999-12-31", "of this century"),
        ("?from=2026-02-02&to=2026-02-01", "before the first"),
        ("?q=%00", "cannot be kept"),
        ("?customer=%ED%A0%80%00", "cannot be kept"),
    ):
        response = await reader.get(f"/admin/orders{query}")
        assert response.status_code == 422, query
        assert sentence in response.text, query


async def test_pages_go_on_where_the_last_ended_and_only_the_first_refreshes(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    ids = await order(db, shop, [imei(number) for number in range(120)])
    reader = await surfer("read_only")
    path, seen, refreshing = f"/admin/orders?customer={shop.username}", [], []
    while path:
        page = (await reader.get(path)).text
        seen += [int(number) for number in re.findall(r'name="order" value="(\d+)"', page)]
        refreshing.append("hx-trigger" in page)
        more = re.search(r'href="([^"]+)" rel="next"', page)
        path = html.unescape(more[1]) if more else ""
    assert seen == ids[::-1]
    assert refreshing == [True, False, False]
    part = await reader.http.get("/admin/orders?state=accepted", headers={"HX-Request": "true", "X-Background": "1"})
    assert part.text.lstrip().startswith('<div id="orders"')


async def test_a_question_that_no_index_answers_is_asked_bit_by_bit(
    db: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await order(db, shop, [imei(number) for number in range(30)])
    await run(db, "UPDATE orders SET source = 'seldom' WHERE id = ANY (%s)", [ids[0], ids[1], ids[20]])
    assert LOOK > 1000
    monkeypatch.setattr("app.orders.listing.LOOK", 7)
    async with db.pool.connection() as conn:
        seen: list[int] = []
        before, asked = None, 0
        while asked == 0 or before is not None:
            found = await find_orders(conn, Wanted(source="seldom"), before=before, limit=2)
            seen, before, asked = seen + found.ids, found.before, asked + 1
    assert seen == [ids[20], ids[1], ids[0]]
    assert 4 <= asked <= 7


async def test_one_order_is_told_whole_and_the_customers_view_has_nothing_of_ours(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    [order_id] = await order(db, shop)
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="x",
               result="<b>clean</b>\u202e")  # fmt: skip
    reader = await surfer("read_only")
    page = (await reader.get(f"/admin/orders/{order_id}")).text
    for there in ("Reseller&#39;s upstream", "key=***", "&lt;b&gt;clean&lt;/b&gt;[U+202E]", IMEIS[0], "1.00", "Settle"):
        assert there in page, there
    assert "<b>clean" not in page
    assert "What you can do" not in page
    seen = (await reader.get(f"/admin/orders/{order_id}/customer")).text
    assert "clean" in seen
    assert "2.00" in seen
    for ours in ("upstream", "Remote 1", "key=***", "1.00"):
        assert ours not in seen.split("<main")[1], ours
    for audience, has in (("staff", True), ("customer", False)):
        document = await reader.get(f"/admin/orders/{order_id}/evidence?audience={audience}")
        assert "default-src 'none'" in document.headers["content-security-policy"]
        assert document.headers["cache-control"] == "no-store"
        assert ("upstream" in document.text) is has
    for missing in ("/admin/orders/999", "/admin/orders/99999999999999999999", "/admin/orders/999/customer",
                    "/admin/orders/999/evidence", "/admin/orders/999/again"):  # fmt: skip
        operator = reader if not missing.endswith("again") else await surfer("operator")
        assert (await operator.get(missing)).status_code == 404, missing


async def test_a_result_written_for_panels_is_read_by_staff_in_lines(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    await order(db, shop, [imei(0)])
    raw = "Model: iPhone 13<br>Find My: <b style='color:red'>ON</b>"
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="1", result=raw)
    operator = await surfer("operator")
    page = await operator.get("/admin/orders/1")
    assert '<pre class="break-anywhere">Model: iPhone 13\nFind My: ON</pre>' in page.text
    assert str(escape(raw)) in page.text, "what panels get is there as well"
    assert "Model: iPhone 13, Find My: ON" in (await operator.get("/admin/orders")).text


async def test_who_may_not_cannot(surfer: SurferOf, db: Database, shop: Shop) -> None:
    [order_id] = await order(db, shop)
    path = f"/admin/orders/{order_id}"
    for role, forbidden in (
        ("read_only", ("cancel", "reject", "reverse", "recheck", "hurry", "look", "again")),
        ("finance", ("cancel", "reject", "recheck", "hurry", "look", "again")),
        ("operator", ("reverse",)),
    ):
        surfing = await surfer(role)
        for act in forbidden:
            response = await surfing.send("/admin/account", f"{path}/{act}", reason="x", route="1")
            assert response.status_code == 403, (role, act)
    assert (await one(db, "SELECT state FROM orders"))["state"] == "accepted"


async def test_an_order_is_cancelled_once_or_the_wish_is_passed_on(surfer: SurferOf, db: Database, shop: Shop) -> None:
    operator = await surfer("operator")
    [placed] = await order(db, shop, IMEIS[:1])
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S1")
    [free] = await order(db, shop, IMEIS[1:2])
    assert "go back at once" in (await operator.get(f"/admin/orders/{free}")).text
    assert "only if they say" in (await operator.get(f"/admin/orders/{placed}")).text
    path = f"/admin/orders/{free}/cancel"
    assert (await operator.send(f"/admin/orders/{free}", path)).headers["location"] == f"/admin/orders/{free}"
    assert "Cancelled: the customer has the money back" in (await operator.get(f"/admin/orders/{free}")).text
    twice = await operator.send("/admin/account", path)
    assert twice.status_code == 409
    assert "over already" in twice.text
    for _ in range(2):
        asked = await operator.send(f"/admin/orders/{placed}", f"/admin/orders/{placed}/cancel")
        assert asked.status_code == 303
    kinds = await one(db, "SELECT array_agg(kind ORDER BY id) AS kinds FROM transfers WHERE order_id IS NOT NULL")
    assert kinds["kinds"] == ["charge", "charge", "refund"]
    wishes = await one(db, "SELECT count(*) AS n FROM order_events WHERE order_id = %s AND kind = 'cancel'", placed)
    assert wishes["n"] == 1
    await sound(db)


async def test_an_order_is_rejected_with_a_reason_where_no_supplier_has_it(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    operator = await surfer("operator")
    [placed] = await order(db, shop, IMEIS[:1])
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S1")
    kept = await operator.send("/admin/account", f"/admin/orders/{placed}/reject", reason="no")
    assert kept.status_code == 409
    assert "resolve that first" in kept.text
    [free] = await order(db, shop, IMEIS[1:2])
    path = f"/admin/orders/{free}"
    for reason, status in (("  ", 422), ("x" * 1001, 422), ("\x00", 422), ("<i>Not for this network", 303)):
        response = await operator.send(path, f"{path}/reject", reason=reason)
        assert response.status_code == status, reason[:20]
        if status == 422:
            assert 'aria-invalid="true"' in response.text, reason[:20]
    assert "&lt;i&gt;Not for this network" in (await operator.get(path)).text
    assert (await operator.send("/admin/account", f"{path}/reject", reason="again")).status_code == 409
    await sound(db)


@pytest.mark.parametrize("changes", [{"four_eyes_above": "1.00"}])
async def test_above_the_limit_a_reversal_waits_for_another(
    surfer: SurferOf, db: Database, shop: Shop, changes: dict[str, object]
) -> None:
    [order_id] = await order(db, shop)
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="x", result="x")
    finance = await surfer("finance")
    path = f"/admin/orders/{order_id}"
    for _ in range(2):
        assert (await finance.send(path, f"{path}/reverse", reason="wrong result")).status_code == 303
        assert "somebody else has to approve" in (await finance.get(path)).text
    assert (await one(db, "SELECT count(*) AS n FROM approvals WHERE state = 'waiting'"))["n"] == 1
    assert (await one(db, "SELECT state FROM orders"))["state"] == "completed"
    await sound(db)


async def test_a_completed_order_is_reversed_once_and_asks_for_the_password_again(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    [order_id] = await order(db, shop)
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="x", result="x")
    finance = await surfer("finance")
    path = f"/admin/orders/{order_id}"
    await run(db, "UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
    asked = await finance.send(path, f"{path}/reverse", reason="wrong result")
    assert asked.headers["location"].startswith("/admin/prove?next=")
    await run(db, "UPDATE login_sessions SET proved_at = now()")
    assert (await finance.send(path, f"{path}/reverse", reason=" ")).status_code == 422
    assert (await finance.send(path, f"{path}/reverse", reason="wrong result")).status_code == 303
    assert (await finance.send("/admin/account", f"{path}/reverse", reason="wrong result")).status_code == 409
    kinds = await one(db, "SELECT array_agg(kind ORDER BY id) AS kinds FROM transfers WHERE order_id = %s", order_id)
    assert kinds["kinds"] == ["charge", "settle", "reverse"]
    await sound(db)


async def test_a_worker_is_told_to_ask_now_and_who_wanted_it_is_written_down(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    operator = await surfer("operator")
    [order_id] = await order(db, shop)
    path = f"/admin/orders/{order_id}"
    assert (await operator.send("/admin/account", f"{path}/look")).status_code == 409
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S1", due=3600)
    assert (await operator.send(path, f"{path}/look")).status_code == 303
    assert (await one(db, "SELECT due_at <= clock_timestamp() AS due FROM attempts"))["due"] is True
    assert "it was to be asked after or looked for at once" in (await operator.get(path)).text
    event = await one(db, "SELECT actor FROM order_events WHERE kind = 'ask_soon'")
    assert str(event["actor"]).startswith("staff ")
    # A worker that asks at this moment is not disturbed.
    await run(db, "UPDATE attempts SET lease_by = 'w', lease_until = now() + interval '1 minute'")
    assert (await operator.send(path, f"{path}/look")).status_code == 409


async def test_a_supplier_that_does_not_answer_is_told_on_the_page(surfer: SurferOf, db: Database, shop: Shop) -> None:
    operator = await surfer("operator")
    [order_id] = await order(db, shop)
    attempt = await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S1", due=3600)
    path = f"/admin/orders/{order_id}"
    for act in ("recheck", "hurry"):
        response = await operator.send(path, f"{path}/{act}", attempt=str(attempt))
        assert response.status_code == 409, act
        assert "The supplier d" in response.text, act
        assert (await operator.send(path, f"{path}/{act}", attempt="x")).status_code == 422
        assert (await operator.send(path, f"{path}/{act}", attempt=str(attempt + 1))).status_code == 404
        assert (
            await operator.send(path, f"/admin/orders/{order_id + 1}/{act}", attempt=str(attempt))
        ).status_code == 404
    assert (await one(db, "SELECT state FROM orders"))["state"] == "in_progress"
    await sound(db)


async def test_a_supplier_that_quotes_our_key_is_shown_without_it(
    surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop
) -> None:
    operator = await surfer("operator")
    [order_id] = await order(db, shop)
    attempt = await unclear(db, shop)
    path = f"/admin/orders/{order_id}"
    quoted = "bad key their-secret-key"
    await run(db, "UPDATE orders SET held = %s", quoted)
    preview = {"order": str(order_id), "act": "again"}
    for response in (
        await operator.get("/admin/orders"),
        await operator.get(path),
        await operator.send("/admin/orders", "/admin/orders/several", **preview),
    ):
        assert response.status_code == 200
        assert "their-secret-key" not in response.text
    assert "bad key ***" in (await operator.get("/admin/orders")).text
    assert "bad key ***" in (await operator.get(path)).text

    await run(db, "UPDATE attempts SET state = 'placed', remote_id = 'S1', placed_at = now() WHERE id = %s", attempt)
    async with upstream_that_says(db, "3", quoted):
        assert (await operator.send(path, f"{path}/recheck", attempt=str(attempt))).status_code == 303
    told = (await operator.get(path)).text
    assert re.search(r"The supplier says: [^<]*bad key \*{3}", told)
    assert "their-secret-key" not in told
    assert (await one(db, "SELECT state FROM orders"))["state"] == "rejected"
    assert "bad key ***" in (await operator.get("/admin/orders")).text  # the customer's reason


async def test_an_order_is_sent_again_over_the_chosen_route_at_the_cost_that_was_shown(
    surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop
) -> None:
    operator = await surfer("operator")
    [order_id] = await order(db, shop)
    attempt = await unclear(db, shop)
    async with db.transaction() as conn:
        dear = await make_supplier(conn, sealer, name="Dear & good")
        remote = await make_remote_service(conn, dear, cost=3 * MICRO)
        route = await make_route(conn, shop.imei_service, remote, priority=900)
    path = f"/admin/orders/{order_id}/again"
    page = (await operator.get(path)).text
    for there in ("Dear &amp; good", "3.00 USD", "a loss", "-1.00 USD", "may cost you all the same", 'value="1"'):
        assert there in page, there
    fields = {"newest": "1", f"cost-{route}": "3.00", "route": str(route), "reason": "two days"}
    for change, status, sentence in (
        ({"route": ""}, 422, "Choose a route"),
        ({"route": "x"}, 422, "whole number"),
        ({"route": "999", "cost-999": "1"}, 404, "no such route"),
        ({"reason": " "}, 422, "A reason is needed"),
        ({"max_cost": "2.99"}, 422, "costs 3.00 USD now"),
        ({"max_cost": "cheap"}, 422, "An amount such as"),
        ({"newest": "0"}, 409, "sent again meanwhile"),
    ):
        response = await operator.send(path, **{**fields, **change})
        assert response.status_code == status, change
        assert sentence in response.text, change
    assert (await one(db, "SELECT count(*) AS n FROM attempts"))["n"] == 1
    sent = await operator.send(path, **fields)
    assert sent.headers["location"] == f"/admin/orders/{order_id}"
    assert "on its way to Dear &amp; good, for 3.00 USD" in (await operator.get(f"/admin/orders/{order_id}")).text
    # The second click of a double click, as it was typed.
    assert (await operator.send("/admin/account", path, **fields)).status_code == 409
    attempts = await one(db, "SELECT array_agg(state ORDER BY id) AS states, max(max_cost) AS cost FROM attempts")
    assert attempts == {"states": ["abandoned", "prepared"], "cost": 3 * MICRO}
    assert f"/admin/unclear/{attempt}" in (await operator.get(f"/admin/orders/{order_id}")).text
    await sound(db)
