"""Routes in the browser: compared, put in order, paused, mapped field by field, and tried without sending anything."""

import asyncio
import re

from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.service import add
from tests.factories import IMEIS, make_remote_service, make_route, make_service, make_supplier
from tests.pages.conftest import SECRET, Surfer, SurferOf


async def post(surfer: Surfer, page: str, path: str, data: dict[str, object]) -> int:
    found = re.search(r'name="csrf" value="([^"]+)"', (await surfer.get(page)).text)
    assert found
    response = await surfer.http.post(path, data={"csrf": found[1], **data})
    return response.status_code


async def test_routes_are_compared_put_in_order_paused_and_removed(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        service = await make_service(conn)
        suppliers = [await make_supplier(conn, sealer, name=f"<i>Supplier {number}") for number in range(3)]
        remotes = [await make_remote_service(conn, supplier, cost=(1 + 2 * n) * MICRO // 2)
                   for n, supplier in enumerate(suppliers)]  # fmt: skip
        ids = [await make_route(conn, service, remote) for remote in remotes]
        await conn.execute(
            "INSERT INTO remote_measures (remote_service_id, answered, delivered, success_permille, p50_seconds,"
            " p95_seconds) VALUES (%s, 80, 79, 978, 60, 300)",
            (remotes[0],),
        )
        await conn.execute("UPDATE suppliers SET synced_at = now() - interval '3 days' WHERE id = %s", (suppliers[1],))
        other = await make_service(conn, name="Another")
        foreign = await make_route(conn, other, remotes[0])
    operator, reader = await surfer("operator"), await surfer("read_only")
    here = f"/admin/services/{service}/routes"
    text = (await reader.get(here)).text
    assert "<i>Supplier" not in text
    for shown in ("98.7 % of 80", "1-5 Minutes", "1.50 USD", "-0.50 USD", "above the price", "not read for 48 hours"):
        assert shown in text, shown
    assert 'name="up"' not in text
    assert (await reader.send("/admin/account", f"{here}/order")).status_code == 403

    async def order() -> list[int]:
        return [int(one) for one in re.findall(r'id="route-(\d+)"', (await operator.get(here)).text)]

    assert await order() == ids
    assert await post(operator, here, f"{here}/order", {"route": ids, "down": ids[0]}) == 303
    assert await order() == [ids[1], ids[0], ids[2]]
    assert await post(operator, here, f"{here}/order", {"route": [ids[2], ids[0], ids[1], foreign]}) == 303
    assert await order() == [ids[2], ids[0], ids[1]]
    assert await post(operator, here, f"{here}/order", {"route": ids, "up": "x"}) == 422
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT priority FROM routes WHERE id = %s", (foreign,))).fetchone()
    assert row == {"priority": 100}

    assert (await operator.send(here, f"/admin/routes/{ids[0]}/pause")).status_code == 303
    assert "The route is paused" not in (await operator.get("/admin/services")).text
    assert "the route is paused" in (await operator.get(here)).text
    assert (await operator.send(here, f"/admin/routes/{ids[0]}/resume")).status_code == 303
    assert "the route is paused" not in (await operator.get(here)).text
    assert (await operator.send(here, f"/admin/routes/{ids[0]}/remove")).status_code == 303
    assert await order() == [ids[2], ids[1]]
    assert (await operator.send(here, f"/admin/routes/{ids[0]}/remove")).status_code == 404
    assert (await operator.get("/admin/services/999/routes")).status_code == 404
    assert (await operator.get("/admin/routes/999")).status_code == 404


async def test_a_dry_run_shows_what_would_be_sent_and_opens_no_connection(surfer: SurferOf, db: Database) -> None:
    opened = 0

    def heard(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        writer.close()

    listener = await asyncio.start_server(heard, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    sealer = Sealer([SECRET])
    fields = [{"name": "Customer Mail ", "required": True}, {"name": "Region", "required": True}]
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer, base_url=address)
        remote = await make_remote_service(conn, supplier, remote_id="77", fields=fields)
        service = await make_service(conn, fields=[{"name": "Email"}])
        route = await make_route(conn, service, remote)
    operator, reader = await surfer("operator"), await surfer("read_only")
    here = f"/admin/routes/{route}"
    assert "requires the field Region" in (await reader.get(here)).text
    mapped = {
        "theirs": ["Customer Mail ", "Region", "Note"], "source.0": "Email", "source.1": "=", "value.1": "EU",
        "source.2": "=", "value.2": "<b>note", "next_after_unclear_hours": "6",
    }  # fmt: skip
    assert await post(operator, here, here, dict(mapped)) == 303
    assert await post(operator, here, here, {**mapped, "source.1": "Email"}) == 422
    assert await post(operator, here, here, {**mapped, "next_after_unclear_hours": "9999"}) == 422
    assert await post(operator, here, here, {**mapped, "value.1": "x" * 501}) == 422
    assert await post(operator, here, here, {**mapped, "theirs": ["a\x00b", "Region"]}) == 422
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT * FROM routes WHERE id = %s", (route,))).fetchone()
    assert row
    assert row["field_map"] == {"Email": "Customer Mail "}
    assert row["fixed"] == {"Region": "EU", "Note": "<b>note"}
    assert row["next_after_unclear_hours"] == 6
    assert "requires the field" not in (await reader.get(here)).text

    wrong = await operator.send(here, f"{here}/dry-run", device="123456789012345")
    assert wrong.status_code == 422
    assert 'id="wrong-device"' in wrong.text
    told = await operator.send(here, f"{here}/dry-run", device=IMEIS[0], **{"field.0": "ann@example.com"})
    assert told.status_code == 200
    for sent in (address, "placeimeiorder", "Customer Mail : ann@example.com", "&lt;b&gt;note", "***"):
        assert sent in told.text, sent
    assert "their-secret-key" not in told.text
    assert (await reader.send(here, f"{here}/dry-run", device=IMEIS[0])).status_code == 403
    assert opened == 0
    async with db.pool.connection() as conn:
        kept = await (await conn.execute("SELECT count(*) AS n FROM exchanges")).fetchone()
    assert kept == {"n": 0}
    listener.close()


async def test_a_dry_run_says_what_a_connector_refuses_and_what_a_person_does(surfer: SurferOf, db: Database) -> None:
    sealer = Sealer([SECRET])
    async with db.transaction() as conn:
        supplier = await add(
            conn, sealer, name="Bench", kind="manual", config={"services": "unlock | Unlock | 1.00"}, currency="USD"
        )
        service = await make_service(conn, type="server")
        routes = [
            await make_route(conn, service, await make_remote_service(conn, supplier, remote_id=name, type="server"))
            for name in ("unlock", "gone")
        ]
    operator = await surfer("operator")
    by_hand = await operator.send(f"/admin/routes/{routes[0]}", f"/admin/routes/{routes[0]}/dry-run")
    assert "a person does it by hand" in by_hand.text
    gone = await operator.send(f"/admin/routes/{routes[1]}", f"/admin/routes/{routes[1]}/dry-run")
    assert "this service is no longer on the list" in gone.text
