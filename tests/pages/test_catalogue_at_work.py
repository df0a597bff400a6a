"""The lists of the catalogue ask the database as often for two hundred rows as for ten."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx2
import pytest
from psycopg import AsyncConnection

from app.db import Connection, Database
from app.sealing import Sealer
from tests.factories import make_remote_service, make_route, make_service, make_supplier
from tests.pages.conftest import SurferOf

LISTS = (
    "/admin/services", "/admin/services?trouble=lacks_fields", "/admin/services?trouble=loss", "/admin/services/groups",
    "/admin/services/1/routes", "/admin/mapping", "/admin/mapping?suggest=yes&unmapped=yes", "/admin/changes",
    "/admin/price-changes", "/admin/markup-rules", "/admin/markup-rules/preview", "/admin/price-groups",
    "/admin/price-groups/1",
)  # fmt: skip


async def grow(conn: Connection, supplier: int, first: int, last: int) -> None:
    """More of everything that the lists show."""
    fields = [{"name": "Email", "required": True}]
    for number in range(first, last):
        mapped = await make_remote_service(conn, supplier, remote_id=f"m{number}", fields=fields)
        await make_remote_service(conn, supplier, remote_id=f"u{number}")
        service = await make_service(conn, name=f"Remote {number}", group=f"Group {number % 20}")
        await make_route(conn, service, mapped)
        await conn.execute(
            "INSERT INTO routes (service_id, remote_service_id) VALUES (1, %s) ON CONFLICT DO NOTHING", (mapped,)
        )
    await conn.execute(
        "INSERT INTO catalog_changes (supplier_id, remote_service_id, kind, old, new, state)"
        " SELECT supplier_id, id, 'price', '{\"cost\": 1}', '{\"cost\": 2}', 'waiting' FROM remote_services"
        " ON CONFLICT DO NOTHING"
    )
    await conn.execute(
        "INSERT INTO price_changes (service_id, rule_id, currency, cost, old, new, state)"
        " SELECT id, 1, 'USD', 1, price, price + 1, 'waiting' FROM services ON CONFLICT DO NOTHING"
    )


async def test_lists_ask_as_much_of_the_database_for_many_as_for_few(
    surfer: SurferOf, db: Database, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for often in ("app.alarms.watch.WATCH_SECONDS", "app.house.service.EVERY_SECONDS"):
        monkeypatch.setattr(often, 3600)  # on a slow machine all of three calls would have something beside them
    asked: list[str] = []
    plain = AsyncConnection.execute

    async def counted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(str(query))
        return await plain(self, query, *args, **kwargs)

    operator = await surfer("operator")
    async with db.transaction() as conn:
        supplier = await make_supplier(conn, sealer)
        await conn.execute("INSERT INTO markup_rules (currency, basis_points) VALUES ('USD', 1000)")
        await conn.execute("INSERT INTO price_groups (name, currency) VALUES ('Gold', 'USD')")
        await grow(conn, supplier, 0, 10)

    async def least(call: Callable[[], Awaitable[httpx2.Response]]) -> int:
        # The least of three, because the server does things of its own beside.
        counts = []
        for _ in range(3):
            asked.clear()
            assert (await call()).status_code == 200
            counts.append(len(asked))
        return min(counts)

    async def previews(count: int) -> list[int]:
        found = re.search(r'name="csrf" value="([^"]+)"', (await operator.get("/admin/account")).text)
        assert found
        async with db.pool.connection() as conn:
            cursor = await conn.execute(
                "SELECT id FROM remote_services WHERE name LIKE %s LIMIT %s", ("Remote u%", count)
            )
            ids = [str(row["id"]) for row in await cursor.fetchall()]
        given = {"csrf": found[1], "remote": ids, "service": "1"}
        return [
            await least(partial(operator.http.post, f"/admin/mapping/{what}", data=given))
            for what in ("services", "routes")
        ]

    monkeypatch.setattr(AsyncConnection, "execute", counted)
    few = [await least(partial(operator.get, path)) for path in LISTS], await previews(5)
    monkeypatch.setattr(AsyncConnection, "execute", plain)
    async with db.transaction() as conn:
        await grow(conn, supplier, 10, 200)
    monkeypatch.setattr(AsyncConnection, "execute", counted)
    assert ([await least(partial(operator.get, path)) for path in LISTS], await previews(150)) == few
    assert max(few[0]) < 15
