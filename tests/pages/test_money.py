"""Money in the browser: four eyes, top-up requests, what was moved by hand, supplier books, the audit."""

import asyncio
import csv
import io
import re
from datetime import UTC, timedelta, timezone
from decimal import Decimal

import pytest

from app.approvals.service import ApprovalState, list_approvals
from app.audit.service import audit
from app.clock import now
from app.db import Database
from app.ledger.service import account_of, adjust, topup
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.books_days import close_day
from app.topups.offers import add_method
from app.topups.requests import Payment, request_topup
from tests.factories import make_customer, make_supplier
from tests.pages.conftest import SurferOf, member

pytestmark = pytest.mark.parametrize("changes", [{"four_eyes_above": "100.00"}])


async def customer(db: Database, sealer: Sealer, *, name: str = "Reseller", credit: int = 0) -> int:
    """A customer and nothing else."""
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, name=name, credit=credit)
    return customer_id


async def balance(db: Database, customer_id: int) -> int:
    """What the account holds."""
    async with db.pool.connection() as conn:
        return (await account_of(conn, customer_id)).balance


async def states(db: Database) -> dict[str, int]:
    """How many approvals are in each state."""
    async with db.pool.connection() as conn:
        return {state.value: len(await list_approvals(conn, state=state, limit=50)) for state in ApprovalState}


