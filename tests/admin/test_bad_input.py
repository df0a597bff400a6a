"""Whatever is sent, the answer is a problem the sender can act on: never a 500, never a change."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from app.db import Database
from app.errors import NotFound
from app.sealing import Sealer
from tests.admin.conftest import BASE, ClientOf, ok, refused, token_for
from tests.factories import make_shop

JSON = {"Content-Type": "application/json"}
HUGE = 10**30

BODIES: tuple[Any, ...] = (
    None, True, 0, -1, HUGE, 1.5, "", "text", "\x00", "\ud800", "\U0001f600" * 1000, [], [[]], [None], {}, {"": ""},
    {"\x00": 1}, {"\udfff": "x"}, {"a" * 10_000: 1},
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, HUGE, -HUGE, 1.5, 1e308, "", " ", "x" * 100_000, "a\x00b", "\ud800", "٣", "1e999999", "NaN",
    [], [None], [HUGE], ["\x00"], {}, {"a": {"b": []}}, [[[[]]]], "'; DROP TABLE customers; --",
)  # fmt: skip
IDS = ("0", "-1", "abc", str(2**63), str(HUGE), "1.5", "%00", "1%2F..", "%ED%A0%80", "null", " ", "\uff11")


def calls(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path below the prefix, and the properties of the body, of every call."""
    api = app.openapi()
    found = []
    for path, item in api["paths"].items():
        for method, call in item.items():
            schema = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            named = schema.get("$ref", "").rsplit("/", 1)[-1]
            properties = api["components"]["schemas"].get(named, {}).get("properties", {})
            found.append((method.upper(), path.removeprefix("/api/admin/"), properties))
    return found


def sound(response: httpx2.Response, *told: object) -> None:
    """A 4xx problem (or a success: some of what is sent is harmless), without what was sent."""
    assert 200 <= response.status_code < 500, (response.request.url, told, response.text)
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert body.keys() >= {"type", "title", "status", "code", "detail"}
        assert body["status"] == response.status_code
        assert len(response.content) < 10_000
        assert not re.search("Traceback|psycopg|sqlalchemy|SELECT|INSERT", response.text)


async def counts(db: Database) -> dict[str, Any]:
    """How many rows of everything there are, and whose money it is."""
    async with db.pool.connection() as conn:
        row = await (
            await conn.execute(
                "SELECT (SELECT count(*) FROM transfers) AS transfers, (SELECT sum(balance) FROM accounts) AS balance,"
                " (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM api_keys) AS keys,"
                " (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM services) AS services,"
                " (SELECT count(*) FROM suppliers) AS suppliers, (SELECT count(*) FROM routes) AS routes"
            )
        ).fetchone()
    assert row is not None
    return row


