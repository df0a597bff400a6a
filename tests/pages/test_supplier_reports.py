"""Calls and performance of a supplier as pages: escaped, cut, and without the secrets that an order carried."""

import re
from datetime import timedelta

from app.clock import now
from app.db import Database
from app.sealing import Sealer
from app.suppliers.performance import measure_days
from tests.factories import make_shop
from tests.pages.conftest import SurferOf
from tests.suppliers.accounts import Account


async def test_a_call_is_shown_as_text_without_secrets(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    attempt_id = await Account(db, shop).attempt("placed", now())
    said = "<script>alert(1)</script> \u202eknow their-secret-key and hunter2hunter2 " + "x" * 30_000
    async with db.transaction() as conn:
        await conn.execute("""UPDATE orders SET fields = '{"Password": "hunter2hunter2"}'""")
        cursor = await conn.execute(
            "INSERT INTO exchanges (supplier_id, call, at, method, url, request, status, reply, milliseconds)"
            " VALUES (%s, 'place', now(), 'POST', 'https://a.example', %s, 200, %s, 7) RETURNING id",
            (shop.supplier_id, said, said),
        )
        (row,) = await cursor.fetchall()
        await conn.execute("UPDATE attempts SET place_exchange_id = %s WHERE id = %s", (row["id"], attempt_id))
    reader = await surfer("read_only")
    shown = (await reader.get(f"/admin/suppliers/{shop.supplier_id}/calls/{row['id']}")).text
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown
    assert "[U+202E]know *** and ***" in shown
    assert "hunter2hunter2" not in shown
    assert "their-secret-key" not in shown
    assert "more characters" in shown
    assert len(shown) < 60_000
    about = re.search(r'href="(/admin/orders/\d+)"', shown)
    assert about
    assert (await reader.get(about[1])).status_code == 200
    assert (await reader.get(f"/admin/suppliers/{shop.supplier_id}/calls/{row['id'] + 1}")).status_code == 404


async def test_performance_says_what_became_of_what_was_sent(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    path = f"/admin/suppliers/{shop.supplier_id}/performance"
    reader = await surfer("read_only")
    assert "Nothing was sent there" in (await reader.get(path)).text
    account, sent = Account(db, shop), now() - timedelta(days=20)
    for state in ("done", "done", "refused"):
        await account.attempt(state, sent, closed_at=sent + timedelta(seconds=300))
    async with db.transaction() as conn:
        await measure_days(conn, back=30)
    assert "Nothing was sent there" in (await reader.get(path)).text
    shown = (await reader.get(f"{path}?days=30")).text
    assert str(sent.date()) in shown
    assert shown.count("66.6 %") == 2
    assert "5 min" in shown
    assert (await reader.get(f"{path}?days=100000000")).status_code == 200
