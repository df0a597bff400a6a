"""Changes of catalogues and prices in the browser: seen before and after, approved, rejected, undone; and the rules."""

import re

from app.connectors.base import RemoteField, RemoteService, ServiceType
from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.pricing import make_prices
from app.suppliers.sync import apply_catalog
from tests.factories import make_route, make_service, make_supplier
from tests.pages.conftest import Surfer, SurferOf


def offer(number: int, cost: int, *fields: str) -> RemoteService:
    return RemoteService(
        str(number), f"<b>Offer {number}", "Theirs", ServiceType.IMEI, cost,
        fields=tuple(RemoteField(name, required=True) for name in fields),
    )  # fmt: skip


async def post(surfer: Surfer, path: str, **fields: object) -> int:
    found = re.search(r'name="csrf" value="([^"]+)"', (await surfer.get("/admin/account")).text)
    assert found
    response = await surfer.http.post(path, data={"csrf": found[1], **fields})
    return response.status_code


async def costs(db: Database) -> list[int]:
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT cost FROM remote_services ORDER BY id")).fetchall()
    return [row["cost"] for row in rows]


async def test_catalogue_changes_are_reviewed_approved_and_undone(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer)
        await apply_catalog(conn, supplier, [offer(number, MICRO) for number in range(60)])
        service = await make_service(conn)
        cursor = await conn.execute("SELECT id FROM remote_services WHERE remote_id = '0'")
        (remote,) = await cursor.fetchall()
        await make_route(conn, service, remote["id"])
    async with db.transaction() as conn:
        await apply_catalog(conn, supplier, [offer(number, 3 * MICRO, "Email") for number in range(60)])
    operator, reader = await surfer("operator"), await surfer("read_only")
    page = (await reader.get("/admin/changes")).text
    assert "&lt;b&gt;Offer" in page
    assert "<b>Offer" not in page
    assert "formaction" not in page
    for shown in ("cost 1.00 USD", "cost 3.00 USD", "1.00 to -1.00 USD left", "loses money"):
        assert shown in page, shown
    taken_over = (await reader.get("/admin/changes?state=applied")).text
    assert "fields: none" in taken_over
    assert "fields: Email (required)" in taken_over
    assert page.count('name="change"') == 50
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT id FROM catalog_changes WHERE state = 'waiting' AND kind = 'price' ORDER BY id"
        )
        ids = [row["id"] for row in await cursor.fetchall()]
    for path in ("/admin/changes/approve", f"/admin/changes/{ids[0]}/approve", f"/admin/changes/{ids[0]}/undo"):
        assert await post(reader, path, change=str(ids[0])) == 403
    assert await post(operator, "/admin/changes/approve", change=[str(number) for number in ids[:40]]) == 303
    assert (await costs(db)).count(3 * MICRO) == 40
    assert "40 approved." in (await operator.get("/admin/changes")).text
    assert await post(operator, "/admin/changes/approve", change=[str(number) for number in ids[:41]]) == 303
    assert "1 approved; 40 did not wait" in (await operator.get("/admin/changes?state=approved")).text
    assert await post(operator, f"/admin/changes/{ids[0]}/undo") == 303
    assert await post(operator, f"/admin/changes/{ids[0]}/undo") == 409
    assert (await costs(db))[0] == MICRO
    assert await post(operator, f"/admin/changes/{ids[0]}/approve") == 303
    assert await post(operator, f"/admin/changes/{ids[50]}/reject") == 303
    assert await post(operator, f"/admin/changes/{ids[51]}/approve", back="https://elsewhere.example/") == 303
    assert await post(operator, "/admin/changes/999999/approve") == 404
    for path in ("/admin/changes/approve", "/admin/changes/reject"):
        assert await post(operator, path) == 422
    assert await post(reader, "/admin/changes/reject", change=str(ids[55])) == 403
    assert "Reject those that are ticked" in (await operator.get("/admin/changes")).text
    some = [str(number) for number in (*ids[52:55], ids[0])]
    assert await post(operator, "/admin/changes/reject", change=some) == 303
    assert "3 rejected; 1 did not wait" in (await operator.get("/admin/changes?state=rejected")).text
    assert (await costs(db))[52:55] == [MICRO] * 3
    assert "Take over after all" in (await operator.get(f"/admin/changes?state=rejected&supplier={supplier}")).text
    for odd in ("?state=x", "?supplier=999", "?after=abc", f"?supplier={supplier}&state=applied&after=3"):
        assert (await reader.get(f"/admin/changes{odd}")).status_code == 200, odd


