"""Credit by hand: exact to the last digit, once per reference, and never beyond what is there."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from app.audit.service import audit
from app.db import Database
from tests.admin.conftest import ok, refused


@pytest.fixture
async def path(owner: httpx2.AsyncClient, db: Database) -> AsyncIterator[str]:
    """The path of a customer without credit; the books balance at the end."""
    made = await ok(owner.post("customers", json={"name": "Fix It", "email": "a@fix.example"}), 201)
    yield f"customers/{made['id']}"
    assert (await audit(db)).ok


async def balance(owner: httpx2.AsyncClient, path: str) -> str:
    """What the customer has."""
    return str((await ok(owner.get(path)))["balance"])


async def post_raw(owner: httpx2.AsyncClient, path: str, body: str) -> httpx2.Response:
    """Post a body as it stands."""
    return await owner.post(path, content=body.encode(), headers={"Content-Type": "application/json"})


EXACT = {
    '"12.50"': "12.50",
    '"12.500000"': "12.50",
    "12": "12.00",
    "0.1": "0.10",
    "0.3": "0.30",
    "1e3": "1000.00",
    "0.000001": "0.000001",
    "1e-6": "0.000001",
    # A double has 15 to 17 digits; read as one, these would come out as others.
    "1234567890.123456": "1234567890.123456",
    "8999999999.999999": "8999999999.999999",
    "4503599627.370497": "4503599627.370497",
    "9000000000": "9000000000.00",
}

NO_AMOUNTS = (
    *("0.30000000000000004", "1e-7", "0.0000001", "1.00000000000000000000000000000000000000001", "1e-99"),
    *("1e99", "9000000000.000001", "99999999999999999999", "0", "-1", '"-1"', '"NaN"', '"Infinity"', '"1,50"'),
    *('"1_000"', '"\u0661"', '""', '" "', "null", "true", "[1]", '{"a": 1}'),
)

NOT_JSON = ("NaN", "Infinity", "1e400", "1e999999999", "1e-999999999", "1" * 5000, "0." + "1" * 5000, "1.", "01", "'1'")


async def test_amounts_keep_every_digit(owner: httpx2.AsyncClient, path: str) -> None:
    for number, written in enumerate(EXACT):
        response = await post_raw(owner, f"{path}/topups", f'{{"amount": {written}, "reference": "{number}"}}')
        assert response.status_code == 201, (written, response.text)
    statement = await ok(owner.get(f"{path}/statement"))
    assert [row["change"] for row in reversed(statement["items"])] == list(EXACT.values())


async def test_what_is_no_amount_moves_nothing(owner: httpx2.AsyncClient, path: str) -> None:
    for written in NO_AMOUNTS:
        response = await post_raw(owner, f"{path}/topups", f'{{"amount": {written}, "reference": "x"}}')
        assert (response.status_code, response.json()["field"]) == (422, "amount"), written
    for written in NOT_JSON:
        response = await post_raw(owner, f"{path}/topups", f'{{"amount": {written}, "reference": "x"}}')
        assert (response.status_code, response.json()["code"]) == (400, "invalid_json"), written
        assert response.headers["content-type"] == "application/problem+json"
    assert (await ok(owner.get(f"{path}/statement")))["items"] == []


async def test_a_reference_is_credited_once(owner: httpx2.AsyncClient, path: str) -> None:
    body = {"amount": "7.25", "reference": "bank 4711"}
    first = await ok(owner.post(f"{path}/topups", json=body), 201)
    again = await ok(owner.post(f"{path}/topups", json={"amount": 7.25, "reference": " bank 4711 "}), 200)
    assert again == {**first, "new": False}
    await refused(owner.post(f"{path}/topups", json={**body, "amount": "7.26"}), 409, "conflict", "reference")
    assert await balance(owner, path) == "7.25"


async def test_a_race_of_one_reference_is_one_credit(owner: httpx2.AsyncClient, path: str) -> None:
    body = {"amount": "7.25", "reference": "bank 4711"}
    replies = await asyncio.gather(*(owner.post(f"{path}/topups", json=body) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [200] * 19 + [201]
    assert len({reply.json()["transfer_id"] for reply in replies}) == 1
    assert await balance(owner, path) == "7.25"


async def test_references_are_each_customers_own(owner: httpx2.AsyncClient, path: str) -> None:
    other = await ok(owner.post("customers", json={"name": "Other", "email": "o@fix.example"}), 201)
    body = {"amount": "1", "reference": "bank"}
    await ok(owner.post(f"{path}/topups", json=body), 201)
    await ok(owner.post(f"customers/{other['id']}/topups", json=body), 201)


async def test_a_topup_needs_a_reference(owner: httpx2.AsyncClient, path: str) -> None:
    for reference in ("", "  ", "x" * 201):
        body = {"amount": "1", "reference": reference}
        await refused(owner.post(f"{path}/topups", json=body), 422, "invalid", "reference")
    assert await balance(owner, path) == "0.00"


async def test_an_adjustment_takes_no_more_than_there_is(owner: httpx2.AsyncClient, path: str) -> None:
    await ok(owner.post(f"{path}/topups", json={"amount": "5", "reference": "bank"}), 201)
    taken = await ok(
        owner.post(f"{path}/adjustments", json={"amount": "-3.50", "reference": "a", "reason": "Paid back"}), 201
    )
    assert (taken["balance"], taken["currency"]) == ("1.50", "USD")
    await refused(
        owner.post(f"{path}/adjustments", json={"amount": "-1.500001", "reference": "b", "reason": "More"}),
        409,
        "conflict",
        "amount",
    )
    for field, wrong in (("reason", " "), ("amount", "0"), ("reference", " "), ("reference", "x" * 201)):
        body = {"amount": "1", "reference": "c", "reason": "x", field: wrong}
        await refused(owner.post(f"{path}/adjustments", json=body), 422, "invalid", field)
    assert await balance(owner, path) == "1.50"


async def test_a_race_of_one_adjustment_is_one_transfer(owner: httpx2.AsyncClient, path: str) -> None:
    await ok(owner.post(f"{path}/topups", json={"amount": "10", "reference": "bank"}), 201)
    for amount, left in (("-3", "7.00"), ("5", "12.00")):
        body = {"amount": amount, "reference": f"complaint {amount}", "reason": "Agreed"}
        replies = await asyncio.gather(*(owner.post(f"{path}/adjustments", json=body) for _ in range(20)))
        assert sorted(reply.status_code for reply in replies) == [200] * 19 + [201]
        assert len({reply.json()["transfer_id"] for reply in replies}) == 1
        other = {**body, "amount": f"{amount}.01"}
        await refused(owner.post(f"{path}/adjustments", json=other), 409, "conflict", "reference")
        assert await balance(owner, path) == left


async def test_many_payments_at_once_wait_for_each_other_and_all_arrive(owner: httpx2.AsyncClient, path: str) -> None:
    bodies = [{"amount": "1", "reference": f"bank {number}"} for number in range(40)]
    replies = await asyncio.gather(*(owner.post(f"{path}/topups", json=body) for body in bodies))
    assert {reply.status_code for reply in replies} == {201}
    assert await balance(owner, path) == "40.00"


async def test_the_credit_limit_holds(owner: httpx2.AsyncClient, path: str) -> None:
    assert (await ok(owner.patch(path, json={"credit_limit": "10"})))["credit_limit"] == "10.00"
    taken = await ok(
        owner.post(f"{path}/adjustments", json={"amount": "-8", "reference": "lent", "reason": "Lent"}), 201
    )
    assert taken["balance"] == "-8.00"
    await refused(owner.patch(path, json={"credit_limit": "7.99"}), 409, "conflict", "credit_limit")
    await refused(owner.patch(path, json={"credit_limit": "-1"}), 422, "invalid", "credit_limit")
    assert (await ok(owner.get(path)))["credit_limit"] == "10.00"


async def test_balances_stay_within_what_a_row_can_hold(owner: httpx2.AsyncClient, path: str) -> None:
    for number in range(3):
        await ok(owner.post(f"{path}/topups", json={"amount": "9000000000", "reference": str(number)}), 201)
    assert await balance(owner, path) == "27000000000.00"


async def test_nobody_is_credited_who_is_not_there(owner: httpx2.AsyncClient, path: str) -> None:
    await refused(owner.post("customers/999/topups", json={"amount": "1", "reference": "x"}), 404, "not_found")
    await refused(
        owner.post("customers/999/adjustments", json={"amount": "1", "reference": "x", "reason": "x"}), 404, "not_found"
    )
    await refused(owner.get("customers/999/statement"), 404, "not_found")
