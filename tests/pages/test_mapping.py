"""Mapping in the browser: catalogues searched side by side, many made at once as they were shown, or none."""

import asyncio
import re

import httpx2
import pytest

from app.db import Connection, Database
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers import remote_lines
from app.suppliers.routes import add_route
from tests.factories import make_remote_service, make_route, make_service, make_supplier, wait_until_locked
from tests.pages.conftest import Surfer, SurferOf

LOOK = {"looked": "yes", "act": "look", "pricing": "markup", "percent": "50", "rounding_step": "0.05"}


async def counted(db: Database) -> tuple[int, int]:
    """How many services and routes there are."""
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT (SELECT count(*) FROM services) AS s, (SELECT count(*) FROM routes) AS r")
        (row,) = await cursor.fetchall()
    return row["s"], row["r"]


async def csrf(surfer: Surfer) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await surfer.get("/admin/account")).text)
    assert found
    return found[1]


def seen(page: httpx2.Response) -> dict[str, str]:
    """What the page holds of the rows that it shows."""
    return dict(re.findall(r'name="((?:seen|service)-\d+)" value="(\w+)"', page.text))


async def catalogue(conn: Connection, sealer: Sealer, count: int) -> list[int]:
    supplier = await make_supplier(conn, sealer)
    fields: list[dict[str, object]] = [
        {"name": "Email ", "required": True},
        {"name": "Kind", "type": "dropdown", "options": []},
    ]
    ids = [
        await make_remote_service(conn, supplier, remote_id=str(number), cost=number * MICRO // 100, type="server",
                                  fields=fields)
        for number in range(1, count + 1)
    ]  # fmt: skip
    await conn.execute("UPDATE remote_services SET name = '🔥 [VIP] Tool ' || remote_id || ' - $9.99'")
    return ids


async def test_fifty_are_mapped_at_once_as_shown_and_only_once(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        ids = await catalogue(conn, sealer, 50)
    operator = await surfer("operator")
    token = await csrf(operator)
    first = {"csrf": token, "act": "look", "remote": [str(number) for number in ids]}
    by_rule = await operator.http.post("/admin/mapping/services", data=first)
    assert by_rule.text.count("No mark-up rule is for it") == 50

    look = {**first, **LOOK, "clean": ["emoji", "tags", "prices"], "group": "Tools"}
    page = await operator.http.post("/admin/mapping/services", data=look)
    assert page.status_code == 200
    for shown in (
        'value="Tool 7"',
        "🔥 [VIP] Tool 7 - $9.99",
        "0.15 USD",
        "Email (required)",
        "nothing to choose from",
    ):
        assert shown in page.text, shown
    assert await counted(db) == (0, 0)

    make = {**look, **seen(page), "act": "make", f"name-{ids[0]}": "Mine <b>", "remote": [str(n) for n in ids[:49]]}
    sent = await asyncio.gather(*(operator.http.post("/admin/mapping/services", data=make) for _ in range(3)))
    assert sorted(response.status_code for response in sent) == [303, 409, 409]
    assert await counted(db) == (49, 49)
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT v.name, g.name AS group_name, v.price, v.price_source, v.type, v.device, m.id AS remote,"
            " (SELECT array_agg(f.name || ' ' || f.type || ' ' || f.required ORDER BY position) FROM service_fields f"
            "  WHERE f.service_id = v.id) AS fields"
            " FROM services v JOIN service_groups g ON g.id = v.group_id JOIN routes r ON r.service_id = v.id"
            " JOIN remote_services m ON m.id = r.remote_service_id ORDER BY m.id"
        )
        rows = await cursor.fetchall()
    assert [row["remote"] for row in rows] == ids[:49]
    assert [row["name"] for row in rows[:2]] == ["Mine <b>", "Tool 2"]
    assert {row["group_name"] for row in rows} == {"Tools"}
    assert rows[9]["price"] == 150_000
    assert (rows[10]["price"], rows[10]["price_source"], rows[10]["device"]) == (200_000, "manual", "none")
    assert rows[0]["fields"] == ["Email  text true", "Kind text false"]
    shown = (await operator.get("/admin/services")).text
    assert "49 services made" in shown
    assert "Mine &lt;b&gt;" in shown
    assert "Mine <b>" not in shown