async def test_bodies_of_every_shape(app: FastAPI, owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    await make_shop(db, sealer)
    before = await counts(db)
    for method, path, properties in calls(app):
        # A call that wants nothing may well do its work, and a change, a key or an approval may name nothing.
        if not properties or method == "PATCH" or path.endswith(("/keys", "/rotate", "/approve")):
            continue
        there = re.sub(r"\{\w+\}", "1", path)
        for body in BODIES:
            response = await owner.request(method, there, content=json.dumps(body).encode(), headers=JSON)
            assert response.status_code in (400, 422), (there, body, response.text)
            sound(response, body)
    assert await counts(db) == before


async def test_values_of_every_shape(app: FastAPI, owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    await make_shop(db, sealer)
    before = await counts(db)
    complete: dict[str, dict[str, Any]] = {
        "suppliers": {
            "name": "A",
            "kind": "dhru",
            "config": {"base_url": "http://x.example", "username": "u", "api_key": "k"},
        },
        "services": {"name": "A", "group": "B", "type": "imei", "price": "1"},
        "routes": {"service_id": 999, "remote_service_id": 999},
        "customers": {"name": "A", "email": "x@example.com"},
        "price-groups": {"name": "A"},
    }
    for method, path, properties in calls(app):
        there = re.sub(r"\{\w+\}", "1", path)
        for name in properties:
            for value in VALUES:
                body = {**complete.get(path, {}), name: value}
                response = await owner.request(method, there, content=json.dumps(body).encode(), headers=JSON)
                sound(response, body)
    after = await counts(db)
    assert {name: after[name] for name in ("transfers", "balance", "orders", "routes")} == {
        name: before[name] for name in ("transfers", "balance", "orders", "routes")
    }


async def test_ids_and_queries_of_every_shape(app: FastAPI, owner: httpx2.AsyncClient, db: Database) -> None:
    before = await counts(db)
    for method, path, _ in calls(app):
        if "{" not in path:
            continue
        for value in IDS:
            there = re.sub(r"\{\w+\}", value, path)
            response = await owner.request(method, there, json={} if method in ("POST", "PUT", "PATCH") else None)
            assert response.status_code in (404, 405, 422), (there, response.text)
            sound(response, value)
    for path in (
        "suppliers/1/services",
        "services",
        "routes",
        "customers",
        "orders",
        "attempts",
        "customers/1/statement",
    ):
        for name in ("cursor", "limit", "search", "state", "customer_id", "service_id", "supplier_id", "before"):
            for value in (*IDS, "", "%", "x" * 5000, "%FF%FE"):
                response = await owner.get(f"{path}?{name}={value}")
                sound(response, name, value)
    assert await counts(db) == before


async def test_bodies_that_are_no_json(owner: httpx2.AsyncClient) -> None:
    for content in (
        b"", b"{", b"{]", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"nul", b"\x00", b'{"name": "\xff"}',
        b'{"credit_limit": ' + b"9" * 10_000 + b"}", b"\xef\xbb\xbf{}", b"a" * 1_000_000,
    ):  # fmt: skip
        response = await owner.post("customers", content=content, headers=JSON)
        assert response.status_code in (400, 422), content[:20]
        sound(response, content[:20])
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
    ):
        response = await owner.post(
            "customers", content=b'{"name": "A", "email": "a@b.c"}', headers={"Content-Type": kind}
        )
        assert response.status_code == 422, kind
        sound(response, kind)
    assert (await ok(owner.get("customers")))["items"] == []


async def test_bodies_beyond_all_measure(owner: httpx2.AsyncClient) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 10_000

    for content in (b" " * 3_000_000, drip()):
        await refused(owner.post("customers", content=content, headers=JSON), 413, "too_large")


async def test_wrong_methods_and_paths(owner: httpx2.AsyncClient) -> None:
    answer = await owner.delete("customers")
    assert answer.headers["allow"]
    await refused(owner.delete("customers"), 405, "method_not_allowed")
    await refused(owner.put("customers/1", json={}), 405, "method_not_allowed")
    await refused(owner.get("customers/"), 404, "not_found")
    await refused(owner.get("nothing/here"), 404, "not_found")
    await refused(owner.get(""), 404, "not_found")
    await refused(owner.get("../admin/nothing"), 404, "not_found")


async def test_misspelt_names_are_said(owner: httpx2.AsyncClient) -> None:
    body = {"name": "A", "email": "a@b.c", "curency": "USD"}
    problem = await refused(owner.post("customers", json=body), 422, "invalid", "curency")
    assert "USD" not in str(problem)


async def test_several_faults_are_all_named(owner: httpx2.AsyncClient) -> None:
    response = await owner.post("services", json={"price": "x", "type": "y"})
    assert {error["field"] for error in response.json()["errors"]} == {"name", "group", "type", "price"}


@pytest.mark.parametrize("prefix", ["/api/adminx", "/other"])
async def test_other_faces_keep_their_errors(db: Database, sealer: Sealer, prefix: str, app: FastAPI) -> None:
    async def wrong(kind: str) -> None:
        raise {"http": HTTPException(418), "known": NotFound("x"), "bug": RuntimeError("a secret")}[kind]

    app.add_api_route(prefix + "/{kind}", wrong)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://other.test") as client:
        found = await client.get(f"{prefix}/http")
        assert (found.status_code, found.json()) == (418, {"detail": "I'm a Teapot"})
        for kind in ("known", "bug"):
            found = await client.get(f"{prefix}/{kind}")
            assert (found.status_code, found.text) == (500, "Internal Server Error")
        assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}


async def test_a_bug_is_a_problem_without_its_text(
    app: FastAPI, client_of: ClientOf, db: Database, sealer: Sealer
) -> None:
    async def wrong() -> None:
        raise RuntimeError("a secret of the inside")

    app.add_api_route("/api/admin/bug", wrong, include_in_schema=False)
    client = await client_of(await token_for(db, sealer, "owner"))
    response = await client.get(f"{BASE}bug")
    assert (response.status_code, response.json()["code"]) == (500, "error")
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
