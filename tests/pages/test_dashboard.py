"""The dashboard: figures equal to the books, for every role, by itself again, and readable without a picture."""

import html
import json
import re
from datetime import timedelta

from app.alarms.kinds import AlarmKind
from app.alarms.service import raise_alarm
from app.db import Database
from app.hours.building import build_hours
from app.money import MICRO
from app.profit.building import build_due
from app.sealing import Sealer
from tests.factories import make_shop
from tests.hours.test_hours import shift, trade
from tests.pages.conftest import SurferOf


def figure(page: str, label: str) -> str:
    """Return the figure that stands under a label."""
    found = re.search(rf">{label}(?:</a>)?</div>\s*<div class=\"h2 mb-0\">([^<]*)</div>", page)
    assert found, label
    return found[1].strip()


async def test_the_figures_are_those_of_the_books(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer, credit=100 * MICRO)
    await trade(db, shop, 0)
    async with db.transaction() as conn:
        await shift(conn, timedelta(days=3))
    await trade(db, shop, 10)
    async with db.transaction() as conn:
        for number in range(7):
            await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, f"supplier {number}", f"<i>gone {number}")
        await conn.execute("UPDATE orders SET late_at = now() - interval '1 minute' WHERE state = 'accepted'")
    await build_hours(db)
    await build_due(db)
    owner = await surfer("owner")
    day = (await owner.get("/admin/dashboard")).text
    week = (await owner.get("/admin/dashboard?range=7d")).text
    for page in (day, week):
        assert [figure(page, label) for label in ("Open orders", "Late", "Unclear", "Held")] == ["2", "2", "0", "0"]
        assert page.count("&lt;i&gt;gone") == 5
        assert "More alarms" in page
    assert [figure(day, label) for label in ("Placed", "Paid in", "Earned")] == ["4", "0.00 USD", "4.00 USD"]
    assert "less 2.00 given back" in day
    assert [figure(week, label) for label in ("Placed", "Paid in", "Earned")] == ["8", "100.00 USD", "8.00 USD"]
    assert figure(week, "Margin") == "4.00 USD"  # nothing was bought for it
    charts = [json.loads(html.unescape(data)) for data in re.findall(r'data-chart="([^"]+)"', week)]
    assert [chart["unit"] for chart in charts] == ["", "USD"]
    placed = next(line for line in charts[0]["series"] if line["name"] == "placed")
    assert sum(int(value) for value in placed["values"]) == 8
    assert len(placed["values"]) == len(charts[0]["labels"]) == 28
    assert week.count('<th scope="row">') == 56  # the same figures as tables


async def test_every_role_sees_it_empty_too_and_odd_questions_are_no_error(surfer: SurferOf) -> None:
    for role in ("owner", "operator", "finance", "read_only"):
        one = await surfer(role)
        for query in ("", "?range=30d", "?range=century&currency=%3Cb%3E", "?currency=%00"):
            page = await one.get(f"/admin/dashboard{query}")
            assert page.status_code == 200, (role, query)
            assert "Charts begin when a worker runs" in page.text
            assert "<b>" not in page.text


async def test_htmx_gets_the_part_that_changes(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    part = await owner.http.get("/admin/dashboard?range=7d", headers={"HX-Request": "true", "X-Background": "1"})
    assert part.text.lstrip().startswith('<div id="dashboard"')
    assert "range=7d" in part.text


async def test_a_house_that_took_an_order_starts_with_the_dashboard(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    owner = await surfer("owner")
    assert 'id="dashboard"' not in (await owner.get("/admin/")).text
    shop = await make_shop(db, sealer)
    await trade(db, shop, 0)
    assert 'id="dashboard"' in (await owner.get("/admin/")).text
