"""One call is one transaction, and it is committed before the reply: a reply is never a hope."""

import re
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import BASE, token_for
from tests.factories import make_customer
from tests.serving import serving


async def test_whoever_has_the_reply_sees_the_row(app: FastAPI, db: Database, sealer: Sealer, conninfo: str) -> None:
    token = await token_for(db, sealer, "owner")
    seen = []

    class Spy:
        """Looks into the database from another connection at the moment the reply starts."""

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def spying(message: Any) -> None:
                if message["type"] == "http.response.start":
                    with psycopg.connect(conninfo) as conn:
                        row = conn.execute(
                            "SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM services),"
                            " (SELECT count(*) FROM transfers)"
                        ).fetchone()
                    seen.append(row)
                await send(message)

            await self.inner(scope, receive, spying)

    async with (
        serving(Spy(app), lifespan="off") as url,
        httpx2.AsyncClient(base_url=f"{url}/api/admin/", timeout=30) as client,
    ):
        client.headers["Authorization"] = f"Bearer {token}"
        for path, body in (
            ("customers", {"name": "Fix It", "email": "a@fix.example"}),
            ("services", {"name": "Check", "group": "Checks", "type": "imei", "price": "1"}),
            ("customers/1/topups", {"amount": "1", "reference": "x"}),
        ):
            assert (await client.post(path, json=body)).status_code == 201
    assert seen == [(1, 0, 0), (1, 1, 0), (1, 1, 1)]


@pytest.mark.parametrize("table", ["customers", "services", "transfers"])
async def test_a_commit_that_fails_is_no_success(
    app: FastAPI, db: Database, sealer: Sealer, capsys: pytest.CaptureFixture[str], *, table: str
) -> None:
    if table == "transfers":
        async with db.transaction() as conn:
            await make_customer(conn, sealer, credit=0)
    async with db.transaction() as conn:
        # Deferred, so that the error comes with COMMIT and not before.
        await conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the secret of the commit'; END $$"
        )
        await conn.execute(
            f"CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    path, body = {
        "customers": ("customers", {"name": "Fix It", "email": "b@fix.example"}),
        "services": ("services", {"name": "Check", "group": "Checks", "type": "imei", "price": "1"}),
        "transfers": ("customers/1/topups", {"amount": "1", "reference": "x"}),
    }[table]
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {await token_for(db, sealer, 'owner')}"}
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
        response = await client.post(path, json=body)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "error"
    assert not re.search("secret|Traceback|psycopg|INSERT", response.text)
    assert "a call failed" in capsys.readouterr().err
    async with db.pool.connection() as conn:
        row = await (await conn.execute(f"SELECT count(*) AS n FROM {table}")).fetchone()
    assert row == {"n": 0}


async def test_a_customer_without_an_account_never_is(owner: httpx2.AsyncClient, db: Database) -> None:
    response = await owner.post(
        "customers", json={"name": "Fix It", "email": "a@fix.example", "price_group_id": 999, "credit_limit": "5"}
    )
    assert (response.status_code, response.json()["field"]) == (422, "price_group_id")
    async with db.pool.connection() as conn:
        row = await (
            await conn.execute("SELECT (SELECT count(*) FROM customers) AS c, (SELECT count(*) FROM accounts) AS a")
        ).fetchone()
    assert row == {"c": 0, "a": 0}


async def test_a_database_that_is_away_is_said_so(owner: httpx2.AsyncClient, db: Database) -> None:
    await db.pool.close()
    response = await owner.get("customers")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
