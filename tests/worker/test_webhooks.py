"""A supplier calls us about an order: it is asked after at once, and nobody believes what the call itself says."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import orjson
import pytest
from pydantic import SecretStr

from app.alarms.service import list_alarms
from app.api.webhooks import CALLS_PER_ORDER, MAX_BODY
from app.db import Database
from app.main import build_app
from app.redis import Limiter
from app.sealing import Sealer
from app.settings import Settings
from app.suppliers.service import add
from app.suppliers.webhooks import forget_calls
from tests.factories import imei, make_customer, make_remote_service, make_route, make_service
from tests.fakes.cekceir import FakeCekCeir
from tests.fakes.faults import serving_fake
from tests.serving import serving
from tests.worker.test_order_path import assert_sound, closed, rows, until, working

KEY = "a secret key of the webhook tests that is long enough"


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([KEY])


@pytest.fixture
def fake() -> FakeCekCeir:
    fake = FakeCekCeir()
    fake.pending_reads = 1_000_000  # until the test says so
    return fake


@pytest.fixture
async def fake_url(fake: FakeCekCeir) -> AsyncIterator[str]:
    async with serving_fake(fake) as url:
        yield url


@pytest.fixture
async def door(conninfo: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(conninfo),
        secret_key=SecretStr(KEY),
        var_dir=tmp_path,
        log_level="error",
        # No worker runs for most of a test, and that is no alarm however long it takes.
        worker_silent_seconds=3600,
        work_overdue_seconds=86_400,
    )
    # One minute for the whole test, so that calls are not counted in two.
    monkeypatch.setattr("app.main.Limiter", lambda url: Limiter(url, clock=lambda: 1000.0))
    async with (
        serving(build_app(settings), graceful=True) as url,
        httpx2.AsyncClient(base_url=f"{url}/api/webhooks/", trust_env=False, timeout=30) as client,
    ):
        yield client


async def order_placed(db: Database, sealer: Sealer, fake: FakeCekCeir, url: str) -> tuple[int, int]:
    """Have one order placed at the fake, whose next question is far away; return the supplier and their order."""
    from app.catalog.snapshot import load_catalog
    from app.orders.service import place
    from app.orders.wishes import make_wish

    async with db.transaction() as conn:
        _, _, _, key_id = await make_customer(conn, sealer)
        supplier_id = await add(conn, sealer, name="Cek", kind="cekceir", config=fake.config(url), currency="USD")
        service = await make_service(conn)
        await make_route(conn, service, await make_remote_service(conn, supplier_id, remote_id="cek_imei"))
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        wish = make_wish(catalog.services[service], device=imei(1), quantity=None, fields={})
        await place(
            conn,
            [wish],
            key_id=key_id,
            ip=None,
            catalog_version=catalog.version,
            source="test",
            window_seconds=1,
        )

    async def is_placed() -> bool:
        return bool(await rows(db, "SELECT 1 FROM attempts WHERE state = 'placed' AND lease_by IS NULL"))

    async with working(db, sealer):
        await until(is_placed)
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET due_at = now() + interval '1 hour', lease_by = NULL")
    [attempt] = await rows(db, "SELECT remote_id FROM attempts")
    return supplier_id, int(attempt["remote_id"])


async def due(db: Database) -> bool:
    [row] = await rows(db, "SELECT due_at <= now() AS due FROM attempts")
    return bool(row["due"])


async def alarms(db: Database) -> list[tuple[str, int]]:
    async with db.pool.connection() as conn:
        return [(alarm.kind, alarm.count) for alarm in await list_alarms(conn, limit=9)]


async def test_a_signed_call_has_the_order_asked_after_now_and_delivered(
    db: Database, sealer: Sealer, fake: FakeCekCeir, fake_url: str, door: httpx2.AsyncClient
) -> None:
    supplier_id, number = await order_placed(db, sealer, fake, fake_url)
    headers, body = fake.webhook(number)
    claimed = orjson.dumps({**orjson.loads(body), "message": "claimed by the call"})
    fake._waits[number] = 0
    async with working(db, sealer):
        reply = await door.post(str(supplier_id), headers=headers, content=claimed)
        assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
        await until(lambda: closed(db, 1))
    [order] = await rows(db, "SELECT state, result FROM orders")
    assert order["state"] == "completed"
    assert "claimed" not in order["result"]
    await assert_sound(db)


async def test_a_call_is_taken_once_and_one_that_says_something_new_again(
    db: Database, sealer: Sealer, fake: FakeCekCeir, fake_url: str, door: httpx2.AsyncClient
) -> None:
    supplier_id, number = await order_placed(db, sealer, fake, fake_url)
    headers, body = fake.webhook(number)
    assert (await door.post(str(supplier_id), headers=headers, content=body)).status_code == 200
    assert await due(db)
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET due_at = now() + interval '1 hour'")
    replayed = await door.post(str(supplier_id), headers=headers, content=body)
    assert replayed.status_code == 409
    assert (await door.post(str(supplier_id), headers=headers, content=body + b" ")).status_code == 200
    # Bodies that the signature does not cover have an end.
    codes = [
        (await door.post(str(supplier_id), headers=headers, content=body + b" " * n)).status_code
        for n in range(2, CALLS_PER_ORDER + 2)
    ]
    assert codes[-1] == 429
    async with db.transaction() as conn:
        await conn.execute("UPDATE webhook_calls SET at = now() - interval '1 year'")
        assert await forget_calls(conn) == CALLS_PER_ORDER - 1


async def test_a_forged_call_changes_nothing_and_raises_an_alarm(
    db: Database, sealer: Sealer, fake: FakeCekCeir, fake_url: str, door: httpx2.AsyncClient
) -> None:
    supplier_id, number = await order_placed(db, sealer, fake, fake_url)
    headers, body = fake.webhook(number)
    for forged in ({**headers, "x-signature": "0" * 64}, {"content-type": "application/json"}):
        reply = await door.post(str(supplier_id), headers=forged, content=body)
        assert reply.status_code == 401
    assert not await due(db)
    assert await alarms(db) == [("forged_webhook", 2)]
    assert await rows(db, "SELECT 1 FROM webhook_calls") == []


async def test_calls_that_lead_nowhere(
    db: Database, sealer: Sealer, fake: FakeCekCeir, fake_url: str, door: httpx2.AsyncClient
) -> None:
    supplier_id, number = await order_placed(db, sealer, fake, fake_url)
    fake.orders[777] = {**fake.orders[number], "order_id": 777}
    headers, body = fake.webhook(777, "raw")
    assert (await door.post(str(supplier_id), headers=headers, content=body)).status_code == 404
    assert await rows(db, "SELECT 1 FROM webhook_calls") == [], "it may come again when the order is known"
    async with db.transaction() as conn:
        other = await add(
            conn,
            sealer,
            name="D",
            kind="dhru",
            config={"base_url": "http://127.0.0.1:9", "username": "u", "api_key": "k"},
            currency="USD",
        )
    assert (await door.post(str(other), content=b"{}")).status_code == 404
    assert (await door.post("999999", content=b"{}")).status_code == 404
    assert (await door.post(str(2**70), content=b"{}")).status_code == 404
    assert (await door.post("x", content=b"{}")).status_code == 404
    assert (await door.get(str(supplier_id))).status_code == 405
    assert (await door.post(str(supplier_id), content=b"x" * (MAX_BODY + 1))).status_code == 413
    assert not await due(db)
    assert await alarms(db) == []


async def test_an_order_that_is_being_asked_after_keeps_its_lease(
    db: Database, sealer: Sealer, fake: FakeCekCeir, fake_url: str, door: httpx2.AsyncClient
) -> None:
    supplier_id, number = await order_placed(db, sealer, fake, fake_url)
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET lease_by = 'a worker', lease_until = due_at")
    headers, body = fake.webhook(number)
    assert (await door.post(str(supplier_id), headers=headers, content=body)).status_code == 200
    assert not await due(db)
