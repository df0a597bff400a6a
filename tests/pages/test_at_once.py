"""Acts that move money or an order, sent many times at the same moment over HTTP: each happens once, and none fails."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import httpx2
import pytest

from app.audit.service import audit
from app.clock import now
from app.db import Database
from app.money import MICRO
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from app.topups.offers import add_method
from app.topups.requests import Payment, request_topup
from tests.admin.test_orders import order, send, unclear
from tests.factories import Shop, imei, make_remote_service, make_route, make_shop, make_supplier
from tests.pages.conftest import Surfer, SurferOf
from tests.pages.test_orders import IN_PROCESS, one, run, upstream_that_says

CLICKS = 4

Act = tuple[str, Mapping[str, str | Sequence[str]]]


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop with credit of 1000."""
    return await make_shop(db, sealer)


async def at_once(surfers: Sequence[Surfer], *acts: Act, clicks: int = CLICKS) -> list[int]:
    """Send every act so many times, all at the same moment, by each of them; return the statuses in order."""
    tokens = []
    for surfer in surfers:
        found = re.search(r'name="csrf" value="([^"]+)"', (await surfer.get("/admin/account")).text)
        assert found
        tokens.append(found[1])
    calls = [
        surfer.http.post(path, data={"csrf": token, **fields})
        for _ in range(clicks)
        for surfer, token in zip(surfers, tokens, strict=True)
        for path, fields in acts
    ]
    answers: list[httpx2.Response] = await asyncio.gather(*calls)
    for answer in answers:
        assert answer.status_code < 500, answer.text
    return sorted(answer.status_code for answer in answers)


async def counts(db: Database) -> dict[str, Any]:
    """What there is of transfers after the first credit, orders and attempts; the books balance."""
    result = await audit(db)
    assert result.ok, result.findings
    return await one(
        db,
        "SELECT (SELECT array_agg(kind ORDER BY id) FROM transfers WHERE reference IS DISTINCT FROM 'first') AS moved,"
        " (SELECT array_agg(state ORDER BY id) FROM orders) AS orders,"
        " (SELECT array_agg(state ORDER BY id) FROM attempts) AS attempts",
    )


async def done(db: Database, shop: Shop) -> int:
    """An order that was completed."""
    [order_id] = await order(db, shop, [imei(1)])
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="x", result="x")
    return order_id


async def doubtful(db: Database, shop: Shop) -> tuple[int, int]:
    """An order, and its attempt of which nobody knows."""
    [order_id] = await order(db, shop, [imei(2)])
    return order_id, await unclear(db, shop)


async def other_route(db: Database, sealer: Sealer, shop: Shop) -> int:
    """One more route of the shop's service, at 3.00."""
    async with db.transaction() as conn:
        dear = await make_supplier(conn, sealer, name="Dear")
        return await make_route(conn, shop.imei_service, await make_remote_service(conn, dear, cost=3 * MICRO))


async def test_an_order_is_cancelled_or_rejected_once(surfer: SurferOf, db: Database, shop: Shop) -> None:
    operator, owner = await surfer("operator"), await surfer("owner")
    [order_id] = await order(db, shop)
    path = f"/admin/orders/{order_id}"
    acts: list[Act] = [
        (f"{path}/cancel", {}),
        (f"{path}/reject", {"reason": "no"}),
        ("/admin/orders/several/do", {"act": "cancel", "order": [str(order_id)]}),
    ]
    statuses = await at_once([operator, owner], *acts)
    assert statuses.count(303) <= 1  # or the one of several orders was first
    assert statuses == [200] * 8 + [303] * statuses.count(303) + [409] * (16 - statuses.count(303))
    assert await counts(db) == {"moved": ["charge", "refund"], "orders": ["rejected"], "attempts": ["not_sent"]}


async def test_an_order_is_reversed_once(surfer: SurferOf, db: Database, shop: Shop) -> None:
    finance, owner = await surfer("finance"), await surfer("owner")
    path = f"/admin/orders/{await done(db, shop)}"
    statuses = await at_once([finance, owner], (f"{path}/reverse", {"reason": "wrong"}))
    assert statuses == [303] + [409] * 7
    assert await counts(db) == {"moved": ["charge", "settle", "reverse"], "orders": ["rejected"], "attempts": ["done"]}


