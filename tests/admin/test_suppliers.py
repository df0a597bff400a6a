"""Supplier accounts: secrets go in and never come out, and nobody waits for a supplier with a transaction open."""

import asyncio
from typing import Any

import httpx2
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import SUPPLIER_KEY, config, ok, refused
from tests.serving import serving

SECRET = "a-secret-nobody-may-see"


async def sealed(db: Database, sealer: Sealer, supplier_id: int) -> dict[str, Any]:
    """The secrets of a supplier."""
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT sealed FROM suppliers WHERE id = %s", (supplier_id,))).fetchone()
    assert row is not None
    found: dict[str, Any] = orjson.loads(sealer.open(row["sealed"]))
    return found


async def add(owner: httpx2.AsyncClient, url: str = "http://127.0.0.1:9", **changes: Any) -> int:
    """Add a supplier and return its id."""
    body = {"name": "Upstream", "kind": "dhru", "config": config(url, **changes)}
    return int((await ok(owner.post("suppliers", json=body), 201))["id"])


async def test_secrets_never_come_back(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    made = await owner.post(
        "suppliers", json={"name": "A", "kind": "dhru", "config": config("http://127.0.0.1:9", api_key=SECRET)}
    )
    path = f"suppliers/{made.json()['id']}"
    replies = [
        made,
        await owner.get("suppliers"),
        await owner.get(path),
        await owner.patch(path, json={"config": {"api_key": SECRET + "2"}}),
        await owner.post(f"{path}/test"),
        await owner.post(f"{path}/sync"),
        await owner.get("kinds"),
    ]
    assert [reply.status_code for reply in replies] == [201, 200, 200, 200, 200, 502, 200]
    assert not [reply.text for reply in replies if SECRET in reply.text]
    assert await sealed(db, sealer, made.json()["id"]) == {"api_key": SECRET + "2"}
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT s::text AS row FROM suppliers s")).fetchone()
    assert row is not None
    assert SECRET not in row["row"]


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "A", "kind": "dhru", "config": config("ftp://x.example", api_key=SECRET)}, "config.base_url"),
    (
        {"name": "A", "kind": "dhru", "config": {"base_url": "http://x.example", "api_key": SECRET}},
        "config.username",
    ),
    (
        {"name": "A", "kind": "dhru", "config": config("http://x.example", username=7, api_key=SECRET)},
        "config.username",
    ),
    ({"name": "A", "kind": "dhru", "config": config("http://x.example", api_key=[SECRET])}, "config.api_key"),
    ({"name": "A", "kind": "dhru", "config": config("http://x.example", body=SECRET)}, "config.body"),
    ({"name": "A", "kind": "dhru", "config": config("http://x.example", currency=SECRET)}, "config.currency"),
    ({"name": "A", "kind": "dhru", "config": SECRET}, "config"),
    ({"name": "A", "kind": "dhru", "config": [SECRET]}, "config"),
    ({"name": "A", "kind": SECRET, "config": {}}, "kind"),
    ({"name": "A", "kind": "base", "config": {}}, "kind"),
    ({"name": " ", "kind": "dhru", "config": config("http://x.example", api_key=SECRET)}, "name"),
    (
        {"name": "A", "kind": "dhru", "config": config("http://x.example", api_key=SECRET), "currency": "usd"},
        "currency",
    ),
)


async def test_a_config_that_is_none_is_refused_without_quoting_it(owner: httpx2.AsyncClient) -> None:
    for body, field in WRONG:
        answer = await refused(owner.post("suppliers", json=body), 422, "invalid", field)
        assert SECRET not in str(answer)
    assert (await ok(owner.get("suppliers")))["items"] == []


async def test_names_are_taken_once(owner: httpx2.AsyncClient) -> None:
    await add(owner)
    body = {"name": "Upstream", "kind": "dhru", "config": config("http://127.0.0.1:9")}
    await refused(owner.post("suppliers", json=body), 409, "conflict", "name")
    other = await ok(owner.post("suppliers", json={**body, "name": "Other"}), 201)
    await refused(owner.patch(f"suppliers/{other['id']}", json={"name": "Upstream"}), 409, "conflict", "name")


