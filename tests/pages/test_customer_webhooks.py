"""A customer's webhooks as staff see them: every role may look, nothing is changed, nobody's secret is shown."""

import re

from app.db import Database
from app.sealing import Sealer
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import add_endpoint, ensure_callbacks, list_endpoints
from app.webhooks.events import publish
from app.webhooks.kinds import EventKind
from tests.factories import make_customer
from tests.pages.conftest import SurferOf

URL = "https://shop.example/hook"


async def told(db: Database, sealer: Sealer, messages: int = 0) -> tuple[int, int, str]:
    """A customer with an endpoint that had messages, the first of which failed: their ids and the secret."""
    async with db.transaction() as conn:
        customer_id, *_ = await make_customer(conn, sealer, name="Told")
        new = await add_endpoint(
            conn, sealer, Rules(), customer_id, url=URL, events=["balance.low"], label="<b>Shop",
        )  # fmt: skip
        for number in range(messages):
            await publish(conn, customer_id, EventKind.BALANCE_LOW, subject=f"account {number}", body={})
        await conn.execute(
            "UPDATE webhook_deliveries SET state = 'failed', attempts = 9, status = 500, error = 'HTTP 500',"
            " reply = '<script>alert(1)</script>' WHERE id = (SELECT min(id) FROM webhook_deliveries)"
        )
    return customer_id, new.endpoint.id, new.secret


async def test_staff_see_where_a_customer_is_told_and_whether_it_works(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    customer_id, endpoint_id, secret = await told(db, sealer, 1)
    async with db.transaction() as conn:
        await ensure_callbacks(conn, sealer, customer_id)
        await conn.execute("UPDATE accounts SET low_balance = 5500000 WHERE customer_id = %s", (customer_id,))
        await conn.execute(
            "UPDATE webhook_endpoints SET state = 'paused', paused_because = 'It failed for days.', failures = 7,"
            " failing_since = now() WHERE id = %s",
            (endpoint_id,),
        )
    reader = await surfer("read_only")
    here = f"/admin/customers/{customer_id}/webhooks"
    assert f'href="{here}"' in (await reader.get(f"/admin/customers/{customer_id}")).text
    page = (await reader.get(here)).text
    for shown in ("&lt;b&gt;Shop", URL, "paused", "It failed for days.", "7 times in a row", "5.50 USD", "Callbacks"):
        assert shown in page, shown
    one = (await reader.get(f"{here}/{endpoint_id}")).text
    for shown in ("account 0", "9 tries", "500 HTTP 500", "&lt;script&gt;"):
        assert shown in one, shown
    for text in (page, one):
        assert secret not in text
        assert 'method="post"' not in text.split("<main", 1)[1]


async def test_deliveries_are_read_page_by_page_and_by_state(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    customer_id, endpoint_id, _ = await told(db, sealer, 53)
    reader = await surfer("read_only")
    here = f"/admin/customers/{customer_id}/webhooks/{endpoint_id}"
    first = (await reader.get(here)).text
    assert len(re.findall(r">account \d+<", first)) == 50
    more = re.search(rf'href="({here}\?before=\d+)"', first)
    assert more
    rest = (await reader.get(more[1])).text
    assert len(re.findall(r">account \d+<", rest)) == 3
    failed = (await reader.get(f"{here}?state=failed")).text
    assert re.findall(r">(account \d+)<", failed) == ["account 0"]
    waiting = (await reader.get(f"{here}?state=waiting")).text
    assert re.search(rf'href="{here}\?state=waiting&amp;before=\d+"', waiting)
    for odd in ("?state=x", "?before=-1", "?before=x", f"?before={'9' * 30}", "?state=%00"):
        assert (await reader.get(f"{here}{odd}")).status_code == 200, odd


async def test_an_endpoint_stands_under_its_own_customer_alone(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    customer_id, endpoint_id, _ = await told(db, sealer)
    async with db.transaction() as conn:
        other, *_ = await make_customer(conn, sealer, name="Other")
        assert await list_endpoints(conn, other) == []
    reader = await surfer("read_only")
    assert "Nothing here" in (await reader.get(f"/admin/customers/{customer_id}/webhooks/{endpoint_id}")).text
    assert (await reader.get(f"/admin/customers/{other}/webhooks/{endpoint_id}")).status_code == 404
    assert "No endpoints" in (await reader.get(f"/admin/customers/{other}/webhooks")).text
