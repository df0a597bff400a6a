"""Four eyes: above a limit one person asks and another approves, and the money moves once or not at all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from app.admin import AdminDeps, install_staff_api
from app.audit.service import audit
from app.db import Database
from app.ledger.service import account_of
from app.money import MICRO, format_amount
from app.sealing import Sealer
from tests.admin.conftest import ClientOf, ok, refused, token_for
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import buy, wish

LIMIT = 100 * MICRO


@pytest.fixture
def app(db: Database, sealer: Sealer) -> FastAPI:
    """The staff API where two are needed above 100.00 USD."""
    app = FastAPI(redirect_slashes=False)
    install_staff_api(app, AdminDeps(db=db, sealer=sealer, currency="USD", four_eyes_above=LIMIT))
    return app


@dataclass
class Office:
    """Two who may move money, and a customer with 1000.00."""

    asker: httpx2.AsyncClient
    other: httpx2.AsyncClient
    shop: Shop
    db: Database

    @property
    def path(self) -> str:
        """Where the customer is."""
        return f"customers/{self.shop.customer_id}"

    async def balance(self) -> str:
        """What the customer has."""
        async with self.db.pool.connection() as conn:
            return format_amount((await account_of(conn, self.shop.customer_id)).balance)

    async def topup(self, amount: str = "100.01", reference: str = "bank 1") -> dict[str, Any]:
        """Ask for credit that needs another."""
        return await ok(self.asker.post(f"{self.path}/topups", json={"amount": amount, "reference": reference}), 202)

    async def transfers(self) -> int:
        """How many transfers there are."""
        async with self.db.pool.connection() as conn:
            row = await (await conn.execute("SELECT count(*) AS n FROM transfers")).fetchone()
        assert row is not None
        return int(row["n"])


@pytest.fixture
async def office(client_of: ClientOf, db: Database, sealer: Sealer) -> AsyncIterator[Office]:
    """The office; its books balance at the end."""
    shop = await make_shop(db, sealer)
    asker = await client_of(await token_for(db, sealer, "finance"))
    other = await client_of(await token_for(db, sealer, "owner"))
    yield Office(asker, other, shop, db)
    result = await audit(db)
    assert result.ok, result.findings


async def completed_order(office: Office, price: int = 200 * MICRO) -> int:
    """Return an order of ``price`` that was delivered."""
    async with office.db.transaction() as conn:
        await conn.execute("UPDATE services SET price = %s WHERE id = %s", (price, office.shop.imei_service))
    [outcome] = await buy(office.db, office.shop, await wish(office.db, office.shop.imei_service, imei(1)))
    async with office.db.transaction() as conn:
        await conn.execute(
            "SELECT move_orders(json_build_array(json_build_object('order', %s::bigint, 'to', 'completed', 'result',"
            " 'Code 1')), ARRAY['accepted'], 'test')",
            (outcome.order_id,),
        )
    assert outcome.order_id is not None
    return outcome.order_id


async def test_above_the_limit_nothing_moves_until_another_approves(office: Office) -> None:
    asked = await office.topup()
    assert (asked["state"], asked["kind"], asked["amount"], asked["requester"], asked["transfer_id"]) == (
        "waiting", "topup", "100.01", "finance@example.com", None,
    )  # fmt: skip
    assert await office.balance() == "1000.00"
    [waiting] = (await ok(office.other.get("approvals")))["items"]
    assert waiting == asked
    path = f"approvals/{asked['id']}"
    await refused(office.asker.post(f"{path}/approve"), 403, "forbidden")
    assert await office.balance() == "1000.00"
    approved = await ok(office.other.post(f"{path}/approve"))
    assert (approved["state"], approved["decider"]) == ("approved", "owner@example.com")
    assert approved["transfer_id"] is not None
    assert await office.balance() == "1100.01"
    assert await ok(office.asker.get(path)) == approved
    await refused(office.other.post(f"{path}/approve"), 409, "conflict")
    assert (await ok(office.other.get("approvals")))["items"] == []
    # Asked again, the same payment is the one that was made.
    again = await ok(office.asker.post(f"{office.path}/topups", json={"amount": "100.01", "reference": "bank 1"}), 200)
    assert (again["transfer_id"], again["new"]) == (approved["transfer_id"], False)


async def test_up_to_the_limit_one_person_is_enough(office: Office) -> None:
    await ok(office.asker.post(f"{office.path}/topups", json={"amount": "100", "reference": "bank 1"}), 201)
    assert await office.balance() == "1100.00"


async def test_approved_by_many_at_once_it_moves_once(office: Office) -> None:
    asked = await office.topup()
    before = await office.transfers()
    replies = await asyncio.gather(*(office.other.post(f"approvals/{asked['id']}/approve") for _ in range(12)))
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 11
    assert await office.transfers() == before + 1
    assert await office.balance() == "1100.01"


async def test_approved_refused_and_withdrawn_at_once_it_ends_one_way(office: Office) -> None:
    for number in range(6):
        asked = await office.topup(reference=f"bank {number}")
        path, before = f"approvals/{asked['id']}", await office.transfers()
        replies = await asyncio.gather(
            office.asker.post(f"{path}/withdraw"),
            office.other.post(f"{path}/approve"),
            office.other.post(f"{path}/refuse", json={"reason": "No such payment"}),
        )
        assert sorted(reply.status_code for reply in replies) == [200, 409, 409]
        ended = (await ok(office.other.get(path)))["state"]
        assert await office.transfers() == before + (ended == "approved")


async def test_two_askers_of_one_payment_make_one_approval(office: Office) -> None:
    asked = await asyncio.gather(*(office.topup() for _ in range(8)))
    assert len({one["id"] for one in asked}) == 1
    body = {"amount": "100.02", "reference": "bank 1"}
    await refused(office.asker.post(f"{office.path}/topups", json=body), 409, "conflict")


async def test_every_kind_of_act_waits(office: Office) -> None:
    body = {"amount": "-100.01", "reference": "r1", "reason": "Paid back"}
    adjusted = await ok(office.asker.post(f"{office.path}/adjustments", json=body), 202)
    assert (adjusted["kind"], adjusted["amount"], adjusted["reason"]) == ("adjust", "-100.01", "Paid back")
    limit = await ok(office.asker.patch(office.path, json={"credit_limit": "100.01", "reason": "Good payer"}), 202)
    assert (limit["kind"], limit["previous"], limit["amount"], limit["reason"]) == (
        "credit_limit", "0.00", "100.01", "Good payer",
    )  # fmt: skip
    order = await completed_order(office)
    reverse = await ok(office.asker.post(f"orders/{order}/reverse", json={"reason": "Wrong code"}), 202)
    assert (reverse["kind"], reverse["order_id"], reverse["amount"]) == ("reverse", order, "200.00")
    assert (await ok(office.asker.get(office.path)))["credit_limit"] == "0.00"
    assert (await ok(office.asker.get(f"orders/{order}")))["state"] == "completed"
    assert await office.balance() == "800.00"
    for asked in (adjusted, limit, reverse):
        assert (await ok(office.other.post(f"approvals/{asked['id']}/approve")))["state"] == "approved"
    assert (await ok(office.asker.get(office.path)))["credit_limit"] == "100.01"
    story = await ok(office.asker.get(f"orders/{order}"))
    assert (story["state"], story["reason"], story["transfers"][-1]["kind"]) == ("rejected", "Wrong code", "reverse")
    assert await office.balance() == "899.99"


async def test_what_no_longer_fits_is_refused_with_its_reason_and_moves_nothing(office: Office) -> None:
    order = await completed_order(office)
    reverse = await ok(office.asker.post(f"orders/{order}/reverse", json={"reason": "Wrong code"}), 202)
    body = {"amount": "-150", "reference": "r1", "reason": "Paid back"}
    adjust = await ok(office.asker.post(f"{office.path}/adjustments", json=body), 202)
    limit = await ok(office.asker.patch(office.path, json={"credit_limit": "500"}), 202)
    topup = await office.topup()
    async with office.db.transaction() as conn:
        staff = await (await conn.execute("SELECT id FROM staff ORDER BY id LIMIT 1")).fetchone()
        assert staff is not None
        await conn.execute("SELECT reverse_order(%s, %s, 'by another way')", (order, staff["id"]))
    await ok(office.other.patch(office.path, json={"credit_limit": "10"}))
    await ok(office.asker.post(f"{office.path}/topups", json={"amount": "1", "reference": "bank 1"}), 201)
    for number in range(10):
        taken = {"amount": "-100", "reference": f"take {number}", "reason": "x"}
        await ok(office.asker.post(f"{office.path}/adjustments", json=taken), 201)
    before, count = await office.balance(), await office.transfers()
    notes = []
    for asked in (reverse, adjust, limit, topup):
        ended = await ok(office.other.post(f"approvals/{asked['id']}/approve"))
        assert (ended["state"], ended["transfer_id"]) == ("refused", None)
        notes.append(ended["note"])
    assert notes == [
        "Only a completed order can be reversed.",
        "The balance and credit limit do not cover that.",
        "The credit limit was changed since this was asked for.",
        "This reference was used for another amount.",
    ]
    assert (await office.balance(), await office.transfers()) == (before, count)
    assert (await ok(office.asker.get(office.path)))["credit_limit"] == "10.00"


async def test_only_who_asked_withdraws_and_only_others_refuse(office: Office) -> None:
    asked = await office.topup()
    path = f"approvals/{asked['id']}"
    await refused(office.other.post(f"{path}/withdraw"), 403, "forbidden")
    await refused(office.asker.post(f"{path}/refuse", json={"reason": "x"}), 403, "forbidden")
    await refused(office.other.post(f"{path}/refuse", json={"reason": " "}), 422, "invalid", "reason")
    assert (await ok(office.asker.post(f"{path}/withdraw")))["state"] == "withdrawn"
    # What was withdrawn may be asked for again.
    again = await office.topup()
    assert again["id"] != asked["id"]
    ended = await ok(office.other.post(f"approvals/{again['id']}/refuse", json={"reason": "No such payment"}))
    assert (ended["state"], ended["note"]) == ("refused", "No such payment")
    assert [row["id"] for row in (await ok(office.other.get("approvals?state=refused")))["items"]] == [again["id"]]
    assert await office.balance() == "1000.00"


async def test_a_raise_that_waits_is_asked_for_alone_and_lowering_is_free(office: Office) -> None:
    both = {"credit_limit": "500", "name": "Other"}
    await refused(office.other.patch(office.path, json=both), 422, "invalid", "credit_limit")
    assert (await ok(office.other.get(office.path)))["name"] == "Reseller"
    assert (await ok(office.other.get("approvals")))["items"] == []
    asked = await ok(office.asker.patch(office.path, json={"credit_limit": "500"}), 202)
    await ok(office.other.post(f"approvals/{asked['id']}/approve"))
    assert (await ok(office.asker.patch(office.path, json={"credit_limit": "400"})))["credit_limit"] == "400.00"
    # In small steps it would become as much.
    await ok(office.asker.patch(office.path, json={"credit_limit": "401"}), 202)
    new = {"name": "New", "email": "new@fix.example", "credit_limit": "100.01"}
    await refused(office.other.post("customers", json=new), 409, "conflict", "credit_limit")


async def test_other_currencies_are_measured_by_the_rate_of_the_moment(office: Office) -> None:
    made = await ok(office.other.post("customers", json={"name": "E", "email": "e@x.example", "currency": "EUR"}), 201)
    path = f"customers/{made['id']}/topups"
    await ok(office.asker.post(path, json={"amount": "1", "reference": "no rate"}), 202)
    await ok(office.other.put("rates/EUR", json={"rate": "1.25"}))
    await ok(office.asker.post(path, json={"amount": "80", "reference": "just"}), 201)
    await ok(office.asker.post(path, json={"amount": "80.000001", "reference": "above"}), 202)
    await ok(office.asker.post(path, json={"amount": "9000000000", "reference": "much"}), 202)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE approvals SET state = 'approved', decided_by = requested_by, decided_at = now(), transfer_id = 1",
        "UPDATE approvals SET state = 'refused', decided_by = requested_by, decided_at = now()",
        "UPDATE approvals SET state = 'approved', decided_at = now(), transfer_id = 1",
        "UPDATE approvals SET state = 'withdrawn', decided_by = requested_by + 1, decided_at = now()",
        "UPDATE approvals SET amount = amount + 1",
        "UPDATE approvals SET reference = 'other'",
        "DELETE FROM approvals",
    ],
)
async def test_the_database_itself_wants_four_eyes(office: Office, change: Any) -> None:
    await office.topup()
    async with office.db.pool.connection() as conn:
        with pytest.raises(psycopg.Error, match=r"ck_approvals|is decided, or was changed"):
            await conn.execute(change)


async def test_what_was_decided_stays_so(office: Office) -> None:
    asked = await office.topup()
    await ok(office.asker.post(f"approvals/{asked['id']}/withdraw"))
    async with office.db.pool.connection() as conn:
        with pytest.raises(psycopg.Error, match="is decided"):
            await conn.execute("UPDATE approvals SET state = 'waiting', decided_by = NULL, decided_at = NULL")
