"""Who may call what: no token no entry, and each role only what its row of the table says."""

import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.db import Database
from app.errors import Unauthenticated
from app.sealing import Sealer
from app.staff.service import authenticate
from tests.admin.conftest import ClientOf, ok, refused, token_for


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """Every call of the API: method and path below the prefix, with 1 for every id."""
    return [
        (method.upper(), re.sub(r"\{\w+\}", "1", path).removeprefix("/api/admin/"))
        for path, item in app.openapi()["paths"].items()
        for method in item
    ]


def money(path: str) -> bool:
    """Whether a call moves credit by hand, or puts the books of it right."""
    return path.startswith(
        ("approvals/", "supplier-days/", "topups", "payment-methods", "topup-packages")
    ) or path.endswith(("/topups", "/adjustments", "/reverse", "/deposits"))


def owners(path: str) -> bool:
    """Whether a call decides what leaves the house or who comes in."""
    return path.startswith(("alarm-channels", "staff"))


@pytest.mark.parametrize("token", [None, "ts_" + "x" * 43, "tk_wrong", "\xff"])
async def test_without_a_valid_token_nothing_answers(app: FastAPI, client_of: ClientOf, token: str | None) -> None:
    client = await client_of(None)
    headers: dict[bytes, bytes] = {} if token is None else {b"Authorization": f"Bearer {token}".encode("latin-1")}
    calls = operations(app)
    assert len(calls) > 30
    for method, path in calls:
        response = await client.request(method, path, headers=httpx2.Headers(headers), json={})
        assert response.headers["www-authenticate"] == "Bearer"
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated"), path


@pytest.mark.parametrize("value", ["Basic dTpw", "Bearer", "ts_x", "Bearer  "])
async def test_other_credentials_are_none(client_of: ClientOf, value: str) -> None:
    client = await client_of(None)
    await refused(client.get("kinds", headers={"Authorization": value}), 401, "unauthenticated")


@pytest.mark.parametrize("role", ["owner", "operator", "finance", "read_only"])
async def test_each_role_may_what_its_row_says(
    app: FastAPI, client_of: ClientOf, db: Database, sealer: Sealer, role: str
) -> None:
    client = await client_of(await token_for(db, sealer, role))
    for method, path in operations(app):
        if method == "PATCH" and path == "customers/1":
            continue  # what it needs depends on the body, see below
        allowed = (
            method == "GET"
            or role == "owner"
            or (role == "operator" and not money(path) and not owners(path))
            or (role == "finance" and money(path))
        )
        # The body is no good for any call, and no thing has the id 1: who is allowed is told so.
        response = await client.request(method, path, json={"nonsense": True} if method != "GET" else None)
        assert (response.status_code == 403) is not allowed, (method, path, response.text)


async def test_a_credit_limit_is_money(client_of: ClientOf, db: Database, sealer: Sealer) -> None:
    clients = {
        role: await client_of(await token_for(db, sealer, role)) for role in ("operator", "finance", "read_only")
    }
    new = {"name": "Fix It", "email": "a@fix.example"}
    await refused(clients["operator"].post("customers", json={**new, "credit_limit": "1"}), 403, "forbidden")
    customer = await ok(clients["operator"].post("customers", json=new), 201)
    path = f"customers/{customer['id']}"
    await refused(clients["operator"].patch(path, json={"credit_limit": "5", "name": "Other"}), 403, "forbidden")
    await refused(clients["finance"].patch(path, json={"credit_limit": "5", "name": "Other"}), 403, "forbidden")
    await refused(clients["read_only"].patch(path, json={}), 403, "forbidden")
    assert (await ok(clients["finance"].patch(path, json={"credit_limit": "5"})))["credit_limit"] == "5.00"
    assert (await ok(clients["operator"].patch(path, json={"state": "suspended"})))["state"] == "suspended"
    assert (await ok(clients["read_only"].get(path)))["name"] == "Fix It"


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE staff SET state = 'suspended'",
        "UPDATE staff_tokens SET revoked_at = now()",
        "UPDATE staff_tokens SET expires_at = now() - interval '1 second'",
    ],
)
async def test_a_token_ends_at_once(owner: httpx2.AsyncClient, db: Database, ending: Any) -> None:
    await ok(owner.get("kinds"))
    async with db.transaction() as conn:
        await conn.execute(ending)
    await refused(owner.get("kinds"), 401, "unauthenticated")


async def test_a_token_made_under_an_older_key_is_unknown_once_that_key_is_gone(db: Database) -> None:
    older, newer = "an older key that protects nothing but tests", "a newer key that protects nothing but tests"
    token = await token_for(db, Sealer([older]), "owner")
    async with db.pool.connection() as conn:
        with pytest.raises(Unauthenticated):
            await authenticate(conn, Sealer([newer]), token)


async def test_only_hashes_of_tokens_are_kept(owner: httpx2.AsyncClient, db: Database) -> None:
    token = owner.headers["authorization"].removeprefix("Bearer ")
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT t::text AS row FROM staff_tokens t")).fetchall()
    assert rows
    assert not any(token in row["row"] for row in rows)