async def test_above_the_limit_one_asks_and_another_approves_once(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    customer_id = await customer(db, sealer)
    finance, owner, operator = await surfer("finance"), await surfer("owner"), await surfer("operator")
    path = f"/admin/customers/{customer_id}/topup"
    for _ in range(2):  # a double click asks once
        assert (await finance.send(path, amount="100.01", reference="bank 1")).status_code == 303
    assert await balance(db, customer_id) == 0
    assert "wait for another member of staff" in (await finance.get(f"/admin/customers/{customer_id}")).text
    async with db.pool.connection() as conn:
        [approval] = await list_approvals(conn, limit=10)
    act = f"/admin/approvals/{approval.id}"
    assert "Withdraw" in (await finance.get("/admin/approvals")).text
    assert "/approve" not in (await finance.get("/admin/approvals")).text
    own = await finance.send("/admin/account", f"{act}/approve")
    assert own.status_code == 403
    assert (await operator.send("/admin/account", f"{act}/approve")).status_code == 403
    assert (await operator.get(f"{act}/refuse")).status_code == 403
    assert await balance(db, customer_id) == 0
    answers = await asyncio.gather(*(owner.send("/admin/approvals", f"{act}/approve") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    assert await balance(db, customer_id) == 100_010_000
    assert await states(db) == {"waiting": 0, "approved": 1, "refused": 0, "withdrawn": 0}
    assert "bank 1" in (await owner.get("/admin/approvals?state=approved")).text
    assert (await audit(db)).ok


async def test_refused_and_withdrawn_move_nothing(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    customer_id = await customer(db, sealer)
    finance, owner = await surfer("finance"), await surfer("owner")
    path = f"/admin/customers/{customer_id}/adjust"
    for number in (1, 2):
        assert (await finance.send(path, amount="500", reference=f"c {number}", reason="<b>why")).status_code == 303
    async with db.pool.connection() as conn:
        first, second = await list_approvals(conn, limit=10)
    page = (await owner.get("/admin/approvals")).text
    assert "&lt;b&gt;why" in page
    refuse = f"/admin/approvals/{first.id}/refuse"
    assert (await owner.send(refuse, reason=" ")).status_code == 422
    assert (await owner.send(refuse, reason="The bank has no such payment")).status_code == 303
    assert (await finance.send("/admin/approvals", f"/admin/approvals/{second.id}/withdraw")).status_code == 303
    assert await states(db) == {"waiting": 0, "approved": 0, "refused": 1, "withdrawn": 1}
    assert "The bank has no such payment" in (await finance.get("/admin/approvals?state=refused")).text
    assert await balance(db, customer_id) == 0
    assert (await owner.get("/admin/approvals/999/refuse")).status_code == 404


async def test_a_first_credit_above_the_limit_waits_while_the_customer_is_there(surfer: SurferOf, db: Database) -> None:
    owner, finance = await surfer("owner"), await surfer("finance")
    made = await owner.send(
        "/admin/customers/new", name="Big", email="big@example.com", currency="USD", amount="5000", reference="w",
        credit_limit="2000",
    )  # fmt: skip
    page = (await owner.get(made.headers["location"])).text
    assert "waits for another member of staff" in page
    assert "0.00 USD" in page
    async with db.pool.connection() as conn:
        waiting = await list_approvals(conn, limit=10)
    assert {row.kind.value for row in waiting} == {"topup", "credit_limit"}
    for row in waiting:
        assert (await finance.send("/admin/approvals", f"/admin/approvals/{row.id}/approve")).status_code == 303
    assert "may go down to -2000.00" in (await owner.get(made.headers["location"])).text
    assert await balance(db, int(made.headers["location"].rsplit("/", 1)[1])) == 5000 * MICRO


async def test_a_top_up_request_is_credited_once_with_what_arrived(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    customer_id = await customer(db, sealer)
    finance, owner = await surfer("finance"), await surfer("owner")
    added = await finance.send(
        "/admin/payment-methods/new", name="Bank", currency="usd", instructions="IBAN <b>", min_amount="1",
        max_amount="", fee_percent="2.5", position="1", active="yes",
    )  # fmt: skip
    assert added.status_code == 303, added.text
    assert "IBAN &lt;b&gt;" in (await finance.get("/admin/payment-methods")).text
    today = now().astimezone(UTC).date()
    async with db.transaction() as conn:
        asked = [
            (await request_topup(conn, customer_id, Payment(1, amount * MICRO, "<i>me", today))).request
            for amount in (50, 20, 900)
        ]
    page = (await finance.get("/admin/top-ups")).text
    assert "&lt;i&gt;me" in page
    path = f"/admin/top-ups/{asked[0].id}"
    assert "48.75" in (await finance.get(path)).text
    for wrong in ("0", "-1", "x"):
        assert (await finance.send(path, amount=wrong)).status_code == 422, wrong
    answers = await asyncio.gather(*(finance.send(path, amount="48.50") for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409]
    assert await balance(db, customer_id) == 48_500_000
    refuse = f"/admin/top-ups/{asked[1].id}/refuse"
    for reason in ("", "x" * 1001):
        assert (await finance.send(refuse, reason=reason)).status_code == 422
    assert (await finance.send(refuse, reason="Nothing arrived")).status_code == 303
    assert "Nothing arrived" in (await finance.get("/admin/top-ups?state=refused")).text
    # Above the limit of one person it waits for the second.
    assert (await finance.send(f"/admin/top-ups/{asked[2].id}", amount="877.50")).status_code == 303
    assert "waits for a second approval" in (await finance.get("/admin/top-ups")).text
    async with db.pool.connection() as conn:
        [approval] = await list_approvals(conn, limit=10)
    assert (await owner.send("/admin/approvals", f"/admin/approvals/{approval.id}/approve")).status_code == 303
    assert await balance(db, customer_id) == 926_000_000
    operator = await surfer("operator")
    assert (await operator.get("/admin/top-ups")).status_code == 200
    assert (await operator.send("/admin/account", path, amount="1")).status_code == 403
    assert (await audit(db)).ok


async def test_methods_and_packages_are_set_up_changed_and_removed(surfer: SurferOf, db: Database) -> None:
    finance = await surfer("finance")
    method = {
        "name": "Bank",
        "currency": "USD",
        "instructions": "",
        "min_amount": "5",
        "max_amount": "10",
        "fee_percent": "0",
    }
    for wrong, says in (
        ({"name": ""}, "1 to 100"),
        ({"fee_percent": "abc"}, "number of percent"),
        ({"fee_percent": "NaN"}, "number of percent"),
        ({"fee_percent": "100"}, "below 100"),
        ({"max_amount": "4"}, "not less"),
        ({"min_amount": "0"}, "above zero"),
        ({"currency": "DOLLAR"}, "not a currency"),
        ({"position": "99999999"}, "at most 1000000"),
        ({"position": "1e3"}, "at most 1000000"),
    ):
        answer = await finance.send("/admin/payment-methods/new", **{**method, **wrong})
        assert answer.status_code == 422, wrong
        assert says in answer.text, wrong
    assert (await finance.send("/admin/payment-methods/new", **method)).status_code == 303
    assert (await finance.send("/admin/payment-methods/new", **method)).status_code == 409
    changed = {**method, "name": "Bank transfer", "active": "yes", "fee_percent": "1.25", "position": "-3"}
    assert (await finance.send("/admin/payment-methods/1", **changed)).status_code == 303
    assert "Bank transfer" in (await finance.get("/admin/payment-methods")).text
    package = {"name": "500 and 25", "currency": "USD", "pay": "500", "credit": "525", "active": "yes"}
    assert (await finance.send("/admin/payment-packages/new", **package)).status_code == 303
    assert (await finance.send("/admin/payment-packages/1", **{**package, "credit": "530"})).status_code == 303
    assert "530.00 USD" in (await finance.get("/admin/payment-methods")).text
    for path in ("methods", "packages"):
        assert (await finance.send("/admin/payment-methods", f"/admin/payment-{path}/1/remove")).status_code == 303
    assert "No payment method yet" in (await finance.get("/admin/payment-methods")).text
    operator = await surfer("operator")
    assert (await operator.get("/admin/payment-methods")).status_code == 200
    assert (await operator.get("/admin/payment-methods/new")).status_code == 403
    # Where customers send their money is not for who finds a browser open.
    async with db.transaction() as conn:
        await conn.execute("UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
    for path in ("methods/new", "packages/new"):
        answer = await finance.send("/admin/account", f"/admin/payment-{path}", **method)
        assert answer.headers["location"].startswith("/admin/prove?next="), path


async def test_what_was_moved_by_hand_is_listed_and_the_file_is_exact(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    first = await customer(db, sealer, credit=10 * MICRO)
    second = await customer(db, sealer, name="Other", credit=20 * MICRO)
    staff_id = await member(db, "finance")
    async with db.transaction() as conn:
        await adjust(conn, first, amount=-1, reference="=1+1", reason="@formula", staff_id=staff_id)
        await adjust(conn, second, amount=3_333_333, reference="c 2", reason="plain", staff_id=staff_id)
        for number in range(120):
            await topup(conn, second, amount=MICRO, reference=f"b {number}", staff_id=staff_id)
    reader = await surfer("read_only")
    page = (await reader.get("/admin/money/by-hand")).text
    assert page.count("<tr>") == 101  # with the headings
    more = re.search(r'href="([^"]+)" rel="next"', page)
    assert more
    assert (await reader.get(more[1])).text.count("<tr>") == 25
    only = (await reader.get("/admin/money/by-hand?kind=adjust")).text
    assert only.count("<tr>") == 3
    assert "-0.000001 USD" in only
    rows = list(csv.DictReader(io.StringIO((await reader.get("/admin/money/by-hand.csv")).text, newline="")))
    assert len(rows) == 124
    assert sum(Decimal(row["change"]) for row in rows) == Decimal("153.333332")
    [odd] = [row for row in rows if row["change"] == "-0.000001"]
    assert (odd["reference"], odd["reason"], odd["staff"]) == ("'=1+1", "'@formula", "The finance")
    assert [int(row["id"]) for row in rows] == sorted((int(row["id"]) for row in rows), reverse=True)
    for odd_range in ("?from=yesterday", "?from=2026-02-01&to=2026-01-01", "?from=0001-01-01"):
        assert (await reader.get(f"/admin/money/by-hand{odd_range}")).status_code == 422, odd_range
        assert (await reader.get(f"/admin/money/by-hand.csv{odd_range}")).status_code == 422, odd_range
    past = (await reader.get("/admin/money/by-hand?to=2020-01-01")).text
    assert "Nothing was moved by hand" in past


async def test_a_statement_of_some_days_as_page_and_as_file(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    customer_id = await customer(db, sealer, credit=10 * MICRO)
    async with db.pool.connection() as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("UPDATE transfers SET created_at = '2026-03-01 23:59:59Z'")
        await conn.execute("SET session_replication_role = DEFAULT")
    async with db.transaction() as conn:
        await topup(conn, customer_id, amount=2_500_000, reference="+later", staff_id=None)
    reader = await surfer("read_only")
    base = f"/admin/customers/{customer_id}/statement"
    page = (await reader.get(f"{base}?from=2026-03-01&to=2026-03-01")).text
    assert "0.00 USD before, 10.00 USD after" in page
    assert "+later" not in page
    assert "+later" in (await reader.get(f"{base}?from=2026-03-02")).text
    assert (await reader.get(f"{base}?from=x")).status_code == 422
    file = await reader.get(f"{base}.csv?from=2026-03-02")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
    assert [(row["kind"], row["change"], row["balance"], row["reference"]) for row in rows] == [
        ("opening", "", "10.00", ""), ("topup", "2.50", "12.50", "'+later"), ("closing", "", "12.50", ""),
    ]  # fmt: skip
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
        acts = await (await conn.execute("SELECT act, subject_id FROM acts WHERE act LIKE 'exported%'")).fetchall()
    assert acts == [{"act": "exported the statement", "subject_id": customer_id}]
    asked = await reader.get(f"{base}.csv?from=2026-03-02")
    assert asked.headers["location"].endswith("statement.csv%3Ffrom%3D2026-03-02"), "and comes back to this very file"


async def test_supplier_books_are_read_explained_and_deposits_written_down_once(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    midnight = now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    async with db.transaction() as conn:
        supplier_id = await make_supplier(conn, sealer)
        for hours, amount in ((36, 100), (12, 90)):
            at = midnight - timedelta(hours=hours)
            await conn.execute(
                "INSERT INTO supplier_balances (supplier_id, amount, currency, asked_at, at)"
                " VALUES (%s, %s, 'USD', %s, %s)",
                (supplier_id, amount * MICRO, at, at),
            )
        day = await close_day(conn, supplier_id, (midnight - timedelta(days=1)).date())
    assert day.state == "open"
    finance, operator = await surfer("finance"), await surfer("operator")
    assert "-10.00" in (await operator.get("/admin/supplier-books")).text
    page = (await operator.get(f"/admin/supplier-books/days/{day.id}")).text
    assert "Explain it" not in page
    explain = f"/admin/supplier-books/days/{day.id}/explain"
    assert (await operator.get(explain)).status_code == 403
    assert (await finance.send(explain, note=" ")).status_code == 422
    assert (await finance.send(explain, note="their fee")).status_code == 303
    assert (await finance.send("/admin/account", explain, note="again")).status_code == 409
    assert "their fee" in (await finance.get(f"/admin/supplier-books/days/{day.id}")).text
    deposit = f"/admin/supplier-books/{supplier_id}/deposit"
    assert "no balance that we know yet" in (await finance.get(deposit)).text
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET balance = 77 * 1000000")
    assert "should hold 77.00" in (await finance.get(deposit)).text
    for other in (999, 2**70):
        assert (await finance.get(f"/admin/supplier-books/{other}/deposit")).status_code == 404
    # As hardly compressed as text gets: an index keeps no more than some thousand characters of it.
    long = "".join(f"{number * 7919 % 100_003:x}" for number in range(5000))
    for wrong in (
        {"amount": "0"}, {"amount": "x"}, {"reference": ""}, {"at": "soon"}, {"at": "2001-01-01T00:00"},
        {"reference": long}, {"note": "x" * 501},
    ):  # fmt: skip
        fields = {"amount": "50", "reference": "wire 1", "at": "", "note": "", **wrong}
        assert (await finance.send(deposit, **fields)).status_code == 422, wrong
    for _ in range(2):
        assert (await finance.send(deposit, amount="50", reference="wire 1", at="", note="")).status_code == 303
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT amount FROM supplier_deposits")).fetchall()
    assert [row["amount"] for row in rows] == [50 * MICRO]
    at = (now() - timedelta(hours=1)).replace(microsecond=0)
    elsewhere = at.astimezone(timezone(timedelta(hours=5)))
    for reference, typed in (("utc", f"{at:%Y-%m-%dT%H:%M:%S}"), ("zone", elsewhere.isoformat())):
        assert (await finance.send(deposit, amount="1", reference=reference, at=typed, note="")).status_code == 303
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT at FROM supplier_deposits WHERE amount = %s", (MICRO,))).fetchall()
    assert [row["at"] for row in rows] == [at, at]


async def test_the_audit_is_run_now_and_says_what_it_looked_at(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    customer_id = await customer(db, sealer, credit=10 * MICRO)
    operator, reader = await surfer("operator"), await surfer("read_only")
    assert "Not run yet" in (await reader.get("/admin/audit")).text
    assert (await reader.send("/admin/account", "/admin/audit/run")).status_code == 403
    ran = await operator.send("/admin/audit", "/admin/audit/run")
    assert "Clean" in (await reader.get(ran.headers["location"])).text
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE accounts SET balance = balance + 1 WHERE customer_id = %s", (customer_id,))
    ran = await operator.send("/admin/audit", "/admin/audit/run")
    page = (await reader.get(ran.headers["location"])).text
    assert "broken" in page
    assert "What broke them" in page
    assert (await reader.get("/admin/audit")).text.count("<tr>") == 3


async def test_debts_are_told_by_their_age(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    customer_id = await customer(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE accounts SET credit_limit = %s WHERE customer_id = %s", (50 * MICRO, customer_id))
        await adjust(conn, customer_id, amount=-7 * MICRO, reference="sold", reason="by phone", staff_id=None)
    reader = await surfer("read_only")
    assert "7.00 USD" in (await reader.get("/admin/debts")).text
    assert "Nobody is overdue" in (await reader.get("/admin/debts?state=overdue")).text


async def test_methods_in_another_currency_are_for_its_customers(surfer: SurferOf, db: Database) -> None:
    async with db.transaction() as conn:
        await add_method(
            conn,
            {"name": "SEPA", "currency": "EUR", "instructions": "", "min_amount": 1, "max_amount": None,
             "fee_percent": Decimal(0), "active": True, "position": 0},
        )  # fmt: skip
    reader = await surfer("read_only")
    assert "any amount of EUR" in (await reader.get("/admin/payment-methods")).text
