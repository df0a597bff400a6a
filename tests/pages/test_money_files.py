"""Files of the money pages: every row to the micro-unit, formulas made harmless, a look at them written down."""

import csv
import io

import pytest

from app.admin.pages import money_files
from app.db import Database
from app.ledger.service import adjust, set_credit_limit
from app.sealing import Sealer
from app.topups.requests import Payment, request_topup
from tests.factories import make_customer
from tests.pages.conftest import SurferOf


async def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_every_request_is_in_the_file_however_many_pages_that_are(
    surfer: SurferOf, db: Database, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money_files, "_PAGE", 2)
    async with db.transaction() as conn:
        ids = [(await make_customer(conn, sealer, name=f"Reseller{number}"))[0] for number in range(5)]
        await conn.execute(
            "INSERT INTO payment_methods (name, currency, instructions, min_amount, max_amount, active, position)"
            " VALUES ('Bank', 'USD', 'IBAN', 1, 500000000, true, 0)"
        )
        method = await (await conn.execute("SELECT id, now()::date AS today FROM payment_methods")).fetchone()
        assert method is not None
        for number, customer_id in enumerate(ids):
            paid = Payment(method["id"], 1_000_001 + number, "=HYPERLINK(1)", method["today"])
            await request_topup(conn, customer_id, paid)
    finance, reader = await surfer("finance"), await surfer("read_only")
    answer = await finance.get("/admin/top-ups.csv?state=waiting")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = await read(answer.text)
    assert [row["amount"] for row in rows] == ["1.000005", "1.000004", "1.000003", "1.000002", "1.000001"]
    assert {row["sender"] for row in rows} == {"'=HYPERLINK(1)"}
    assert await read((await finance.get("/admin/top-ups.csv?state=refused")).text) == []
    assert (await reader.get("/admin/top-ups.csv")).status_code == 200
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT count(*) AS n FROM acts WHERE act = 'exported'")
        row = await cursor.fetchone()
    assert row is not None
    assert row["n"] == 3


async def test_debts_are_in_the_file_with_their_ages(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=0)
        await set_credit_limit(conn, customer_id, 50_000_000)
        await adjust(conn, customer_id, amount=-2_500_000, reference="first", reason="goods", staff_id=None)
    [row] = await read((await (await surfer("finance")).get("/admin/debts.csv")).text)
    assert (row["username"], row["debt"], row["days_0_7"], row["credit_limit"]) == ("reseller", "2.50", "2.50", "50.00")


@pytest.mark.parametrize("path", ["/admin/approvals.csv", "/admin/supplier-books.csv", "/admin/audit/1/findings.csv"])
async def test_a_file_of_nothing_has_its_headings(surfer: SurferOf, db: Database, path: str) -> None:
    owner = await surfer("owner")
    await owner.send("/admin/audit", "/admin/audit/run")
    answer = await owner.get(path)
    assert answer.status_code == 200, answer.text
    assert len(answer.text.strip().splitlines()) == 1
