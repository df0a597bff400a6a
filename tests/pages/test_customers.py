"""Customers in the browser: found, created with credit, given and taken from once, suspended."""

import asyncio
import html
import re

import httpx2
import pytest

from app.audit.service import audit
from app.customers.service import create_customer
from app.db import Database
from app.ledger.service import account_of, open_account, topup
from app.money import MICRO
from app.sealing import Sealer
from tests.factories import make_customer
from tests.pages.conftest import Surfer, SurferOf

NEW = "/admin/customers/new"


async def created(one: Surfer, **fields: str) -> int:
    """Create a customer and return the id."""
    given = {"name": "Mobile Fix", "email": "fix@example.com", "currency": "USD", **fields}
    answer = await one.send(NEW, **given)
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rsplit("/", 1)[1])


async def balance(db: Database, customer_id: int) -> int:
    """What the customer's account holds."""
    async with db.pool.connection() as conn:
        return (await account_of(conn, customer_id)).balance


async def transfers(db: Database) -> int:
    """How many transfers there are."""
    async with db.pool.connection() as conn:
        [row] = await (await conn.execute("SELECT count(*) AS n FROM transfers")).fetchall()
    return int(row["n"])


async def test_a_customer_is_created_with_credit_and_shown(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    customer_id = await created(
        owner, name="<b>Mobile", amount="250.50", reference="bank 17", credit_limit="100", price_group_id=""
    )
    page = (await owner.get(f"/admin/customers/{customer_id}")).text
    assert "250.50 USD" in page
    assert "&lt;b&gt;Mobile" in page
    assert "<b>Mobile" not in page
    assert "may go down to -100.00" in page
    assert "They have no API key yet" in page
    assert "bank 17" in page
    listed = (await owner.get("/admin/customers?search=MOBILE")).text
    assert "250.50 USD" in listed
    assert "Nobody is like that" in (await owner.get("/admin/customers?search=nobody")).text
    assert (await audit(db)).ok


async def test_sending_the_form_twice_makes_one_customer(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    fields = {"name": "Mobile Fix", "email": "fix@example.com", "currency": "USD", "amount": "10", "reference": "r"}
    answers = await asyncio.gather(*(owner.send(NEW, **fields) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    assert "A customer with this e-mail address exists" in next(a for a in answers if a.status_code == 409).text
    assert await transfers(db) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "A name has 1 to 200 characters"),
        ({"name": "x" * 201}, "A name has 1 to 200 characters"),
        ({"email": "nobody"}, "not an e-mail address"),
        ({"currency": "DOLLARS"}, "not a currency code"),
        ({"amount": "-1"}, "above zero, or nothing"),
        ({"amount": "1e3000"}, "An amount such as 12.50"),
        ({"amount": "1,50"}, "An amount such as 12.50"),
        ({"amount": "5", "reference": "r" * 201}, "A reference has 1 to 200"),
        ({"credit_limit": "-5"}, "A credit limit is zero or more"),
        ({"price_group_id": "77"}, "no such price group"),
        ({"price_group_id": "' OR 1=1"}, "A whole number"),
        ({"name": "a\x00b"}, "cannot be kept"),
    ],
)
async def test_what_cannot_be_is_said_beside_its_field_and_makes_nothing(
    surfer: SurferOf, db: Database, fields: dict[str, str], says: str
) -> None:
    owner = await surfer("owner")
    given = {"name": "Mobile Fix", "email": "fix@example.com", "currency": "USD", **fields}
    answer = await owner.send(NEW, **given)
    assert answer.status_code == 422
    assert says in html.unescape(answer.text)
    assert 'aria-invalid="true"' in answer.text or 'role="alert"' in answer.text
    async with db.pool.connection() as conn:
        [row] = await (await conn.execute("SELECT count(*) AS n FROM customers")).fetchall()
    assert row["n"] == 0
    assert await transfers(db) == 0


async def test_who_may_do_what(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=MICRO)
    here = f"/admin/customers/{customer_id}"
    operator, finance, reader = [await surfer(role) for role in ("operator", "finance", "read_only")]
    for one in (operator, finance, reader):
        assert (await one.get(here)).status_code == 200
        assert (await one.get("/admin/customers")).status_code == 200
    assert "first credit" not in (await operator.get(NEW)).text.lower()
    fields = {"name": "Other", "email": "other@example.com", "currency": "USD"}
    refused = await operator.send(NEW, **fields, amount="5")
    assert refused.status_code == 403
    assert await transfers(db) == 1
    assert (await operator.send(NEW, **fields)).status_code == 303
    for path, one, status in (
        (f"{here}/topup", operator, 403), (f"{here}/topup", reader, 403), (f"{here}/topup", finance, 200),
        (f"{here}/adjust", operator, 403), (f"{here}/terms", operator, 403), (f"{here}/terms", finance, 200),
        (NEW, finance, 403), (NEW, reader, 403), (f"{here}/edit", finance, 403), (f"{here}/edit", operator, 200),
    ):  # fmt: skip
        assert (await one.get(path)).status_code == status, path
    for path in ("suspend", "resume"):
        assert (await finance.send("/admin/account", f"{here}/{path}")).status_code == 403
    for path in ("topup", "adjust", "terms"):
        answer = await operator.send("/admin/account", f"{here}/{path}", amount="5", reference="x", reason="y")
        assert answer.status_code == 403
    assert await balance(db, customer_id) == MICRO
    assert "Top up" not in (await reader.get(here)).text


async def test_a_top_up_sent_many_times_is_credited_once(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=0)
    finance = await surfer("finance")
    path = f"/admin/customers/{customer_id}/topup"
    answers = await asyncio.gather(*(finance.send(path, amount="12.345678", reference="bank 1") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {303}
    assert await balance(db, customer_id) == 12_345_678
    again = await finance.send(path, amount="12.345678", reference=" bank 1 ")
    assert again.status_code == 303
    assert "Nothing moved again" in (await finance.get(f"/admin/customers/{customer_id}")).text
    other = await finance.send(path, amount="12", reference="bank 1")
    assert other.status_code == 409
    assert "used for another amount" in other.text
    for amount in ("0", "-5", "", "1.1234567", "NaN"):
        assert (await finance.send(path, amount=amount, reference="bank 2")).status_code == 422, amount
    assert (await finance.send(path, amount="5", reference=" ")).status_code == 422
    assert await balance(db, customer_id) == 12_345_678
    assert "12.345678 USD" in (await finance.get(path)).text  # the last ones stand beside the form
    assert (await audit(db)).ok


async def test_a_correction_gives_or_takes_with_a_reason(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=10 * MICRO)
    finance = await surfer("finance")
    path = f"/admin/customers/{customer_id}/adjust"
    assert (await finance.send(path, amount="-3.50", reference="c 1", reason="Paid <back>")).status_code == 303
    assert (await finance.send(path, amount="-3.50", reference="c 1", reason="Paid <back>")).status_code == 303
    assert await balance(db, customer_id) == 6_500_000
    assert (await finance.send(path, amount="1", reference="c 2", reason=" ")).status_code == 422
    beyond = await finance.send(path, amount="-7", reference="c 3", reason="too much")
    assert beyond.status_code == 409
    assert "do not cover" in beyond.text
    assert await balance(db, customer_id) == 6_500_000
    assert "Paid &lt;back&gt;" in (await finance.get(f"/admin/customers/{customer_id}")).text


async def test_terms_are_set_and_a_limit_below_the_debt_is_refused(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=0)
    finance = await surfer("finance")
    path, here = f"/admin/customers/{customer_id}/terms", f"/admin/customers/{customer_id}"
    without = await finance.send(path, credit_limit="50", credit_days="30")
    assert without.status_code == 422
    assert "needs a reason" in without.text
    assert (await finance.send(path, credit_limit="50", credit_days="30", reason="A good one")).status_code == 303
    assert (await finance.send(f"{here}/adjust", amount="-20", reference="x", reason="sold")).status_code == 303
    page = (await finance.get(here)).text
    assert "-20.00 USD" in page
    assert "30 days" in page
    assert "20.00 USD, since" in re.sub(r"\s+", " ", page)
    assert "owing" in (await finance.get("/admin/customers?state=owing")).text
    assert (await finance.send(path, credit_limit="10", credit_days="")).status_code == 409
    assert (await finance.send(path, credit_limit="50", credit_days="0")).status_code == 422
    assert (await finance.send(path, credit_limit="50", credit_days="4000")).status_code == 422
    assert (await finance.send(path, credit_limit="20", credit_days="")).status_code == 303


async def test_money_asks_who_it_is_again_and_comes_back(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=0)
    owner = await surfer("owner")
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
    path = f"/admin/customers/{customer_id}/topup"
    asked = await owner.get(path)
    assert asked.headers["location"].startswith("/admin/prove?next=")
    answer = await owner.send("/admin/account", path, amount="5", reference="x")
    assert answer.headers["location"].startswith("/admin/prove?next=")
    assert await balance(db, customer_id) == 0


async def test_a_suspended_customers_keys_stop_at_once(
    surfer: SurferOf, url: str, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        customer_id, username, key, _ = await make_customer(conn, sealer)
    operator = await surfer("operator")
    here = f"/admin/customers/{customer_id}"

    async def account_info() -> str:
        async with httpx2.AsyncClient(base_url=url, timeout=30) as panel:
            fields = {"username": username, "apiaccesskey": key, "action": "accountinfo", "requestformat": "JSON"}
            return (await panel.post("/api/index.php", data=fields)).text

    assert "SUCCESS" in await account_info()
    assert (await operator.send(here, f"{here}/suspend")).headers["location"] == here
    assert "ERROR" in await account_info()
    assert "suspended" in (await operator.get("/admin/customers?state=suspended")).text
    await operator.send(here, f"{here}/resume")
    assert "SUCCESS" in await account_info()


async def test_a_name_and_a_group_are_changed(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, credit=0)
        await conn.execute("INSERT INTO price_groups (name, currency) VALUES ('Gold', 'USD'), ('Euro', 'EUR')")
        rows = await (await conn.execute("SELECT name, id FROM price_groups")).fetchall()
    groups = {row["name"]: str(row["id"]) for row in rows}
    operator = await surfer("operator")
    path = f"/admin/customers/{customer_id}/edit"
    form = (await operator.get(path)).text
    assert "Gold" in form
    assert "Euro" not in form
    assert (await operator.send(path, name="New name", price_group_id=groups["Gold"])).status_code == 303
    assert (await operator.send(path, name="Newer", price_group_id=groups["Euro"])).status_code == 422
    assert (await operator.send(path, name="", price_group_id="")).status_code == 422
    page = (await operator.get(f"/admin/customers?group={groups['Gold']}")).text
    assert "New name" in page
    assert (await operator.send(path, name="New name", price_group_id="")).status_code == 303
    assert "Nobody is like that" in (await operator.get(f"/admin/customers?group={groups['Gold']}")).text


async def test_the_list_goes_on_by_pages_and_names_the_last_order(surfer: SurferOf, db: Database) -> None:
    async with db.transaction() as conn:
        for number in range(53):
            customer_id = await create_customer(
                conn, name=f"Shop {number}", email=f"{number}@example.com", currency="USD"
            )
            await open_account(conn, customer_id, "USD")
        await topup(conn, customer_id, amount=MICRO, reference="x", staff_id=None)
    reader = await surfer("read_only")
    first = (await reader.get("/admin/customers?search=shop")).text
    assert len(re.findall(r'href="/admin/customers/\d+"', first)) == 50
    more = re.search(r'href="([^"]+)" rel="next"', first)
    assert more
    rest = (await reader.get(html.unescape(more[1]))).text
    assert len(re.findall(r'href="/admin/customers/\d+"', rest)) == 3
    assert "never" in rest
    for odd in ("?after=-1", "?after=x", "?group=x", "?state=x", "?search=%00%27%25", "?after=9" + "9" * 30):
        assert (await reader.get(f"/admin/customers{odd}")).status_code == 200, odd


async def test_nobody_is_not_found(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    for path in ("", "/topup", "/adjust", "/terms", "/edit", "/webhooks", "/webhooks/1"):
        for number in ("999", "9" * 30):
            assert (await owner.get(f"/admin/customers/{number}{path}")).status_code == 404, path