async def test_rules_are_set_up_and_what_they_change_too_far_waits(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer)
        await apply_catalog(conn, supplier, [offer(1, MICRO)])
        service = await make_service(conn, price=10 * MICRO)
        cursor = await conn.execute("SELECT id FROM remote_services")
        (remote,) = await cursor.fetchall()
        await make_route(conn, service, remote["id"])
    operator, reader = await surfer("operator"), await surfer("read_only")
    new = "/admin/markup-rules/new"
    rule = {"percent": "25.5", "currency": "usd", "cost_basis": "dearest", "rounding_step": "0.10", "up_percent": "20",
            "down_percent": "20"}  # fmt: skip
    for wrong, field in (
        ({"percent": ""}, "percent"), ({"percent": "-1"}, "percent"), ({"fixed": "x"}, "fixed"),
        ({"percent": "1e30"}, "percent"), ({"percent": "9e999999"}, "percent"), ({"percent": "1.005"}, "percent"),
        ({"percent": "."}, "percent"), ({"percent": "9" * 30}, "percent"), ({"percent": "NaN"}, "percent"),
        ({"rounding_ending": "0.5"}, "rounding_ending"), ({"up_percent": "9999"}, "up_percent"),
        ({"currency": "dollars"}, "currency"), ({"cost_basis": "x"}, "cost_basis"),
    ):  # fmt: skip
        refused = await operator.send(new, **{**rule, **wrong})
        assert refused.status_code == 422, wrong
        assert f'id="wrong-{field}"' in refused.text, wrong
    assert (await operator.send(new, **rule)).status_code == 303
    assert (await operator.send(new, **rule)).status_code == 409
    assert (await operator.send(new, **{**rule, "service_id": "999"})).status_code == 404
    page = (await reader.get("/admin/markup-rules")).text
    assert "25.5 %" in page
    assert "adopt" not in page
    found = re.search(r'href="(/admin/markup-rules/\d+)"', page)
    assert found
    assert 'value="25.5"' in (await reader.get(found[1])).text
    assert (await reader.send("/admin/account", found[1], **rule)).status_code == 403
    assert "by hand" in (await reader.get("/admin/markup-rules/preview")).text
    assert await post(operator, f"{found[1]}/adopt") == 303
    assert "wait" in (await reader.get("/admin/markup-rules/preview")).text
    assert await post(operator, "/admin/markup-rules/make") == 303
    page = (await operator.get("/admin/price-changes")).text
    assert "0 set, 1 wait for you" in page
    assert "10.00" in page
    assert "1.30 USD" in page
    change = re.search(r'name="change" value="(\d+)"', page)
    assert change
    for path in ("approve", "reject", f"{change[1]}/reject"):
        assert await post(reader, f"/admin/price-changes/{path}", change=change[1]) == 403
    assert await post(operator, "/admin/price-changes/reject", change=[change[1], "999999"]) == 303
    assert "1 rejected; 1 did not wait" in (await operator.get("/admin/price-changes?state=rejected")).text
    assert await post(operator, f"/admin/price-changes/{change[1]}/reject") == 409
    assert await post(operator, f"/admin/price-changes/{change[1]}/approve") == 303
    assert await post(operator, "/admin/price-changes/approve", change=change[1]) == 303
    assert await post(operator, f"/admin/price-changes/{change[1]}/undo") == 303
    assert await post(operator, f"/admin/price-changes/{change[1]}/undo") == 409
    assert await post(operator, "/admin/price-changes/approve") == 422
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT price FROM services")).fetchone()
    assert row == {"price": 10 * MICRO}
    assert "undone" in (await operator.get("/admin/price-changes?state=undone")).text
    assert (await operator.send(found[1], **{**rule, "percent": "400", "up_percent": ""})).status_code == 303
    await make_prices(db)
    assert await post(operator, f"{found[1]}/remove") == 303
    assert await post(operator, f"{found[1]}/remove") == 404
    for state in ("applied", "approved", "rejected", "nonsense"):
        assert (await reader.get(f"/admin/price-changes?state={state}")).status_code == 200