@pytest.mark.parametrize("changes", [{"four_eyes_above": "1.00"}])
async def test_above_the_limit_it_is_asked_for_once_and_approved_once(
    surfer: SurferOf, db: Database, shop: Shop, changes: dict[str, object]
) -> None:
    finance, owner = await surfer("finance"), await surfer("owner")
    customer = f"/admin/customers/{shop.customer_id}"
    asked: list[Act] = [
        (f"/admin/orders/{await done(db, shop)}/reverse", {"reason": "wrong"}),
        (f"{customer}/topup", {"amount": "50", "reference": "bank 1"}),
        (f"{customer}/adjust", {"amount": "-60", "reference": "c 1", "reason": "wrong"}),
        (f"{customer}/terms", {"credit_limit": "70", "credit_days": "30", "reason": "good"}),
    ]
    assert set(await at_once([finance], *asked)) == {303}
    rows = await one(db, "SELECT array_agg(kind ORDER BY kind) AS kinds, array_agg(id) AS ids FROM approvals")
    assert rows["kinds"] == ["adjust", "credit_limit", "reverse", "topup"]
    ids = rows["ids"]
    assert isinstance(ids, list)
    acts: list[Act] = [(f"/admin/approvals/{number}/approve", {}) for number in ids]
    statuses = await at_once([owner], *acts)
    assert (statuses.count(303), statuses.count(409)) == (4, 12)
    made = await counts(db)
    assert sorted(made["moved"]) == ["adjust", "charge", "reverse", "settle", "topup"]
    account = await one(db, "SELECT balance, credit_limit FROM accounts WHERE customer_id = %s", shop.customer_id)
    assert account == {"balance": 990 * MICRO, "credit_limit": 70 * MICRO}


@pytest.mark.parametrize("changes", [{"four_eyes_above": "1.00"}])
async def test_approved_refused_and_withdrawn_at_once_it_ends_one_way(
    surfer: SurferOf, db: Database, shop: Shop, changes: dict[str, object]
) -> None:
    finance, owner = await surfer("finance"), await surfer("owner")
    await at_once([finance], (f"/admin/customers/{shop.customer_id}/topup", {"amount": "50", "reference": "bank 1"}))
    [number] = [(await one(db, "SELECT id FROM approvals"))["id"]]
    path = f"/admin/approvals/{number}"
    acts: list[Act] = [(f"{path}/approve", {}), (f"{path}/refuse", {"reason": "no"}), (f"{path}/withdraw", {})]
    statuses = await at_once([owner, finance], *acts)
    assert statuses.count(303) == 1
    ended = await one(db, "SELECT state, transfer_id IS NOT NULL AS moved FROM approvals")
    assert ended["state"] in {"approved", "refused", "withdrawn"}
    assert ended["moved"] is (ended["state"] == "approved")
    assert (await counts(db))["moved"] == (["topup"] if ended["moved"] else None)


async def test_a_payment_and_a_correction_count_once(surfer: SurferOf, db: Database, shop: Shop) -> None:
    finance, owner = await surfer("finance"), await surfer("owner")
    customer = f"/admin/customers/{shop.customer_id}"
    acts: list[Act] = [
        (f"{customer}/topup", {"amount": "50", "reference": "bank 1"}),
        (f"{customer}/adjust", {"amount": "-60", "reference": "c 1", "reason": "wrong"}),
        (f"{customer}/terms", {"credit_limit": "70", "credit_days": "30", "reason": "good"}),
        (f"/admin/supplier-books/{shop.supplier_id}/deposit", {"amount": "9", "reference": "w", "at": "", "note": ""}),
    ]
    assert set(await at_once([finance, owner], *acts)) == {303}
    assert sorted((await counts(db))["moved"]) == ["adjust", "topup"]
    assert (await one(db, "SELECT sum(amount)::bigint AS paid FROM supplier_deposits"))["paid"] == 9 * MICRO
    # Another amount under a reference that is used says so, whoever was first.
    acts = [(f"{customer}/topup", {"amount": amount, "reference": "bank 2"}) for amount in ("10", "20")]
    statuses = await at_once([finance], *acts)
    assert statuses == [303] * 4 + [409] * 4
    assert sorted((await counts(db))["moved"]) == ["adjust", "topup", "topup"]


@pytest.mark.parametrize("changes", [{}, {"four_eyes_above": "1.00"}])
async def test_a_top_up_request_is_decided_once(
    surfer: SurferOf, db: Database, shop: Shop, changes: dict[str, object]
) -> None:
    finance, owner = await surfer("finance"), await surfer("owner")
    async with db.transaction() as conn:
        bank = {"name": "Bank", "currency": "USD", "instructions": "", "min_amount": 1, "max_amount": None,
                "fee_percent": 0}  # fmt: skip
        method = await add_method(conn, bank)
        payment = Payment(method.id, 40 * MICRO, "me", now().astimezone(UTC).date())
        asked = (await request_topup(conn, shop.customer_id, payment)).request
    path = f"/admin/top-ups/{asked.id}"
    acts: list[Act] = [(path, {"amount": "40"}), (path, {"amount": "39"}), (f"{path}/refuse", {"reason": "no"})]
    statuses = await at_once([finance, owner], *acts)
    assert statuses == [303] + [409] * 23
    row = await one(db, "SELECT state, credited, approval_id FROM topup_requests")
    moved = (await counts(db))["moved"]
    assert moved == (["topup"] if row["state"] == "approved" else None)
    assert (row["state"] == "waiting") is (row["approval_id"] is not None)


