"""Services in the browser: found, put on sale, changed, many at once; who may, and what is refused beside its field."""

import asyncio
import html
import re
from collections.abc import Sequence

import pytest

from app.catalog.service import change_service
from app.catalog.tables import Service
from app.db import Connection, Database
from app.errors import Conflict
from app.money import MICRO
from app.sealing import Sealer
from tests.factories import (
    make_remote_service,
    make_route,
    make_service,
    make_shop,
    make_supplier,
    wait_until_locked,
)
from tests.pages.conftest import SurferOf

NEW = {
    "name": "Carrier check", "group": "Apple", "type": "imei", "currency": "USD", "device": "imei", "price": "1.25",
    "price_source": "manual", "state": "active", "service_class": "check", "routing": "priority",
    "duplicates": "refuse",
}  # fmt: skip


async def one(conn: Connection, statement: str, *values: object) -> dict[str, object]:
    row = await (await conn.execute(statement, values)).fetchone()
    assert row
    return row


async def test_a_service_is_put_on_sale_with_its_fields_and_changed(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    fields = {
        "fields.0.name": "Email ", "fields.0.required": "yes", "fields.0.type": "text",
        "fields.2.name": "Region", "fields.2.type": "dropdown", "fields.2.options": "Europe\r\n\r\n Asia",
    }  # fmt: skip
    made = await operator.send("/admin/services/new", code="Carrier", **NEW, **fields)
    assert made.status_code == 303, made.text
    async with db.pool.connection() as conn:
        row = await one(
            conn, "SELECT v.*, g.name AS group_name FROM services v JOIN service_groups g ON g.id = group_id"
        )
        rows = await (await conn.execute("SELECT * FROM service_fields ORDER BY position")).fetchall()
    assert (row["name"], row["group_name"], row["price"], row["device"]) == (
        "Carrier check",
        "Apple",
        1_250_000,
        "imei",
    )
    assert [(field["name"], field["required"], field["options"]) for field in rows] == [
        ("Email ", True, []), ("Region", False, ["Europe", "Asia"]),
    ]  # fmt: skip

    here = f"/admin/services/{row['id']}"
    shown = (await operator.get(here)).text
    assert 'value="Email "' in shown
    assert 'value="carrier"' in shown
    assert "Europe\nAsia" in shown
    changed = await operator.send(
        here, **{**NEW, "name": "<b>Carrier", "price": "2", "takes_quantity": "yes", "max_quantity": "5"}
    )
    assert changed.status_code == 303, changed.text
    shown = (await operator.get("/admin/services")).text
    assert "&lt;b&gt;Carrier" in shown
    assert "<b>Carrier" not in shown
    async with db.pool.connection() as conn:
        row = await one(conn, "SELECT * FROM services")
        assert (row["price"], row["max_quantity"]) == (2 * MICRO, 5)
        left = await one(conn, "SELECT count(*) AS fields FROM service_fields")
        who = await one(conn, "SELECT s.role FROM price_history h JOIN staff s ON s.id = h.staff_id ORDER BY h.id DESC")
    assert left["fields"] == 0
    assert who["role"] == "operator"
    prices = (await operator.get(f"{here}/prices")).text
    assert "1.25 USD" in prices
    assert "2.00 USD" in prices


WRONG: Sequence[tuple[dict[str, str], str]] = (
    ({"name": " "}, "name"), ({"name": "x" * 301}, "name"), ({"name": "a\x00b"}, "name"), ({"group": ""}, "group"),
    ({"code": "?"}, "code"),
    ({"price": ""}, "price"), ({"price": "1,5"}, "price"), ({"price": "-1"}, "price"), ({"price": "1e30"}, "price"),
    ({"type": "x"}, "type"), ({"currency": "€"}, "currency"), ({"device": "x"}, "device"),
    ({"duplicates": "recent"}, "duplicate_hours"), ({"confirm_seconds": "x"}, "confirm_seconds"),
    ({"next_after_rejection": "yes"}, ""), ({"position": "9999999"}, "position"), ({"extensions": "bcl"}, "extensions"),
    ({"takes_quantity": "yes", "min_quantity": "9", "max_quantity": "2"}, "max_quantity"),
    ({"fields.1.name": "Region", "fields.1.type": "dropdown"}, "fields.1.options"),
    ({"fields.0.name": "a", "fields.3.name": " A"}, "fields.3.name"),
)  # fmt: skip


async def test_what_is_wrong_stands_beside_its_field(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    for wrong, field in WRONG:
        refused = await operator.send("/admin/services/new", **{**NEW, "info": "keep this", **wrong})
        assert refused.status_code == 422, wrong
        marked = re.search(r'id="wrong-([^"]+)"', refused.text)
        assert (marked[1] if marked else "") == field, wrong
        assert marked or 'role="alert">A check' in refused.text
        assert "keep this" in refused.text
    async with db.pool.connection() as conn:
        assert (await one(conn, "SELECT count(*) AS services FROM services"))["services"] == 0


async def test_only_operators_change_services_and_all_may_look(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    for role in ("finance", "read_only"):
        reader = await surfer(role)
        for path in ("/admin/services", f"/admin/services/{shop.imei_service}", "/admin/services/groups"):
            shown = await reader.get(path)
            assert shown.status_code == 200, path
            assert 'name="act"' not in shown.text
        assert (await reader.get("/admin/services/new")).status_code == 403
        for path in ("/admin/services/many", f"/admin/services/{shop.imei_service}", "/admin/services/groups/order"):
            assert (await reader.send("/admin/account", path, **NEW)).status_code == 403, path


async def test_services_are_searched_filtered_and_paged(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer)
        dear = await make_remote_service(conn, supplier, cost=9 * MICRO)
        wants = await make_remote_service(conn, supplier, remote_id="2", fields=[{"name": "SN", "required": True}])
        loses = await make_service(conn, name="Loses money", group="Zebra")
        lacks = await make_service(conn, name="Lacks fields", group="Zebra")
        await make_route(conn, loses, dear)
        await make_route(conn, lacks, wants)
        for number in range(60):
            await make_service(conn, name=f"Alone {number:02}", group="Ant", type="server", state="hidden")
    reader = await surfer("read_only")

    async def names(query: str) -> list[str]:
        text = (await reader.get(f"/admin/services{query}")).text
        return [html.unescape(name) for name in re.findall(r'<a href="/admin/services/\d+">([^<]+)</a>', text)]

    first = await names("")
    assert len(first) == 50
    assert first[0] == "Alone 00"
    more = re.search(r'href="/admin/services(\?[^"]+)" rel="next"', (await reader.get("/admin/services")).text)
    assert more
    rest = await names(html.unescape(more[1]))
    assert [*first, *rest] == [*(f"Alone {number:02}" for number in range(60)), "Lacks fields", "Loses money"]
    assert await names("?search=loses") == ["Loses money"]
    assert "Lacks fields" in await names(f"?search={lacks}")
    assert await names("?search=zeb&type=imei&state=active") == ["Lacks fields", "Loses money"]
    assert await names("?trouble=loss") == ["Loses money"]
    assert await names("?trouble=lacks_fields") == ["Lacks fields"]
    assert len(await names("?trouble=no_route")) == 50
    for odd in ("?search=%25", "?search=%00", "?group=x", "?trouble=x", "?after=99999999999999999999", "?after=77777"):
        assert (await reader.get(f"/admin/services{odd}")).status_code == 200, odd
    assert await names("?search=%25") == []


async def test_many_are_hidden_moved_and_priced_at_once(surfer: SurferOf, db: Database) -> None:
    async with db.transaction() as conn:
        ids = [await make_service(conn, name=f"One {number}", price=1_010_000) for number in range(3)]
        other = await make_service(conn, name="Other", group="Elsewhere", price_source="rule")
    operator = await surfer("operator")
    async with db.pool.connection() as conn:
        group = (await one(conn, "SELECT id FROM service_groups WHERE name = 'Elsewhere'"))["id"]
    found = re.search(r'name="csrf" value="([^"]+)"', (await operator.get("/admin/services")).text)
    assert found
    given = {"csrf": found[1], "service": [str(number) for number in ids], "back": "/admin/services?state=active"}

    async def many(**fields: object) -> int:
        response = await operator.http.post("/admin/services/many", data={**given, **fields})
        if response.status_code == 303:
            assert response.headers["location"] == "/admin/services?state=active"
        return response.status_code

    assert await many(act="hide") == 303
    assert await many(act="move", to_group=str(group)) == 303
    assert await many(act="price", percent="10.5", step="0.05") == 303
    assert await many(act="price", percent="0") == 303
    for wrong in (
        {"act": "price", "percent": "x"}, {"act": "price", "percent": "1.234"}, {"act": "price", "percent": "-101"},
        {"act": "price", "percent": "1", "step": "0"}, {"act": "nothing"}, {"act": "hide", "service": []},
        {"act": "hide", "service": ["1; DROP"]}, {"act": "move", "to_group": "x"},
    ):  # fmt: skip
        assert await many(**wrong) == 422, wrong
    assert await many(act="move", to_group="999") == 404
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT * FROM services WHERE id = ANY (%s)", (ids,))).fetchall()
        kept = await one(conn, "SELECT state, price_source FROM services WHERE id = %s", other)
    assert {(row["state"], row["group_id"], row["price"]) for row in rows} == {("hidden", group, 1_150_000)}
    assert kept == {"state": "active", "price_source": "rule"}
    assert await many(act="rules") == 303
    assert await many(act="show") == 303
    assert "3 shown." in (await operator.get("/admin/services")).text


async def test_groups_are_added_renamed_ordered_and_removed(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    here = "/admin/services/groups"
    for name in ("First", "Second", "Third"):
        assert (await operator.send(here, name=name)).status_code == 303
    assert (await operator.send(here, name="First")).status_code == 409
    assert (await operator.send(here, name=" ")).status_code == 422
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT id FROM service_groups ORDER BY position")).fetchall()
    ids = [str(row["id"]) for row in rows]

    async def names() -> list[str]:
        return re.findall(r"<strong>([^<]+)</strong>", (await operator.get(here)).text)

    found = re.search(r'name="csrf" value="([^"]+)"', (await operator.get(here)).text)
    assert found
    moved = await operator.http.post(f"{here}/order", data={"csrf": found[1], "group": ids, "up": ids[2]})
    assert moved.headers["location"] == f"{here}?moved={ids[2]}&way=up"
    assert await names() == ["First", "Third", "Second"]
    assert "autofocus" in (await operator.get(moved.headers["location"])).text
    await operator.http.post(f"{here}/order", data={"csrf": found[1], "group": ids, "down": ids[2]})
    assert await names() == ["First", "Second", "Third"]
    await operator.http.post(f"{here}/order", data={"csrf": found[1], "group": [ids[1], "12345"]})
    assert await names() == ["Second", "First", "Third"]
    assert (await operator.send(f"{here}/{ids[0]}", name="Second")).status_code == 409
    assert (await operator.send(f"{here}/{ids[0]}", name="Last")).status_code == 303
    async with db.transaction() as conn:
        await make_service(conn, group="Last")
    assert (await operator.send(here, f"{here}/{ids[0]}/remove")).status_code == 409
    assert (await operator.send(here, f"{here}/{ids[1]}/remove")).status_code == 303
    assert (await operator.send(here, f"{here}/{ids[1]}/remove")).status_code == 404
    assert await names() == ["Last", "Third"]


async def test_a_code_that_another_is_given_at_once_is_theirs_alone(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    operator = await surfer("operator")

    async def take() -> Service:
        async with db.sessions.begin() as session:
            return await change_service(session, shop.server_service, {"code": "the-one"})

    page = f"/admin/services/{shop.imei_service}"
    async with db.transaction() as conn:
        await conn.execute("SELECT FROM catalog_version FOR UPDATE")  # both get as far as they can
        sent = asyncio.create_task(operator.send(page, code="the-one", **NEW))
        await wait_until_locked(conn, 1)
        taken = asyncio.create_task(take())
        await wait_until_locked(conn, 2)
    assert (await sent).status_code == 303
    with pytest.raises(Conflict):
        await taken
    refused = await operator.send(f"/admin/services/{shop.server_service}", code="the-one", **NEW)
    assert refused.status_code == 409
    assert 'id="wrong-code"' in refused.text


async def test_what_others_changed_since_the_form_was_opened_is_not_taken_back(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    operator = await surfer("operator")
    here = f"/admin/services/{shop.imei_service}"

    def hidden(page: str) -> dict[str, str]:
        return dict(re.findall(r'name="(csrf|seen|was_price)" value="([^"]*)"', page))

    async with db.pool.connection() as conn:
        await conn.execute("UPDATE services SET price_source = 'rule'")
    opened = {**NEW, "price_source": "rule", "price": "2.00", **hidden((await operator.get(here)).text)}
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE services SET price = 3000000")  # as a rule does when the cost rises
    assert (await operator.http.post(here, data={**opened, "info": "New"})).status_code == 303
    async with db.pool.connection() as conn:
        row = await one(conn, "SELECT price, price_source, info FROM services WHERE id = %s", shop.imei_service)
    assert row == {"price": 3 * MICRO, "price_source": "rule", "info": "New"}

    late = await operator.http.post(here, data={**opened, "info": "Newer", "price": "5"})
    assert late.status_code == 409
    assert "Somebody changed this service" in late.text
    assert "Newer" in late.text
    wrong = await operator.http.post(here, data={**opened, "price": "x"})
    assert wrong.status_code == 422
    assert hidden(wrong.text)["seen"] == opened["seen"]
    again = {**opened, "info": "Newer", "price": "5", **hidden(late.text)}
    assert (await operator.http.post(here, data=again)).status_code == 303
    async with db.pool.connection() as conn:
        row = await one(conn, "SELECT price, info FROM services WHERE id = %s", shop.imei_service)
    assert row == {"price": 5 * MICRO, "info": "Newer"}
