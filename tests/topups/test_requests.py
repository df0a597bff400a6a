"""Top-up requests: credited once with what arrived, refused with a reason, and above a limit by two people."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from app.admin import AdminDeps, install_staff_api
from app.alarms.service import list_alarms
from app.audit.service import audit
from app.db import Database
from app.errors import Invalid, NotFound
from app.ledger.service import account_of
from app.money import MICRO, format_amount, parse_amount
from app.sealing import Sealer
from app.topups.offers import change_method
from app.topups.requests import MAX_WAITING, Payment, TooManyWaiting, TopupRow, request_topup
from tests.admin.conftest import ClientOf, client_of, ok, refused, token_for
from tests.factories import make_customer, wait_until_locked

__all__ = ["client_of"]  # a fixture

LIMIT = 500 * MICRO
BANK = {"name": "Bank", "instructions": "To DE89 with your username", "min_amount": "10.00", "max_amount": "5000.00"}


@pytest.fixture
def app(db: Database, sealer: Sealer) -> FastAPI:
    """The staff API where two are needed above 500.00 USD."""
    app = FastAPI(redirect_slashes=False)
    install_staff_api(app, AdminDeps(db=db, sealer=sealer, currency="USD", four_eyes_above=LIMIT))
    return app


@dataclass
class Till:
    """Two who may move money, a customer without any, and a bank to pay by."""

    db: Database
    staff: httpx2.AsyncClient
    other: httpx2.AsyncClient
    customer_id: int
    method_id: int

    def payment(self, amount: str | None = "50", **more: Any) -> Payment:
        """What the customer says to have paid."""
        today = datetime.now(UTC).date()
        said = Payment(self.method_id, None if amount is None else parse_amount(amount), "Mary Reseller Ltd", today)
        return replace(said, **more)

    async def ask(self, payment: Payment | None = None) -> TopupRow:
        """Ask as the customer does."""
        async with self.db.transaction() as conn:
            return (await request_topup(conn, self.customer_id, payment or self.payment())).request

    async def balance(self) -> str:
        """What the customer has."""
        async with self.db.pool.connection() as conn:
            return format_amount((await account_of(conn, self.customer_id)).balance)

    async def topups(self) -> int:
        """How many top-ups there are."""
        async with self.db.pool.connection() as conn:
            row = await (await conn.execute("SELECT count(*) AS n FROM transfers WHERE kind = 'topup'")).fetchone()
        assert row is not None
        return int(row["n"])

    async def alarms(self) -> list[str]:
        """What staff are told that waits."""
        async with self.db.pool.connection() as conn:
            return [alarm.text for alarm in await list_alarms(conn, limit=100) if alarm.kind == "topup_waiting"]


@pytest.fixture
async def till(client_of: ClientOf, db: Database, sealer: Sealer) -> AsyncIterator[Till]:
    """The till; its books balance at the end."""
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=0)
    staff = await client_of(await token_for(db, sealer, "finance"))
    other = await client_of(await token_for(db, sealer, "owner"))
    method = await ok(staff.post("payment-methods", json=BANK), 201)
    yield Till(db, staff, other, customer_id, method["id"])
    result = await audit(db)
    assert result.ok, result.findings


async def test_what_arrived_is_credited_once_however_many_approve(till: Till) -> None:
    asked = await till.ask()
    assert (asked.amount, asked.credit, asked.state, asked.sender) == (
        50 * MICRO,
        50 * MICRO,
        "waiting",
        "Mary Reseller Ltd",
    )
    assert await till.alarms() == ["reseller says to have paid 50.00 USD by Bank."]
    [shown] = (await ok(till.staff.get("topups")))["items"]
    assert (shown["amount"], shown["credit"], shown["customer"], shown["method"]) == (
        "50.00",
        "50.00",
        "reseller",
        "Bank",
    )
    assert await ok(till.staff.get("topups/waiting")) == {"waiting": 1}
    path = f"topups/{asked.id}"
    replies = await asyncio.gather(
        *(client.post(f"{path}/approve", json={}) for client in (till.staff, till.other) for _ in range(6))
    )
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 11
    assert (await till.balance(), await till.topups()) == ("50.00", 1)
    [approved] = [reply.json() for reply in replies if reply.status_code == 200]
    assert (approved["state"], approved["credited"], approved["reason"]) == ("approved", "50.00", "")
    assert approved["transfer_id"] is not None
    assert approved["decider"] in ("finance@example.com", "owner@example.com")
    assert await till.alarms() == []
    assert (await ok(till.staff.get("topups")))["items"] == []
    assert await ok(till.staff.get("topups", params={"state": "all"})) == {"items": [approved], "next_cursor": None}
    [line] = (await ok(till.staff.get(f"customers/{till.customer_id}/statement")))["items"]
    assert (line["reference"], line["change"], line["id"]) == (
        f"top-up request {asked.id}", "50.00", approved["transfer_id"],
    )  # fmt: skip


async def test_another_amount_than_was_said_may_have_arrived(till: Till) -> None:
    asked = await till.ask()
    approved = await ok(till.staff.post(f"topups/{asked.id}/approve", json={"credited": "48.55"}))
    assert (approved["amount"], approved["credited"]) == ("50.00", "48.55")
    assert await till.balance() == "48.55"
    again = await till.ask()
    await refused(till.staff.post(f"topups/{again.id}/approve", json={"credited": "0"}), 422, "invalid", "amount")
    await refused(till.staff.post(f"topups/{again.id}/approve", json={"credited": "-1"}), 422, "invalid", "amount")
    assert (await ok(till.staff.get(f"topups/{again.id}")))["state"] == "waiting"


async def test_refused_with_a_reason_it_moves_nothing_and_stays_so(till: Till) -> None:
    asked = await till.ask()
    path = f"topups/{asked.id}"
    await refused(till.staff.post(f"{path}/refuse", json={"reason": "  "}), 422, "invalid", "reason")
    gone = await ok(till.staff.post(f"{path}/refuse", json={"reason": "No such payment"}))
    assert (gone["state"], gone["reason"], gone["transfer_id"]) == ("refused", "No such payment", None)
    await refused(till.staff.post(f"{path}/approve", json={}), 409, "conflict")
    await refused(till.staff.post(f"{path}/refuse", json={"reason": "Again"}), 409, "conflict")
    assert (await till.balance(), await till.alarms()) == ("0.00", [])
    async with till.db.pool.connection() as conn:
        for lie in ("state = 'waiting', decided_at = NULL", "amount = 1", "reason = 'other'"):
            with pytest.raises(psycopg.errors.RaiseException):
                await conn.execute(f"UPDATE topup_requests SET {lie} WHERE id = {asked.id}".encode())


async def test_approved_and_refused_at_once_it_ends_one_way(till: Till) -> None:
    for number in range(1, 6):
        asked, before = await till.ask(), await till.topups()
        replies = await asyncio.gather(
            till.staff.post(f"topups/{asked.id}/approve", json={}),
            till.other.post(f"topups/{asked.id}/refuse", json={"reason": f"Not {number}"}),
        )
        assert sorted(reply.status_code for reply in replies) == [200, 409]
        ended = (await ok(till.staff.get(f"topups/{asked.id}")))["state"]
        assert await till.topups() == before + (ended == "approved")


async def test_above_the_limit_it_waits_for_a_second_person(till: Till) -> None:
    asked = await till.ask(till.payment("600"))
    path = f"topups/{asked.id}"
    half = await ok(till.staff.post(f"{path}/approve", json={}))
    assert (half["state"], half["credited"], await till.balance()) == ("waiting", None, "0.00")
    assert len(await till.alarms()) == 1
    approval = f"approvals/{half['approval_id']}"
    for client in (till.staff, till.other):
        await refused(client.post(f"{path}/approve", json={}), 409, "conflict")
        await refused(client.post(f"{path}/refuse", json={"reason": "x"}), 409, "conflict")
    await refused(till.staff.post(f"{approval}/approve"), 403, "forbidden")
    replies = await asyncio.gather(*(till.other.post(f"{approval}/approve") for _ in range(5)))
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 4
    done = await ok(till.staff.get(path))
    assert (done["state"], done["credited"], done["decider"]) == ("approved", "600.00", "owner@example.com")
    assert done["transfer_id"] == (await ok(till.staff.get(approval)))["transfer_id"]
    assert (await till.balance(), await till.topups(), await till.alarms()) == ("600.00", 1, [])


async def test_what_the_second_person_refuses_waits_for_staff_again(till: Till) -> None:
    asked = await till.ask(till.payment("600"))
    path = f"topups/{asked.id}"
    for ending, client in (("refuse", till.other), ("withdraw", till.staff)):
        half = await ok(till.staff.post(f"{path}/approve", json={}))
        await ok(client.post(f"approvals/{half['approval_id']}/{ending}", json={"reason": "Only 450 came"}))
        again = await ok(till.staff.get(path))
        assert (again["state"], again["approval_id"]) == ("waiting", None)
        assert len(await till.alarms()) == 1, "it waits as before"
    done = await ok(till.staff.post(f"{path}/approve", json={"credited": "450"}))
    assert (done["state"], done["credited"], await till.balance()) == ("approved", "450.00", "450.00")
    assert await till.alarms() == []


async def test_a_customer_has_at_most_five_waiting_also_when_all_come_at_once(till: Till) -> None:
    answers = await asyncio.gather(*(till.ask() for _ in range(MAX_WAITING + 4)), return_exceptions=True)
    assert sum(isinstance(answer, TooManyWaiting) for answer in answers) == 4
    made = [answer for answer in answers if isinstance(answer, TopupRow)]
    assert len(made) == MAX_WAITING
    with pytest.raises(TooManyWaiting):
        await till.ask()
    await ok(till.staff.post(f"topups/{made[0].id}/refuse", json={"reason": "Twice"}))
    await till.ask()


async def test_fees_and_packages_say_what_is_credited(till: Till) -> None:
    path = f"payment-methods/{till.method_id}"
    changed = await ok(till.staff.patch(path, json={"fee_percent": "2.9"}))
    assert (changed["fee_percent"], changed["name"], changed["max_amount"]) == ("2.9", "Bank", "5000.00")
    asked = await till.ask(till.payment("33.33"))
    assert format_amount(asked.credit) == "32.36343"
    package = await ok(till.staff.post("topup-packages", json={"name": "Big", "pay": "200", "credit": "212.5"}), 201)
    offered = await till.ask(till.payment(amount=None, package_id=package["id"]))
    assert (offered.amount, offered.credit, offered.package) == (200 * MICRO, 212_500_000, "Big")
    # What was offered stands, whatever is offered now.
    await ok(till.staff.patch(f"topup-packages/{package['id']}", json={"credit": "1", "active": False}))
    with pytest.raises(NotFound):
        await till.ask(till.payment(amount=None, package_id=package["id"]))
    done = await ok(till.staff.post(f"topups/{offered.id}/approve", json={}))
    assert (done["credited"], await till.balance()) == ("212.50", "212.50")


@pytest.mark.usefixtures("within_an_hour")
async def test_odd_input_is_refused_with_its_field(till: Till, sealer: Sealer) -> None:
    today = datetime.now(UTC).date()
    package = await ok(till.staff.post("topup-packages", json={"name": "Big", "pay": "200", "credit": "210"}), 201)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"amount": 9 * MICRO}, "amount"),
        ({"amount": 5001 * MICRO}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": 201 * MICRO, "package_id": package["id"]}, "amount"),
        ({"sender": "   "}, "sender"),
        ({"sender": "x" * 201}, "sender"),
        ({"sender": "a\x00b"}, "sender"),
        ({"note": "x" * 2001}, "note"),
        ({"paid_on": today + timedelta(days=2)}, "paid_on"),
        ({"paid_on": date(1999, 1, 1)}, "paid_on"),
    ]
    for change, field in wrong:
        with pytest.raises(Invalid) as raised:
            await till.ask(replace(till.payment(), **change))
        assert raised.value.field == field, change
    euro = await ok(till.staff.post("payment-methods", json={**BANK, "name": "Euro", "currency": "EUR"}), 201)
    off = await ok(till.staff.post("payment-methods", json={**BANK, "name": "Off", "active": False}), 201)
    for method_id in (euro["id"], off["id"], 4711):
        with pytest.raises(NotFound) as missing:
            await till.ask(till.payment(method_id=method_id))
        assert missing.value.field == "method_id"
    with pytest.raises(NotFound):
        await till.ask(till.payment(amount=None, package_id=4711))
    assert (await ok(till.staff.get("topups")))["items"] == []


async def test_methods_and_packages_are_set_up_by_staff(till: Till) -> None:
    assert [one["name"] for one in (await ok(till.staff.get("payment-methods")))["items"]] == ["Bank"]
    await refused(till.staff.post("payment-methods", json={**BANK, "name": " Bank "}), 409, "conflict", "name")
    await refused(till.staff.post("payment-methods", json={**BANK, "name": " "}), 422, "invalid", "name")
    body = {**BANK, "name": "Card", "min_amount": "20", "max_amount": "10"}
    await refused(till.staff.post("payment-methods", json=body), 422, "invalid", "max_amount")
    for fee in ("100", "-1", "0.0001"):
        body = {**BANK, "name": "Card", "fee_percent": fee}
        await refused(till.staff.post("payment-methods", json=body), 422, "invalid", "fee_percent")
    card = await ok(till.staff.post("payment-methods", json={**BANK, "name": "Card", "position": -1}), 201)
    assert [one["name"] for one in (await ok(till.staff.get("payment-methods")))["items"]] == ["Card", "Bank"]
    path = f"payment-methods/{card['id']}"
    await refused(till.staff.patch(path, json={"name": "Bank"}), 409, "conflict", "name")
    await refused(till.staff.patch(path, json={"min_amount": "0"}), 422, "invalid", "min_amount")
    await refused(till.staff.patch(path, json={"currency": "EUR"}), 422, "invalid", "currency")
    assert (await ok(till.staff.patch(path, json={"max_amount": None})))["max_amount"] is None
    assert await ok(till.staff.delete(path)) == {"deleted": True}
    await refused(till.staff.get(path), 404, "not_found", "method_id")
    await till.ask()
    await refused(till.staff.delete(f"payment-methods/{till.method_id}"), 409, "conflict")
    body = {"name": "Big", "pay": "200", "credit": "0"}
    await refused(till.staff.post("topup-packages", json=body), 422, "invalid", "credit")
    package = await ok(till.staff.post("topup-packages", json={**body, "credit": "210"}), 201)
    assert await ok(till.staff.delete(f"topup-packages/{package['id']}")) == {"deleted": True}
    await refused(till.staff.delete(f"topup-packages/{package['id']}"), 404, "not_found", "package_id")


async def test_two_who_change_a_method_at_once_leave_one_that_holds(till: Till) -> None:
    async def change(**columns: int) -> None:
        async with till.db.transaction() as conn:
            await change_method(conn, till.method_id, columns)

    async with till.db.transaction() as conn:
        await change_method(conn, till.method_id, {"min_amount": 20 * MICRO})
        later = asyncio.create_task(change(max_amount=15 * MICRO))
        await wait_until_locked(conn, 1)
        assert not later.done()
    with pytest.raises(Invalid, match="not less than the least"):
        await later


async def test_the_audit_finds_a_request_that_was_not_credited_as_it_says(till: Till) -> None:
    asked = await till.ask()
    await ok(till.staff.post(f"topups/{asked.id}/approve", json={}))
    async with till.db.pool.connection() as conn:
        await conn.execute("ALTER TABLE topup_requests DISABLE TRIGGER topup_requests_state")
        await conn.execute("UPDATE topup_requests SET credited = credited + 1")
        result = await audit(till.db)
        await conn.execute("UPDATE topup_requests SET credited = credited - 1")
        await conn.execute("ALTER TABLE topup_requests ENABLE TRIGGER topup_requests_state")
    words = "a top-up request that was approved is one top-up of its customer"
    assert [finding.subject for finding in result.findings if finding.promise == words] == [
        f"top-up request {asked.id}"
    ]
