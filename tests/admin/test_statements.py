"""Statements by the staff API: pages, ranges and filters, and a file that every spreadsheet reads and none executes."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import ok, refused
from tests.factories import Shop, imei, make_shop
from tests.orders.test_place import buy, wish

DAYS = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in range(1, 7)]


@pytest.fixture
async def path(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> str:
    """A customer with six lines, one at noon of each day: 10.00, two orders, one refund, a correction, 5.00."""
    shop: Shop = await make_shop(db, sealer, credit=0)
    at = f"customers/{shop.customer_id}"
    await ok(owner.post(f"{at}/topups", json={"amount": "10", "reference": "=cmd|' /C calc'!A0"}), 201)
    await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    await buy(db, shop, await wish(db, shop.imei_service, imei(2)))
    await ok(owner.post("orders/2/reject", json={"reason": "Not offered"}))
    body = {"amount": "-0.000001", "reference": 'fee, "x"', "reason": " -1+1\r\nnext"}
    await ok(owner.post(f"{at}/adjustments", json=body), 201)
    await ok(owner.post(f"{at}/topups", json={"amount": "5", "reference": "@bank"}), 201)
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")  # only so can a test make lines older
        for number, day in enumerate(DAYS, start=1):
            await conn.execute(
                "UPDATE transfers SET created_at = %s WHERE id = (SELECT id FROM transfers ORDER BY id"
                " OFFSET %s LIMIT 1)",
                (day, number - 1),
            )
    return f"{at}/statement"


AFTER = ["10.00", "8.00", "6.00", "8.00", "7.999999", "12.999999"]


async def read(owner: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    """Return a statement, all of it."""
    return await ok(owner.get(path, params=params))


async def test_every_line_has_the_balance_after_it_whatever_the_page(owner: httpx2.AsyncClient, path: str) -> None:
    for size in (1, 2, 4, 6, 100):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await read(owner, path, limit=size, **cursor)
            assert (page["opening"], page["closing"]) == ("0.00", "12.999999")
            seen += [row["balance"] for row in page["items"]]
            if page["next_cursor"] is None:
                break
            assert len(page["items"]) == size
            cursor = {"cursor": page["next_cursor"]}
        assert seen == AFTER[::-1]


async def test_a_range_opens_where_the_one_before_it_closes(owner: httpx2.AsyncClient, path: str) -> None:
    middle = await read(owner, path, **{"from": "2026-11-02", "to": "2026-11-04"})
    assert (middle["opening"], middle["closing"]) == ("10.00", "6.00")
    assert [row["balance"] for row in middle["items"]] == ["6.00", "8.00"]
    # To the second: the beginning belongs to the range, the end does not.
    edge = await read(owner, path, **{"from": "2026-11-02T12:00:00Z", "to": "2026-11-03T13:00:00+01:00"})
    assert [row["balance"] for row in edge["items"]] == ["8.00"]
    after = await read(owner, path, **{"from": "2026-11-04"})
    assert (after["opening"], after["closing"], len(after["items"])) == ("6.00", "12.999999", 3)
    nothing = await read(owner, path, to="2026-10-01")
    assert (nothing["opening"], nothing["closing"], nothing["items"]) == ("0.00", "0.00", [])
    nothing = await read(owner, path, **{"from": "2027-01-01"})
    assert (nothing["opening"], nothing["closing"], nothing["items"]) == ("12.999999", "12.999999", [])


async def test_filters_leave_lines_out_and_balances_alone(owner: httpx2.AsyncClient, path: str) -> None:
    topups = await read(owner, path, kind="topup", limit=1)
    assert [(row["change"], row["balance"]) for row in topups["items"]] == [("5.00", "12.999999")]
    topups = await read(owner, path, kind="topup", cursor=topups["next_cursor"])
    assert [(row["change"], row["balance"]) for row in topups["items"]] == [("10.00", "10.00")]
    order = await read(owner, path, order_id=2)
    assert [(row["kind"], row["balance"]) for row in order["items"]] == [("refund", "8.00"), ("charge", "6.00")]
    for wrong in ({"kind": "settle"}, {"from": "yesterday"}, {"from": "2026-11-01T10:00:00"}, {"order_id": 0}):
        assert (await owner.get(path, params=wrong)).status_code == 422, wrong
    await refused(owner.get(path, params={"from": "2026-11-02", "to": "2026-11-01"}), 422, "invalid", "to")


async def test_the_file_is_rfc_4180_and_no_formula(owner: httpx2.AsyncClient, path: str) -> None:
    response = await owner.get(f"{path}.csv")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="statement-1.csv"'
    text = response.content.decode()
    assert text.startswith("id,at,kind,change,balance,currency,order_id,reference,reason\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["kind"] for row in rows] == [
        "opening", "topup", "charge", "charge", "refund", "adjust", "topup", "closing",
    ]  # fmt: skip
    assert [row["balance"] for row in rows] == ["0.00", *AFTER, "12.999999"]
    assert rows[1]["at"] == "2026-11-01T12:00:00+00:00"
    assert rows[1]["reference"] == "'=cmd|' /C calc'!A0"
    assert rows[5]["change"] == "-0.000001"
    assert (rows[5]["reference"], rows[5]["reason"]) == ('fee, "x"', "'-1+1\r\nnext")
    assert rows[6]["reference"] == "'@bank"


async def test_the_file_has_the_range_and_filters_of_the_pages(owner: httpx2.AsyncClient, path: str) -> None:
    params = {"from": "2026-11-02", "to": "2026-11-05", "kind": "charge"}
    rows = list(csv.DictReader(io.StringIO((await owner.get(f"{path}.csv", params=params)).text, newline="")))
    assert [(row["kind"], row["balance"]) for row in rows] == [
        ("opening", "10.00"), ("charge", "8.00"), ("charge", "6.00"), ("closing", "8.00"),
    ]  # fmt: skip
    await refused(owner.get("customers/999/statement.csv"), 404, "not_found")
