"""The profit page: the figures of the books, in one currency at a time, and as a file."""

import csv
import io
import re

import pytest

from app.connectors.base import Placed, Report, ReportStatus
from app.db import Database
from app.sealing import Sealer
from tests.factories import imei, make_shop
from tests.pages.conftest import SurferOf
from tests.worker.scripted import Scripted, send
from tests.worker.test_order_path import buy


@pytest.mark.usefixtures("within_an_hour")
async def test_profit_is_told_by_day_service_supplier_and_customer(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    reader = await surfer("read_only")
    assert "Nothing was earned" in (await reader.get("/admin/profit")).text
    await buy(db, shop, imei(1))
    await send(db, shop, Scripted(placed=Placed("a1", Report("a1", ReportStatus.DONE, "ok"))))
    await buy(db, shop, "", service=shop.server_service, Email="=a@example.com")
    await send(db, shop, Scripted(placed=Placed("a2", Report("a2", ReportStatus.DONE, "ok"))))
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE services SET name = '=HYPERLINK()' WHERE id = %s", (shop.server_service,))
    built = await reader.send("/admin/profit", "/admin/profit/build")
    assert built.headers["location"] == "/admin/profit"
    for by, first in (("day", "7.00"), ("service", "5.00"), ("supplier", "7.00"), ("customer", "7.00")):
        page = (await reader.get(f"/admin/profit?by={by}")).text
        body = re.sub(r"\s+", " ", page)
        assert "7.00 USD" in body, by  # revenue
        assert "3.00 USD" in body, by  # profit
        cells = re.findall(r'<td class="amount">([^<]*)</td>', body)
        assert cells[1] == first, by
    least = re.findall(r"<tr>\s*<td>([^<]*)<", (await reader.get("/admin/profit?by=service&order=least")).text)
    assert least == ["IMEI check", "=HYPERLINK()"]
    rows = list(csv.DictReader(io.StringIO((await reader.get("/admin/profit.csv?by=service")).text, newline="")))
    assert [(row["name"], row["orders"], row["revenue"], row["cost"], row["profit"]) for row in rows] == [
        ("'=HYPERLINK()", "1", "5.00", "3.00", "2.00"), ("IMEI check", "1", "2.00", "1.00", "1.00"),
    ]  # fmt: skip
    usage = (await reader.get(f"/admin/customers/{shop.customer_id}/usage")).text
    assert "7.00 USD" in usage
    assert usage.count("IMEI check") == 1


async def test_odd_days_are_said_and_the_usual_ones_shown(surfer: SurferOf) -> None:
    reader = await surfer("read_only")
    for odd in ("from=x", "from=2026-01-02&to=2026-01-01", "from=2020-01-01", "from=2025-01-01&to=2026-03-01"):
        answer = await reader.get(f"/admin/profit?{odd}")
        assert answer.status_code == 422, odd
        assert 'role="alert"' in answer.text
        assert (await reader.get(f"/admin/profit.csv?{odd}")).status_code == 422, odd
    for fine in ("by=nothing", "currency=x", "currency=EUR&by=service&order=least", "from=2025-01-01&to=2026-01-01"):
        assert (await reader.get(f"/admin/profit?{fine}")).status_code == 200, fine