async def test_a_change_leaves_what_it_does_not_name(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    supplier_id = await add(owner, bulk=False)
    path = f"suppliers/{supplier_id}"
    changed = await ok(owner.patch(path, json={"config": {"username": "other"}, "concurrency": 7}))
    assert (changed["config"]["username"], changed["config"]["bulk"], changed["concurrency"]) == ("other", False, 7)
    assert await sealed(db, sealer, supplier_id) == {"api_key": SUPPLIER_KEY}
    changed = await ok(owner.patch(path, json={"config": {"api_key": "newer", "bulk": None}, "name": "Renamed"}))
    assert (changed["name"], changed["config"]["bulk"]) == ("Renamed", True)
    assert await sealed(db, sealer, supplier_id) == {"api_key": "newer"}
    await refused(owner.patch(path, json={"config": {"api_key": None}}), 422, "invalid", "config.api_key")
    await refused(owner.patch(path, json={"config": {"nonsense": 1}}), 422, "invalid", "config.nonsense")
    await refused(owner.patch(path, json={"concurrency": 0}), 422, "invalid", "concurrency")
    await refused(owner.patch(path, json={"requests_per_minute": -1}), 422, "invalid", "requests_per_minute")
    assert changed["requests_per_minute"] == 0
    assert (await ok(owner.patch(path, json={"requests_per_minute": 90})))["requests_per_minute"] == 90
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT config_version FROM suppliers")).fetchone()
    assert row == {"config_version": 3}


async def test_secrets_do_not_follow_to_another_host(owner: httpx2.AsyncClient) -> None:
    path = f"suppliers/{await add(owner)}"
    elsewhere = {"base_url": "https://thief.example"}
    await refused(owner.patch(path, json={"config": elsewhere}), 422, "invalid", "config.api_key")
    moved = await ok(owner.patch(path, json={"config": {"base_url": "http://127.0.0.1:10/api/index.php"}}))
    assert moved["config"]["base_url"] == "http://127.0.0.1:10/api/index.php"
    moved = await ok(owner.patch(path, json={"config": {**elsewhere, "api_key": "given again"}}))
    assert moved["config"]["base_url"] == "https://thief.example"


async def test_resuming_ends_a_machines_pause_too(owner: httpx2.AsyncClient, db: Database) -> None:
    path = f"suppliers/{await add(owner)}"
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET paused_until = now() + interval '1 hour', pause_reason = 'no funds'")
    assert (await ok(owner.get(path)))["pause_reason"] == "no funds"
    assert (await ok(owner.patch(path, json={"state": "paused"})))["pause_reason"] == "no funds"
    resumed = await ok(owner.patch(path, json={"state": "active"}))
    assert (resumed["state"], resumed["paused_until"], resumed["pause_reason"]) == ("active", None, None)


async def test_what_staff_know_of_a_supplier_is_kept(owner: httpx2.AsyncClient) -> None:
    path = f"suppliers/{await add(owner)}"
    known = {"balance_is_proof": True, "panel_url": "https://panel.example/orders", "place_batch": 5}
    changed = await ok(owner.patch(path, json=known))
    assert {name: changed[name] for name in known} == known
    changed = await ok(owner.patch(path, json={"name": "Another"}))
    assert {name: changed[name] for name in known} == known, "what is not named stays"
    changed = await ok(owner.patch(path, json={"place_batch": 0, "panel_url": "", "balance_is_proof": False}))
    assert (changed["place_batch"], changed["panel_url"], changed["balance_is_proof"]) == (None, "", False)
    await refused(owner.patch(path, json={"place_batch": 1001}), 422, "invalid", "place_batch")
    await refused(owner.patch(path, json={"panel_url": "javascript:alert(1)"}), 422, "invalid", "panel_url")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"ERROR": [{"MESSAGE": "Authentication Failed"}]}, "does not accept these credentials"),
        ({"ERROR": [{"MESSAGE": "Invalid IP Request"}]}, "blocks us"),
        ("<html>Hello</html>", "not this protocol's"),
    ],
)
async def test_a_supplier_that_says_no_is_explained(owner: httpx2.AsyncClient, answer: Any, says: str) -> None:
    async def reply(_: Request) -> Response:
        return Response(answer, media_type="text/html") if isinstance(answer, str) else JSONResponse(answer)

    async with serving(Starlette(routes=[Route("/{path:path}", reply, methods=["POST", "GET"])])) as url:
        path = f"suppliers/{await add(owner, url)}"
        tried = await ok(owner.post(f"{path}/test"))
        assert (tried["ok"], tried["balance"], tried["services"]) == (False, None, None)
        assert says in tried["diagnosis"]
        problem = await refused(owner.post(f"{path}/sync"), 502, "supplier_failed")
        assert SUPPLIER_KEY not in str(problem)