async def test_what_changed_since_it_was_shown_is_not_made(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        ids = await catalogue(conn, sealer, 3)
    operator = await surfer("operator")
    look = {"csrf": await csrf(operator), **LOOK, "remote": [str(number) for number in ids]}
    page = await operator.http.post("/admin/mapping/services", data=look)
    make = {**look, **seen(page), "act": "make"}
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE remote_services SET cost = 77000000 WHERE id = %s", (ids[1],))
    refused = await operator.http.post("/admin/mapping/services", data=make)
    assert refused.status_code == 409
    assert "115.50 USD" in refused.text  # the new price, to be looked at
    page = await operator.http.post("/admin/mapping/services", data=look)
    make = {**look, **seen(page), "act": "make"}
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE remote_services SET fields = '[]' WHERE id = %s", (ids[1],))
    assert (await operator.http.post("/admin/mapping/services", data=make)).status_code == 409
    for other in ({"percent": "51"}, {"group": "Else"}, {"remote": [*make["remote"], "999"]}, {f"seen-{ids[0]}": ""}):
        assert (await operator.http.post("/admin/mapping/services", data={**make, **other})).status_code == 409, other
    for wrong, field in (({"percent": "x"}, "percent"), ({"percent": ""}, "percent"), ({"fixed": "-1"}, "fixed"),
                         ({"rounding_step": "0.1", "rounding_ending": "0.2"}, "rounding_ending"),
                         ({"percent": "99999"}, "percent")):  # fmt: skip
        page = await operator.http.post("/admin/mapping/services", data={**look, **wrong})
        assert page.status_code == 422, wrong
        assert f'id="wrong-{field}"' in page.text, wrong
    long = await operator.http.post("/admin/mapping/services", data={**look, f"name-{ids[0]}": "x" * 301})
    assert "A name has 1 to 300" in long.text
    many = await operator.http.post("/admin/mapping/services", data={**look, "remote": [str(n) for n in range(1, 202)]})
    assert many.status_code == 422
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE remote_services SET cost = NULL WHERE id = %s", (ids[2],))
    page = await operator.http.post("/admin/mapping/services", data=look)
    assert (
        await operator.http.post("/admin/mapping/services", data={**look, **seen(page), "act": "make"})
    ).status_code == 422
    assert await counted(db) == (0, 0)


async def test_prices_may_be_left_to_the_rules(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        ids = await catalogue(conn, sealer, 2)
        await make_service(conn, group="Tools")
        await conn.execute(
            "INSERT INTO markup_rules (currency, basis_points, service_group_id)"
            " VALUES ('USD', 1000, NULL), ('USD', 10000, (SELECT id FROM service_groups))"
        )
    operator = await surfer("operator")
    look = {
        "csrf": await csrf(operator),
        "looked": "yes",
        "pricing": "rules",
        "remote": [str(ids[0])],
        "group": "Tools",
    }
    page = await operator.http.post("/admin/mapping/services", data=look)
    made = await operator.http.post("/admin/mapping/services", data={**look, **seen(page), "act": "make"})
    assert made.status_code == 303
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT price, price_source FROM services WHERE type = 'server'")).fetchone()
    assert row == {"price": 20_000, "price_source": "rule"}  # the group's rule, which is nearer


@pytest.mark.parametrize("few", [0, 200])
async def test_routes_are_added_to_the_chosen_and_to_the_likely_service(
    surfer: SurferOf, db: Database, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(remote_lines, "FEW", few)
    async with db.transaction() as conn:
        ids = await catalogue(conn, sealer, 3)
        service = await make_service(conn, name="Tool 2", type="server", price=10_000)
        await make_service(conn, name="Nothing alike at all", type="server")
    operator = await surfer("operator")
    shown = (await operator.get("/admin/mapping?suggest=yes")).text
    assert shown.count("likely:") == 3
    assert "100 % alike" in shown
    likely = {"csrf": await csrf(operator), "to": "likely", "remote": [str(ids[1])]}
    page = await operator.http.post("/admin/mapping/routes", data=likely)
    for text in ("Tool 2", "-0.01", "requires the field Email", "above the price"):
        assert text in page.text, text
    many = await operator.http.post("/admin/mapping/routes", data={**likely, "remote": [str(n) for n in range(1, 202)]})
    assert many.status_code == 422
    make = {"csrf": likely["csrf"], "remote": likely["remote"], **seen(page), "act": "make"}
    sent = await asyncio.gather(*(operator.http.post("/admin/mapping/routes", data=make) for _ in range(2)))
    assert sorted(response.status_code for response in sent) == [303, 409]
    assert (await counted(db))[1] == 1

    chosen = {"csrf": likely["csrf"], "service": str(service), "remote": [str(number) for number in ids]}
    page = await operator.http.post("/admin/mapping/routes", data=chosen)
    assert "This route exists." in page.text
    make = {**chosen, **seen(page), "act": "make"}
    assert (await operator.http.post("/admin/mapping/routes", data=make)).status_code == 422
    make["remote"] = [str(ids[2]), str(ids[0])]
    done = await operator.http.post("/admin/mapping/routes", data=make)
    assert done.headers["location"] == f"/admin/services/{service}/routes"
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT remote_service_id FROM routes ORDER BY priority")).fetchall()
    assert [row["remote_service_id"] for row in rows] == [ids[1], ids[2], ids[0]]
    assert (await operator.http.post("/admin/mapping/routes", data={**chosen, "service": "999"})).status_code == 422
    nothing = await operator.http.post("/admin/mapping/routes", data={"csrf": likely["csrf"]})
    assert nothing.headers["location"] == "/admin/mapping"


async def test_a_route_that_another_adds_at_once_is_no_failure(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        ids = await catalogue(conn, sealer, 2)
        service = await make_service(conn, name="Tool", type="server")
    operator = await surfer("operator")
    chosen = {"csrf": await csrf(operator), "service": str(service), "remote": [str(number) for number in ids]}
    page = await operator.http.post("/admin/mapping/routes", data=chosen)
    sheet = f"service_id,supplier,remote_id,priority,state\n{service},Upstream,1,,\n".encode()
    looked = await operator.http.post(
        "/admin/sheets", data={"csrf": chosen["csrf"], "kind": "routes"}, files={"file": ("routes.csv", sheet)}
    )
    kept = dict(re.findall(r'name="(sheet|seen)" value="(\w+)"', looked.text))
    assert kept, looked.text
    async with db.transaction() as conn:
        await add_route(conn, service_id=service, remote_service_id=ids[0])
        calls = [
            asyncio.create_task(operator.http.post(path, data={**chosen, **fields}))
            for path, fields in (
                ("/admin/mapping/routes", {**seen(page), "act": "make"}),
                ("/admin/sheets/apply", kept),
            )
        ]
        await wait_until_locked(conn, 2)
    assert [(await call).status_code for call in calls] == [409, 409]
    assert (await counted(db))[1] == 1


async def test_the_chosen_service_is_there_among_many_alike(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        await catalogue(conn, sealer, 1)
        # Every name has the number of the first in it, and it is the last by name.
        first, *_ = [await make_service(conn, name=f"Tool 1 {999 - number}") for number in range(60)]
    assert first == 1
    reader = await surfer("read_only")
    page = (await reader.get(f"/admin/mapping?service={first}")).text
    assert f'name="service" value="{first}" checked' in page


async def test_catalogues_are_searched_filtered_and_paged(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        ids = await catalogue(conn, sealer, 60)
        other = await make_supplier(conn, sealer, name="Other <i>")
        gone = await make_remote_service(conn, other, remote_id="gone")
        await make_remote_service(conn, other, remote_id="kept")
        await conn.execute("UPDATE remote_services SET removed_at = now() WHERE id = %s", (gone,))
        service = await make_service(conn, type="server")
        await make_route(conn, service, ids[0])
    reader = await surfer("read_only")

    async def found(query: str) -> int:
        return (await reader.get(f"/admin/mapping{query}")).text.count('name="remote"')

    assert await found("") == 50
    assert await found(f"?after={ids[49]}") == 11
    assert await found("?search=tool+7") == 1
    assert await found(f"?supplier={other}&group=Theirs") == 1
    assert await found(f"?supplier={other}&group=None") == 0
    assert await found("?type=imei") == 1
    assert await found(f"?unmapped=yes&after={ids[48]}") == 12
    for odd in ("?search=%25", "?supplier=x", "?after=-1", "?type=x", "?service=999", "?search=%00"):
        assert (await reader.get(f"/admin/mapping{odd}")).status_code == 200, odd
    page = (await reader.get(f"/admin/mapping?service={service}")).text
    assert f'name="service" value="{service}" checked' in page
    assert "Make services of them" not in page
    assert "Other <i>" not in page
    for path in ("/admin/mapping/services", "/admin/mapping/routes"):
        assert (await reader.send("/admin/account", path)).status_code == 403
