"""A customer's prices in the browser: their own set and taken away, and the list as they see it."""

import html
import re
from typing import Any

import httpx2

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.factories import Shop, make_service, make_shop
from tests.pages.conftest import Surfer, SurferOf


async def keep(one: Surfer, shop: Shop, prices: dict[int, str], query: str = "") -> httpx2.Response:
    """Send the page of own prices with these in its fields."""
    path = f"/admin/customers/{shop.customer_id}/prices/edit{query}"
    found = re.search(r'name="csrf" value="([^"]+)"', (await one.get("/admin/account")).text)
    assert found
    fields = {"csrf": found[1], "service": [str(one) for one in prices], "price": list(prices.values())}
    return await one.http.post(path, data=fields)


async def listed(url: str, shop: Shop) -> dict[str, str]:
    """What the customer's panel reads: the price of each service by its id."""
    fields = {"username": shop.username, "apiaccesskey": shop.key, "action": "imeiservicelist"}
    async with httpx2.AsyncClient(base_url=url, timeout=30) as panel:
        reply: dict[str, Any] = (await panel.post("/api/index.php", data=fields)).json()
    groups = reply["SUCCESS"][0]["LIST"].values()
    return {number: service["CREDIT"] for group in groups for number, service in group["SERVICES"].items()}


async def test_own_prices_are_what_the_customer_sees_and_pays(
    surfer: SurferOf, url: str, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await make_service(conn, name="In euros", currency="EUR")
    operator = await surfer("operator")
    assert (await keep(operator, shop, {shop.imei_service: "1.234567", shop.server_service: ""})).is_redirect
    assert (await listed(url, shop))[str(shop.imei_service)] == "1.234567"
    page = (await operator.get(f"/admin/customers/{shop.customer_id}/prices/as-customer")).text
    rows = re.findall(r"<tr><td>(\d+)</td>.*?<td class=\"amount\">([\d.]+) USD</td></tr>", page)
    assert dict(rows) == await listed(url, shop), "exactly as the customer sees it"
    assert "In euros" not in page
    assert "Cost" not in page
    with_costs = (await operator.get(f"/admin/customers/{shop.customer_id}/prices")).text
    assert "their own" in with_costs
    assert "not sold in USD" in with_costs
    assert "0.234567" in with_costs  # what is left of it
    again = await keep(operator, shop, {shop.imei_service: "1.234567", shop.server_service: ""})
    assert again.is_redirect
    assert "0 prices changed" in (await operator.get(f"/admin/customers/{shop.customer_id}")).text
    assert (await keep(operator, shop, {shop.imei_service: ""})).is_redirect
    assert (await listed(url, shop))[str(shop.imei_service)] == "2.00"


async def test_one_wrong_price_keeps_all_of_them_and_is_said_beside_its_field(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    operator = await surfer("operator")
    for wrong in ("-1", "a lot", "1e30", "1.1234567"):
        answer = await keep(operator, shop, {shop.imei_service: "1", shop.server_service: wrong})
        assert answer.status_code == 422, wrong
        assert answer.text.count('aria-invalid="true"') == 1
        assert html.escape(wrong) in answer.text
    assert (await keep(operator, shop, {999: "1"})).status_code == 404
    found = re.search(r'name="csrf" value="([^"]+)"', (await operator.get("/admin/account")).text)
    assert found
    path = f"/admin/customers/{shop.customer_id}/prices/edit"
    for odd in ({"service": ["1", "2"], "price": ["1"]}, {"service": ["x"], "price": ["1"]}):
        answer = await operator.http.post(path, data={"csrf": found[1], **odd})
        assert answer.status_code == 422
    async with db.pool.connection() as conn:
        assert await (await conn.execute("SELECT 1 FROM customer_prices")).fetchone() is None


async def test_who_may_look_and_who_may_set(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=MICRO)
    reader = await surfer("read_only")
    for path in ("prices", "prices/as-customer", "usage", "statement"):
        assert (await reader.get(f"/admin/customers/{shop.customer_id}/{path}")).status_code == 200, path
    assert (await reader.get(f"/admin/customers/{shop.customer_id}/prices/edit")).status_code == 403
    assert (await keep(reader, shop, {shop.imei_service: "0"})).status_code == 403


async def test_prices_are_searched_and_go_on_by_pages(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        for number in range(60):
            await make_service(conn, name=f"Unlock {number}", group="Unlocks")
    operator = await surfer("operator")
    base = f"/admin/customers/{shop.customer_id}/prices/edit"
    first = (await operator.get(f"{base}?search=unlock")).text
    assert first.count('name="price"') == 50
    more = re.search(r'href="([^"]+)" rel="next"', first)
    assert more
    rest = await operator.get(html.unescape(more[1]))
    assert rest.text.count('name="price"') == 10
    after = re.search(r"after=(\d+)", html.unescape(more[1]))
    assert after
    kept = await keep(operator, shop, {shop.imei_service: "3"}, f"?search=unlock&after={after[1]}")
    assert kept.headers["location"] == f"{base}?search=unlock&after={after[1]}"