async def test_a_supplier_that_cannot_be_reached_is_explained(owner: httpx2.AsyncClient) -> None:
    path = f"suppliers/{await add(owner)}"
    tried = await ok(owner.post(f"{path}/test"))
    assert tried["ok"] is False
    assert tried["diagnosis"].startswith("The supplier cannot be reached: ")


async def test_secrets_that_no_key_opens_are_a_conflict(owner: httpx2.AsyncClient, db: Database) -> None:
    path = f"suppliers/{await add(owner)}"
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET sealed = 'rubbish'")
    for call in ("test", "sync"):
        await refused(owner.post(f"{path}/{call}"), 409, "conflict")
    await ok(owner.patch(path, json={"config": {"api_key": "given again"}}))
    assert (await ok(owner.post(f"{path}/test")))["ok"] is False


async def test_no_connection_is_held_while_a_supplier_thinks(owner: httpx2.AsyncClient, db: Database) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        asked.set()
        await answer.wait()
        return JSONResponse({"ERROR": [{"MESSAGE": "Authentication Failed"}]})

    async with serving(Starlette(routes=[Route("/{path:path}", slow, methods=["POST", "GET"])])) as url:
        path = f"suppliers/{await add(owner, url)}"
        for call in ("test", "sync"):
            asked.clear()
            answer.clear()
            waiting = asyncio.create_task(owner.post(f"{path}/{call}"))
            await asyncio.wait_for(asked.wait(), 10)
            async with db.pool.connection() as conn:
                cursor = await conn.execute(
                    "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
                    " AND state LIKE 'idle in transaction%'"
                )
                open_transactions = await cursor.fetchone()
            stats = db.pool.get_stats()
            answer.set()
            await waiting
            assert open_transactions == {"n": 0}
            assert stats["pool_available"] == stats["pool_size"]


async def test_a_catalogue_is_searched_and_read_page_by_page(owner: httpx2.AsyncClient, supplier_url: str) -> None:
    path = f"suppliers/{await add(owner, supplier_url)}"
    await ok(owner.post(f"{path}/sync"))
    everything = (await ok(owner.get(f"{path}/services")))["items"]
    seen, cursor = [], None
    while True:
        page = await ok(owner.get(f"{path}/services", params={"limit": 5, **({"cursor": cursor} if cursor else {})}))
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 5
    assert seen == everything
    by_id = await ok(owner.get(f"{path}/services", params={"search": "202"}))
    assert [row["remote_id"] for row in by_id["items"]] == ["202"]
    for search in ("%", "_", "\\", "'"):
        literal = (await ok(owner.get(f"{path}/services", params={"search": search})))["items"]
        assert all(search in row["name"] + row["group"] for row in literal), search
    with_fields = next(row for row in everything if row["fields"])
    assert {"name", "type", "required", "description", "options", "pattern"} == with_fields["fields"][0].keys()


async def test_fields_of_a_remote_service_can_be_given_to_ours(owner: httpx2.AsyncClient, supplier_url: str) -> None:
    path = f"suppliers/{await add(owner, supplier_url)}"
    await ok(owner.post(f"{path}/sync"))
    for remote in (await ok(owner.get(f"{path}/services")))["items"]:
        body = {
            "name": remote["name"],
            "group": remote["group"],
            "type": remote["type"],
            "price": "1000",
            "fields": remote["fields"],
            "min_quantity": remote["min_quantity"],
            "max_quantity": remote["max_quantity"],
        }
        service = await ok(owner.post("services", json=body), 201)
        assert service["fields"] == remote["fields"]
        route = {"service_id": service["id"], "remote_service_id": remote["id"]}
        assert (await ok(owner.post("routes", json=route), 201))["warnings"] == [], remote
