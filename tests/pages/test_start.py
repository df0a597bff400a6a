"""The first steps: each is ticked by what is there, and each leads to a page that its reader may open."""

import html
import re

from app.db import Database
from app.sealing import Sealer
from tests.factories import imei, make_shop, make_supplier
from tests.pages.conftest import Surfer, SurferOf
from tests.worker.test_order_path import buy


async def following(surfer: Surfer) -> str | None:
    """The title of the next step, None when there is no list of steps any more."""
    page = (await surfer.get("/admin/")).text
    found = re.search(r'aria-current="step">\s*<strong>([^<]+)<', page)
    return html.unescape(found[1]) if found else None


async def test_steps_are_ticked_by_what_is_there(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    owner = await surfer("owner")
    assert await following(owner) == "Add a supplier"
    async with db.transaction() as conn:
        await make_supplier(conn, sealer, name="First")
    assert await following(owner) == "Test it and read its list"
    assert 'href="/admin/suppliers/1"' in (await owner.get("/admin/")).text
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET revoked_at = now()")
        keys = await (await conn.execute("DELETE FROM api_keys RETURNING *")).fetchall()
        routes = await (await conn.execute("SELECT count(*) AS n FROM routes")).fetchall()
    assert (len(keys), routes[0]["n"] > 0) == (1, True)
    assert await following(owner) == "Hand over the credentials"
    assert f'href="/admin/customers/{shop.customer_id}/keys"' in (await owner.get("/admin/")).text


async def test_a_house_that_took_an_order_is_through_with_the_steps(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    owner = await surfer("owner")
    shop = await make_shop(db, sealer)
    assert await following(owner) == "Take the first order"
    await buy(db, shop, imei(1))
    assert await following(owner) is None
    assert "First steps" not in (await owner.get("/admin/")).text


async def test_nobody_is_led_to_a_page_that_is_closed_to_them(surfer: SurferOf) -> None:
    for role in ("owner", "operator", "finance", "read_only"):
        one = await surfer(role)
        page = (await one.get("/admin/")).text
        links = re.findall(r'href="([^"]+)"', page.split('aria-labelledby="first-steps"')[1].split("</section>")[0])
        assert len(links) >= 4
        for link in links:
            assert (await one.get(link)).status_code == 200, (role, link)
