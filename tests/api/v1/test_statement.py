"""The statement by REST: every line with the balance after it, by pages and as a file."""

import csv
import io

from app.approvals.asking import FourEyes, adjust
from app.db import Database
from app.sealing import Sealer
from app.staff.service import create_staff
from tests.api.v1.conftest import Bot, read, refused
from tests.factories import imei


async def test_lines_with_balances_by_pages_and_as_a_file(bot: Bot, db: Database, sealer: Sealer) -> None:
    rows = [{"service": bot.shop.imei_service, "device": imei(n)} for n in range(5)]
    ids = [row["order"]["id"] for row in read(await bot.http.post("/orders", json={"orders": rows}), 201)["items"]]
    read(await bot.http.post(f"/orders/{ids[4]}/cancel"))
    async with db.transaction() as conn:
        staff = await create_staff(conn, email="a@b.example", name="A", role="finance")
        eyes = FourEyes(None, "USD")
        await adjust(conn, eyes, bot.shop.customer_id, amount=-500_000, reference="r", reason="=1+1", staff_id=staff)
    whole = read(await bot.get("/statement"))
    assert [(line["kind"], line["change"], line["balance"]) for line in whole["items"]] == [
        ("adjust", "-0.50", "991.50"),
        ("refund", "2.00", "992.00"),
        *[("charge", "-2.00", f"{990 + 2 * n}.00") for n in range(5)],
        ("topup", "1000.00", "1000.00"),
    ]
    assert (whole["opening"], whole["closing"], whole["currency"]) == ("0.00", "991.50", "USD")
    assert set(whole["items"][0]) == {
        "id", "kind", "change", "balance", "currency", "order_id", "reference", "reason", "created_at",
    }  # fmt: skip
    paged, cursor = [], None
    while True:
        page = read(await bot.get("/statement", params={"limit": 3, **({"cursor": cursor} if cursor else {})}))
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == whole["items"]
    only = read(await bot.get("/statement", params={"order_id": ids[4]}))["items"]
    assert [line["kind"] for line in only] == ["refund", "charge"]
    assert read(await bot.get("/statement", params={"from": "2030-01-01"}))["items"] == []
    refused(await bot.get("/statement", params={"from": "2026-02-01", "to": "2026-01-01"}), 422, "invalid", "to")

    answer = await bot.get("/statement", headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["kind"] for row in table] == [
        "opening", "topup", *["charge"] * 5, "refund", "adjust", "closing",
    ]  # fmt: skip
    assert table[-2]["reason"] == "'=1+1"
    assert table[-1]["balance"] == "991.50"