async def test_an_order_is_sent_again_once(surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop) -> None:
    operator, owner = await surfer("operator"), await surfer("owner")
    completed, (unsure, _) = await done(db, shop), await doubtful(db, shop)
    route = await other_route(db, sealer, shop)
    for order_id in (completed, unsure):
        fields = {"newest": "1", "route": str(route), "max_cost": "3", "reason": "again"}
        several = {"act": "again", "order": [str(order_id)], f"newest-{order_id}": "1", f"way-{order_id}": f"{route}:3"}
        statuses = await at_once(
            [operator, owner],
            (f"/admin/orders/{order_id}/again", fields),
            ("/admin/orders/several/do", {**several, "reason": "again"}),
        )
        assert statuses.count(200) == 8
        assert statuses.count(303) <= 1
        tried = await one(db, "SELECT count(*) AS n FROM attempts WHERE order_id = %s", order_id)
        assert tried["n"] == 2
    assert (await counts(db))["attempts"] == ["done", "abandoned", "prepared", "prepared"]


async def test_what_was_found_out_counts_once(surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop) -> None:
    operator, owner = await surfer("operator"), await surfer("owner")
    order_id, attempt = await doubtful(db, shop)
    route = await other_route(db, sealer, shop)
    path, order_path = f"/admin/unclear/{attempt}", f"/admin/orders/{order_id}"
    statuses = await at_once(
        [operator, owner],
        (path, {"answer": "not_found"}),
        (path, {"answer": "found", "remote_id": "S1"}),
        (f"{order_path}/cancel", {}),
        (f"{order_path}/again", {"newest": "1", "route": str(route), "max_cost": "3", "reason": "again"}),
        (f"{path}/look", {}),
        clicks=2,
    )
    assert statuses.count(200) == 0
    made = await counts(db)
    assert len([state for state in made["attempts"] if state in ("prepared", "placed", "unclear")]) <= 1
    assert made["moved"] in (["charge"], ["charge", "refund"])


@pytest.mark.parametrize(("status", "end"), [("4", "completed"), ("3", "rejected")])
async def test_what_a_supplier_says_on_the_spot_counts_once(
    surfer: SurferOf, db: Database, shop: Shop, status: str, end: str
) -> None:
    operator, owner = await surfer("operator"), await surfer("owner")
    [order_id] = await order(db, shop)
    attempt = await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S1", due=3600)
    path = f"/admin/orders/{order_id}"
    async with upstream_that_says(db, status, "NCK 1"):
        statuses = await at_once(
            [operator, owner],
            (f"{path}/recheck", {"attempt": str(attempt)}),
            (f"{path}/hurry", {"attempt": str(attempt)}),
            (f"{path}/look", {}),
        )
    assert statuses.count(303) >= 8, "each re-check is answered"
    moved = {"completed": ["charge", "settle"], "rejected": ["charge", "refund"]}[end]
    made = await counts(db)
    assert (made["orders"], made["moved"]) == ([end], moved)


async def test_one_audit_runs_at_a_time_however_often_it_is_asked_for(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    statuses = await at_once([operator], ("/admin/audit/run", {}), clicks=12)
    assert statuses.count(303) + statuses.count(409) == 12
    assert 409 in statuses
    assert (await one(db, "SELECT count(*) AS n FROM audit_runs"))["n"] == statuses.count(303)
    assert await at_once([operator], ("/admin/audit/run", {}), clicks=1) == [303]


async def test_a_task_by_hand_ends_once(surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop) -> None:
    operator, owner = await surfer("operator"), await surfer("owner")
    await run(db, "UPDATE suppliers SET kind = 'manual', config = '{}' WHERE id = %s", shop.supplier_id)
    [order_id] = await order(db, shop)
    attempt = await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="T1")
    path = f"/admin/by-hand/{attempt}"
    statuses = await at_once(
        [operator, owner],
        (path, {"act": "finish", "result": "NCK 1"}),
        (path, {"act": "finish", "result": "NCK 2"}),
        (path, {"act": "give_up", "reject": "no"}),
        (f"/admin/orders/{order_id}/cancel", {}),
        clicks=2,
    )
    assert 303 in statuses
    made = await counts(db)
    assert (made["orders"], made["moved"]) in (
        (["completed"], ["charge", "settle"]),
        (["rejected"], ["charge", "refund"]),
    )
    events = await one(
        db, "SELECT count(*) AS n FROM order_events WHERE kind = 'order' AND new_state IN ('completed', 'rejected')"
    )
    assert events["n"] == 1
