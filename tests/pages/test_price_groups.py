"""Price groups and sheets in the browser: edited in place, moved together, out and in as CSV, all or nothing."""

import re

import httpx2

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from tests.factories import make_remote_service, make_route, make_service, make_supplier
from tests.pages.conftest import Surfer, SurferOf


async def csrf(surfer: Surfer) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await surfer.get("/admin/account")).text)
    assert found
    return found[1]


async def prices(db: Database) -> list[tuple[str, int, str]]:
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT g.name, p.price, p.price_source FROM group_prices p JOIN price_groups g ON g.id = p.price_group_id"
            " ORDER BY p.service_id, g.name"
        )
        return [tuple(row.values()) for row in await cursor.fetchall()]


async def test_prices_of_a_group_are_edited_in_place_and_moved_together(surfer: SurferOf, db: Database) -> None:
    async with db.transaction() as conn:
        ids = [await make_service(conn, name=f"<i>{number}", price=number * MICRO // 100) for number in range(1, 61)]
        await make_service(conn, name="In euro", currency="EUR")
    operator, reader = await surfer("operator"), await surfer("read_only")
    assert (await operator.send("/admin/price-groups", name="Gold", currency="dollar")).status_code == 422
    made = await operator.send("/admin/price-groups", name="Gold", currency="usd")
    assert (await operator.send("/admin/price-groups", name="Gold", currency="USD")).status_code == 409
    here = made.headers["location"]
    assert (await reader.send("/admin/price-groups", name="No", currency="USD")).status_code == 403
    page = (await operator.get(here)).text
    assert page.count('name="service"') == 50
    assert "&lt;i&gt;1" in page
    token = await csrf(operator)
    shown = {f"was-{number}": "" for number in ids[:3]}

    async def save(**given: str) -> httpx2.Response:
        data = {"csrf": token, "service": [str(number) for number in ids[:3]], **shown, **given}
        return await operator.http.post(here, data=data)

    assert (await save(**{f"price-{ids[0]}": "0.5", f"price-{ids[1]}": "7"})).status_code == 303
    assert await prices(db) == [("Gold", 500_000, "manual"), ("Gold", 7 * MICRO, "manual")]
    for wrong in ("x", "-1", "1e99", "1.2345678"):
        refused = await save(**{f"price-{ids[0]}": "0.9", f"price-{ids[2]}": wrong})
        assert refused.status_code == 422, wrong
        assert f'value="{wrong}"' in refused.text
    again = await save(**{f"was-{ids[0]}": "0.50", f"price-{ids[0]}": "", f"was-{ids[1]}": "7.00",
                          f"price-{ids[1]}": "7.00"})  # fmt: skip
    assert again.status_code == 303
    assert await prices(db) == [("Gold", 7 * MICRO, "manual")]
    move = f"{here}/from-list"
    for wrong_move in ({"percent": "x"}, {"percent": "-200"}, {"percent": "1", "step": "0"}, {"percent": ""}):
        assert (await operator.http.post(move, data={"csrf": token, **wrong_move})).status_code == 422, wrong_move
    assert (await operator.http.post(move, data={"csrf": token, "percent": "-10", "step": "0.01"})).status_code == 303
    assert "1 are sold in another currency" in (await operator.get(here)).text
    made_prices = await prices(db)
    assert len(made_prices) == 60
    assert made_prices[0][1] == 10_000
    assert made_prices[59][1] == 540_000
    assert (await reader.send("/admin/account", move, percent="1")).status_code == 403
    assert (
        "list price"
        not in re.sub(r"List price", "", (await reader.get(f"{here}?own=yes&search=60")).text).split("<tbody>")[1]
    )
    assert (await reader.get("/admin/price-groups/999")).status_code == 404


async def look(surfer: Surfer, kind: str, content: str | bytes) -> httpx2.Response:
    files = {"file": ("sheet.csv", content if isinstance(content, bytes) else content.encode(), "text/csv")}
    return await surfer.http.post("/admin/sheets", data={"csrf": await csrf(surfer), "kind": kind}, files=files)


async def apply(surfer: Surfer, page: httpx2.Response) -> int:
    found = dict(re.findall(r'name="(sheet|seen)" value="(\w+)"', page.text))
    response = await surfer.http.post("/admin/sheets/apply", data={"csrf": await csrf(surfer), **found})
    return response.status_code


async def test_prices_go_out_and_come_in_as_a_sheet(surfer: SurferOf, db: Database) -> None:
    async with db.transaction() as conn:
        first = await make_service(conn, name="=cmd()", price=MICRO)
        second = await make_service(conn, name='A "quoted", name', price=2 * MICRO, price_source="rule")
    operator = await surfer("operator")
    group = (await operator.send("/admin/price-groups", name="Gold", currency="USD")).headers["location"].split("/")[-1]
    out = await operator.get("/admin/sheets/prices.csv")
    assert out.headers["content-disposition"] == 'attachment; filename="prices.csv"'
    assert f"{first},'=cmd(),,USD,1.00" in out.text
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT subject_kind FROM acts WHERE act = 'export'")
        assert await cursor.fetchall() == [{"subject_kind": "prices"}]
    same = await look(operator, "prices", out.content)
    assert "0 changes, 2 lines as it is, 0 wrong" in same.text
    assert 'action="/admin/sheets/apply"' not in same.text

    sheet = f"price;service_id;price_group\n1.5;{first};\n;{second};Gold\n0,9;{second};gold\n0.9;{second};gold\n"
    wrong = await look(operator, "prices", sheet)
    assert "2 changes" not in wrong.text
    assert "This price was on an earlier line" in wrong.text
    good = f"price;service_id;price_group\r\n1.5;{first};\r\n\r\n0.9;{second};gold\r\n3;{second};\r\n"
    page = await look(operator, "prices", good)
    assert "3 changes, 0 lines as it is, 0 wrong" in page.text
    assert await prices(db) == []
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE services SET price = 1100000 WHERE id = %s", (first,))
    assert await apply(operator, page) == 409  # it is not what was looked at any more
    page = await look(operator, "prices", good)
    assert await apply(operator, page) == 303
    assert await apply(operator, page) == 409
    assert await prices(db) == [("Gold", 900_000, "manual")]
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT price, price_source FROM services ORDER BY id")).fetchall()
    assert [tuple(row.values()) for row in rows] == [(1_500_000, "manual"), (3 * MICRO, "manual")]
    back = await look(operator, "prices", f"service_id,price_group,price\n{second},Gold,\n")
    assert await apply(operator, back) == 303
    assert await prices(db) == []
    assert (await operator.get(f"/admin/price-groups/{group}")).status_code == 200


async def test_groups_whose_names_differ_in_case_alone_are_told_apart_in_a_sheet(
    surfer: SurferOf, db: Database
) -> None:
    async with db.transaction() as conn:
        service = await make_service(conn)
    operator = await surfer("operator")
    for name in ("gold", "Gold"):
        assert (await operator.send("/admin/price-groups", name=name, currency="USD")).status_code == 303
    page = await look(operator, "prices", f"service_id,price_group,price\n{service},Gold,1\n{service},gold,0.5\n")
    assert "2 changes" in page.text
    assert await apply(operator, page) == 303
    assert sorted(await prices(db)) == [("Gold", MICRO, "manual"), ("gold", MICRO // 2, "manual")]
    page = await look(operator, "prices", f"service_id,price_group,price\n{service},GOLD,2\n")
    assert "Several price groups are called so" in page.text


async def test_what_is_wrong_in_a_sheet_is_named_by_its_line(surfer: SurferOf, db: Database) -> None:
    async with db.transaction() as conn:
        service, other = await make_service(conn), await make_service(conn)
    operator, reader = await surfer("operator"), await surfer("read_only")
    head = "service_id,price_group,price\n"
    for line, text in (
        ("999,,1", "no such service"), ("x,,1", "no such service"), (f"{service},Silver,1", "no such price group"),
        (f"{service},,", "list price is needed"), (f"{service},,abc", "decimal"), (f"{service},,-1", "A price is"),
        (f"{service},,1e9", "A price is"), (f'{service},"<b>",1', "no such price group"),
    ):  # fmt: skip
        page = await look(operator, "prices", f"{head}{other},,7\n{line}\n")
        assert page.status_code == 200, line
        assert text in page.text, line
        assert '<td class="amount">3</td>' in page.text, line
        assert "<b>" not in page.text.split("<main")[1].replace("<b></b>", ""), line
        assert 'action="/admin/sheets/apply"' not in page.text, line
    for content, text in (
        (b"", "not empty"), (b"\xff\xfe1", "not text in UTF-8"), (b"a,b\n1,2\n", "service_id, price_group, price is"),
        (b'service_id,price_group,price\n1,"' + b"x" * 200_000 + b'",1\n', "not CSV"),
    ):  # fmt: skip
        page = await look(operator, "prices", content)
        assert page.status_code == 422, content[:20]
        assert text in page.text, text
    assert (await look(operator, "other", head)).status_code == 422
    assert (await look(reader, "prices", head)).status_code == 403
    nothing = await operator.http.post("/admin/sheets/apply", data={"csrf": await csrf(operator), "sheet": "77"})
    assert nothing.status_code == 404


async def test_routes_go_out_and_come_in_as_a_sheet(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer, name="Up, stream")
        remotes = [await make_remote_service(conn, supplier, remote_id=name) for name in ("1", "-2", "3")]
        euros = await make_supplier(conn, sealer, name="Euros", currency="EUR")
        await make_remote_service(conn, euros, remote_id="1")
        service = await make_service(conn)
        await make_route(conn, service, remotes[0])
        await conn.execute("UPDATE remote_services SET removed_at = now() WHERE id = %s", (remotes[2],))
    operator = await surfer("operator")
    out = (await operator.get("/admin/sheets/routes.csv")).text
    assert f'{service},IMEI check,"Up, stream",1,Remote 1,100,active' in out
    head = "service_id,supplier,remote_id,priority,state\n"
    line = f'{service},"Up, stream"'
    page = await look(operator, "routes", f"{head}{line},1,5,paused\n{line},'-2,,\n")
    assert "2 changes" in page.text
    assert "100, active" in page.text
    assert await apply(operator, page) == 303
    assert await apply(operator, page) == 409
    async with db.pool.connection() as conn:
        rows = await (
            await conn.execute("SELECT remote_service_id, priority, state FROM routes ORDER BY id")
        ).fetchall()
    assert [tuple(row.values()) for row in rows] == [(remotes[0], 5, "paused"), (remotes[1], 100, "active")]
    resumed = await look(operator, "routes", f"{head}{line},1,,active\n")
    assert await apply(operator, resumed) == 303
    for wrong, text in (
        (f"{line},9,,", "has no such service"), (f"{service},Nobody,1,,", "no supplier of this name"),
        (f"{line},3,,", "no longer offers it"), (f"{service},Euros,1,,", "no exchange rate"),
        (f"{line},1,x,", "A priority is"), (f"{line},1,,gone", "active or paused"), ("7,Euros,1,,", "no such service"),
        (f"{line},1,,\n{line},1,,", "on an earlier line"),
    ):  # fmt: skip
        page = await look(operator, "routes", f"{head}{wrong}\n")
        assert text in page.text, wrong
        assert "1 wrong" in page.text
