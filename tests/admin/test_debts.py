"""Terms and debts by the staff API, and what an order cost and left."""

import httpx2

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.admin.conftest import ClientOf, ok, refused, token_for
from tests.factories import imei, make_shop
from tests.orders.test_place import buy, wish


async def test_terms_are_money_and_debtors_are_listed(
    owner: httpx2.AsyncClient, client_of: ClientOf, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer, credit=0)
    path = f"customers/{shop.customer_id}"
    operator = await client_of(await token_for(db, sealer, "operator"))
    await refused(operator.patch(path, json={"credit_days": 7}), 403, "forbidden")
    await refused(owner.patch(path, json={"credit_days": 0}), 422, "invalid", "credit_days")
    changed = await ok(owner.patch(path, json={"credit_limit": "5", "credit_days": 7}))
    assert (changed["credit_limit"], changed["credit_days"], changed["overdue"]) == ("5.00", 7, False)
    assert (await ok(owner.get("debtors"))) == {"items": [], "next_cursor": None}
    assert (await ok(owner.get(f"{path}/ageing")))["debt"] == "0.00"
    await buy(db, shop, await wish(db, shop.imei_service, imei(1)))
    [debtor] = (await ok(owner.get("debtors")))["items"]
    assert debtor == await ok(owner.get(f"{path}/ageing"))
    assert (debtor["id"], debtor["debt"], debtor["credit_days"], debtor["overdue"]) == (
        shop.customer_id, "2.00", 7, False,
    )  # fmt: skip
    assert debtor["by_age"] == {"days_0_7": "2.00", "days_8_30": "0.00", "days_31_60": "0.00", "days_over_60": "0.00"}
    assert (await ok(owner.get("debtors?overdue=true")))["items"] == []
    assert (await ok(owner.patch(path, json={"credit_days": None})))["credit_days"] is None
    await refused(owner.get("customers/999/ageing"), 404, "not_found")


async def test_an_order_says_what_it_cost_and_left(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, *[await wish(db, shop.imei_service, imei(number)) for number in (1, 2)])
    story = await ok(owner.get("orders/1"))
    assert (story["cost"], story["extra_cost"], story["margin"]) == (None, "0.00", None)
    await ok(owner.post("orders/2/reject", json={"reason": "Not offered"}))
    rejected = await ok(owner.get("orders/2"))
    assert (rejected["cost"], rejected["extra_cost"], rejected["margin"]) == (None, "0.00", "0.00")
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")  # the worker's part, in short
        await conn.execute(
            "UPDATE attempts SET state = 'done', cost = %s, cost_currency = 'USD' WHERE order_id = 1",
            (MICRO * 125 // 100,),
        )
        await conn.execute("SET LOCAL session_replication_role = origin")
        await conn.execute(
            'SELECT move_orders(\'[{"order": 1, "to": "completed", "result": "Code"}]\'::json,'
            " ARRAY['accepted'], 'test')"
        )
    sold = await ok(owner.get("orders/1"))
    assert (sold["price"], sold["cost"], sold["extra_cost"], sold["margin"]) == ("2.00", "1.25", "0.00", "0.75")
    reversed_ = await ok(owner.post("orders/1/reverse", json={"reason": "Wrong code"}))
    assert (reversed_["cost"], reversed_["margin"]) == ("1.25", "-1.25")
