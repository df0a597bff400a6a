"""Top-ups by REST: how to pay in, and what was said to have been paid, once for a key."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.approvals.asking import FourEyes
from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from app.staff.service import create_staff
from app.topups.offers import add_method, add_package
from app.topups.requests import approve_request, refuse_request
from tests.api.v1.conftest import Bot, read, refused
from tests.factories import make_customer

METHOD = {
    "name": "Bank",
    "currency": "USD",
    "instructions": "To DE89, with your username",
    "min_amount": 10 * MICRO,
    "max_amount": None,
    "fee_percent": Decimal("2.5"),
}


@pytest.fixture
async def said(bot: Bot, db: Database) -> dict[str, Any]:
    """A request for 100.00 by the one method that there is for dollars."""
    async with db.transaction() as conn:
        method = await add_method(conn, METHOD)
        await add_method(conn, {**METHOD, "name": "Euro", "currency": "EUR"})
        await add_method(conn, {**METHOD, "name": "Off", "active": False})
        await add_package(conn, {"name": "Big", "currency": "USD", "pay": 200 * MICRO, "credit": 210 * MICRO})
    today = datetime.now(UTC).date().isoformat()
    return {"method_id": method.id, "amount": "100", "sender": "Mary", "paid_on": today, "note": "TX 4711"}


async def test_how_to_pay_and_what_became_of_it(bot: Bot, db: Database, said: dict[str, Any]) -> None:
    offers = read(await bot.get("/topups"))
    assert [method["name"] for method in offers["methods"]] == ["Bank"]
    method = offers["methods"][0]
    assert (method["min_amount"], method["max_amount"], method["fee_percent"]) == ("10.00", None, "2.5")
    [package] = offers["packages"]
    assert (package["pay"], package["credit"], package["currency"]) == ("200.00", "210.00", "USD")
    assert offers["items"] == []
    asked = read(await bot.http.post("/topups", json=said), 201)
    assert (asked["state"], asked["amount"], asked["credit"], asked["credited"]) == ("waiting", "100.00", "97.50", None)
    body = {**said, "amount": None, "package_id": package["id"]}
    offered = read(await bot.http.post("/topups", json=body), 201)
    assert (offered["amount"], offered["credit"], offered["package"]) == ("200.00", "210.00", "Big")
    async with db.transaction() as conn:
        staff = await create_staff(conn, email="a@b.example", name="A", role="finance")
        await approve_request(conn, FourEyes(None, "USD"), asked["id"], credited=96 * MICRO, staff_id=staff)
        await refuse_request(conn, offered["id"], reason="No such payment", staff_id=staff)
    shown = read(await bot.get("/topups"))["items"]
    assert [(one["id"], one["state"], one["credited"], one["reason"]) for one in shown] == [
        (offered["id"], "refused", None, "No such payment"),
        (asked["id"], "approved", "96.00", ""),
    ]
    assert read(await bot.get("/statement"))["closing"] == "1096.00"
    first = read(await bot.get("/topups", params={"limit": 1}))
    assert [one["id"] for one in first["items"]] == [offered["id"]]
    rest = read(await bot.get("/topups", params={"limit": 1, "cursor": first["next_cursor"]}))
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == ([asked["id"]], None)


async def test_a_stranger_sees_none_of_it(bot: Bot, db: Database, said: dict[str, Any], sealer: Sealer) -> None:
    read(await bot.http.post("/topups", json=said), 201)
    async with db.transaction() as conn:
        _, _, key, _ = await make_customer(conn, sealer, name="Euro", currency="EUR")
    theirs = read(await bot.get("/topups", headers={"Authorization": f"Bearer {key}"}))
    assert [method["name"] for method in theirs["methods"]] == ["Euro"]
    assert (theirs["packages"], theirs["items"]) == ([], [])
    response = await bot.http.post("/topups", json=said, headers={"Authorization": f"Bearer {key}"})
    refused(response, 404, "not_found", "method_id")


async def test_with_a_key_it_is_asked_once_and_at_most_five_wait(bot: Bot, db: Database, said: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(bot.http.post("/topups", json=said, headers=headers) for _ in range(12)))
    assert {read(answer, 201)["id"] for answer in answers} == {read(answers[0], 201)["id"]}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    other = {**said, "amount": "101"}
    refused(
        await bot.http.post("/topups", json=other, headers=headers), 422, "idempotency_key_reused", "Idempotency-Key"
    )
    for _ in range(4):
        read(await bot.http.post("/topups", json=said), 201)
    refused(await bot.http.post("/topups", json=said), 409, "too_many_waiting")
    assert read(await bot.http.post("/topups", json=said, headers=headers), 201)["state"] == "waiting"


async def test_a_sandbox_key_asks_for_no_credit(bot: Bot, said: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {await bot.key(sandbox=True)}"}
    refused(await bot.http.post("/topups", json=said, headers=headers), 403, "forbidden")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"amount": "9.99"}, 422, "amount"),
        ({"amount": None}, 422, "amount"),
        ({"amount": "ten"}, 422, "amount"),
        ({"amount": "1e3000"}, 422, "amount"),
        ({"amount": True}, 422, "amount"),
        ({"sender": " "}, 422, "sender"),
        ({"sender": "x" * 201}, 422, "sender"),
        ({"note": "x" * 2001}, 422, "note"),
        ({"paid_on": "2026-13-01"}, 422, "paid_on"),
        ({"paid_on": (datetime.now(UTC) + timedelta(days=3)).date().isoformat()}, 422, "paid_on"),
        ({"method_id": 4711}, 404, "method_id"),
        ({"method_id": "x"}, 422, "method_id"),
        ({"package_id": 4711}, 404, "package_id"),
        ({"staff_id": 1}, 422, "staff_id"),
    ],
)
async def test_what_breaks_a_rule_names_its_field(
    bot: Bot, said: dict[str, Any], change: dict[str, Any], status: int, field: str
) -> None:
    body = read(await bot.http.post("/topups", json={**said, **change}), status)
    assert body["field"] == field
    assert read(await bot.get("/topups"))["items"] == []
