"""Suppliers' books per day and how long our credit lasts, through the staff API."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from app.clock import now
from app.db import Database
from app.sealing import Sealer
from app.suppliers.books_days import close_day
from tests.admin.conftest import ClientOf, ok, refused, token_for
from tests.factories import make_shop
from tests.suppliers.accounts import Account


def yesterday() -> datetime:
    """When it began; asked each time, for the tests may have been collected before midnight."""
    return now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
async def account(db: Database, sealer: Sealer) -> Account:
    """An account of whose balance 30.00 went yesterday and 1.00 is explained."""
    account, began = Account(db, await make_shop(db, sealer)), yesterday()
    await account.reads(100, began)
    await account.attempt("done", began + timedelta(hours=1))
    await account.reads(70, began + timedelta(hours=23))
    async with db.transaction() as conn:
        await close_day(conn, account.shop.supplier_id, began.date())
    return account


async def alarms(owner: httpx2.AsyncClient) -> set[str]:
    """The kinds of the alarms that are live."""
    return {alarm["kind"] for alarm in (await ok(owner.get("alarms")))["items"]}


async def test_an_open_day_is_listed_and_explained(
    owner: httpx2.AsyncClient, client_of: ClientOf, account: Account, sealer: Sealer
) -> None:
    [day] = (await ok(owner.get("supplier-days")))["items"]
    assert (day["state"], day["day"], day["currency"]) == ("open", str(yesterday().date()), "USD")
    assert (day["opening"], day["closing"], day["cost"], day["expected"]) == ("100.00", "70.00", "1.00", "99.00")
    assert (day["difference"], day["unexplained"]) == ("-29.00", "-29.00")
    path = f"supplier-days/{day['id']}"
    assert await ok(owner.get(path)) == day
    operator = await client_of(await token_for(account.db, sealer, "operator"))
    await refused(operator.post(f"{path}/explain", json={"note": "x"}), 403, "forbidden")
    await refused(owner.post(f"{path}/explain", json={"note": " "}), 422, "invalid", "note")
    explained = await ok(owner.post(f"{path}/explain", json={"note": "their fee"}))
    assert (explained["state"], explained["note"], explained["unexplained"]) == ("explained", "their fee", "0.00")
    await refused(owner.post(f"{path}/explain", json={"note": "again"}), 409, "conflict")
    await refused(owner.get("supplier-days/999"), 404, "not_found")
    assert (await ok(owner.get("supplier-days")))["items"] == []
    supplier = account.shop.supplier_id
    assert len((await ok(owner.get(f"supplier-days?state=all&supplier_id={supplier}")))["items"]) == 1
    assert (await ok(owner.get("supplier-days?state=all&supplier_id=999")))["items"] == []


async def test_a_missing_deposit_is_entered_with_when_it_arrived(owner: httpx2.AsyncClient, account: Account) -> None:
    path = f"suppliers/{account.shop.supplier_id}/deposits"
    body = {"amount": "-29", "reference": "drawn out", "at": (yesterday() + timedelta(hours=5)).isoformat()}
    await ok(owner.post(path, json=body), 201)
    assert (await ok(owner.get("supplier-days")))["items"] == []
    [day] = (await ok(owner.get("supplier-days?state=ok")))["items"]
    assert (day["deposits"], day["difference"]) == ("-29.00", "0.00")
    late = {**body, "reference": "late", "at": (now() - timedelta(days=91)).isoformat()}
    await refused(owner.post(path, json=late), 422, "invalid", "at")


async def test_days_come_page_by_page_the_newest_first(owner: httpx2.AsyncClient, account: Account) -> None:
    async with account.db.transaction() as conn:
        for days in (3, 2):
            await close_day(conn, account.shop.supplier_id, yesterday().date() - timedelta(days=days))
    first = await ok(owner.get("supplier-days?state=all&limit=2"))
    second = await ok(owner.get(f"supplier-days?state=all&limit=2&cursor={first['next_cursor']}"))
    ids = [day["id"] for day in (*first["items"], *second["items"])]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), second["next_cursor"]) == (3, None)


async def test_pain_10_staff_see_and_set_how_long_the_credit_lasts(owner: httpx2.AsyncClient, account: Account) -> None:
    path = f"suppliers/{account.shop.supplier_id}"
    supplier = await ok(owner.get(path))
    assert (supplier["runway"], supplier["balance"]) == (70, "70.00")
    assert supplier["watch"] == {"low_balance": None, "runway_days": 3, "books_tolerance": "0.00"}
    watch = {"low_balance": "70.01", "runway_days": 10, "books_tolerance": "0.5"}
    supplier = await ok(owner.patch(path, json={"watch": watch}))
    assert supplier["watch"] == {"low_balance": "70.01", "runway_days": 10, "books_tolerance": "0.50"}
    [row] = (await ok(owner.get("supplier-runways")))["items"]
    assert (row["days"], row["spent"], row["balance"]) == (70, "1.00", "70.00")
    assert "less than 70.01" in row["low"]
    assert "low_runway" in await alarms(owner)
    await ok(owner.patch(path, json={"watch": {"low_balance": None}}))
    assert "low_runway" not in await alarms(owner)
    await refused(owner.patch(path, json={"watch": {"runway_days": 400}}), 422, "invalid", "watch.runway_days")
    assert (await ok(owner.get("suppliers")))["items"][0]["watch"]["books_tolerance"] == "0.50"


async def test_staff_move_an_account_to_another_currency(owner: httpx2.AsyncClient, account: Account) -> None:
    assert not await account.reads(5, now(), "EUR")
    assert "balance_currency" in await alarms(owner)
    supplier = await ok(owner.patch(f"suppliers/{account.shop.supplier_id}", json={"currency": "EUR"}))
    assert (supplier["currency"], supplier["balance"]) == ("EUR", None)
    assert "balance_currency" not in await alarms(owner)
    assert await account.reads(5, now(), "EUR")
    [row] = (await ok(owner.get("supplier-runways")))["items"]
    assert (row["balance"], row["spent"], row["days"]) == ("5.00", "0.00", None), "dollars were not spent in euros"
