"""Metrics: what waits and what is wrong, for those who may read it."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.alarms.kinds import AlarmKind
from app.alarms.service import raise_alarm
from app.alarms.silence import beat
from app.db import Database
from app.main import build_app
from app.sealing import Sealer
from app.settings import Settings
from tests.factories import imei, make_shop
from tests.serving import serving
from tests.worker.test_order_path import buy

TOKEN = "a metrics token of tests"
SECRET = "a test key that protects nothing but tests"


@contextlib.asynccontextmanager
async def server(conninfo: str, **settings: object) -> AsyncIterator[httpx2.AsyncClient]:
    """A whole server, and a client on this machine."""
    values = {"database_url": conninfo, "secret_key": SECRET, **settings}
    app = build_app(Settings(_env_file=None, **values))  # type: ignore[arg-type]  # pydantic checks the values
    async with serving(app, graceful=True) as url, httpx2.AsyncClient(base_url=url) as client:
        yield client


Samples = dict[tuple[str, tuple[str, ...]], float]


async def read(client: httpx2.AsyncClient) -> Samples:
    """The metrics as Prometheus reads them, by name and the values of the labels, which are in order of their names."""
    response = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_what_waits_is_counted_with_its_age(db: Database, sealer: Sealer, conninfo: str) -> None:
    async with server(conninfo, metrics_token=TOKEN) as client:
        empty = await read(client)
        assert empty["trunkline_orders_open", ("accepted",)] == 0
        assert empty["trunkline_workers_seen", ()] == 0
        assert ("trunkline_worker_silence_seconds", ()) not in empty

        shop = await make_shop(db, sealer)
        await buy(db, shop, imei(1), imei(2), imei(3))
        async with db.transaction() as conn:
            await beat(conn, "one", "1")
            await beat(conn, "two", "1")
            await conn.execute("UPDATE workers SET seen_at = seen_at - interval '90 seconds' WHERE name = 'two'")
            await raise_alarm(conn, AlarmKind.LOW_BALANCE, "supplier 1", "used up")
            await conn.execute("SELECT * FROM claim_attempts(%s, 'dead', interval '0', 2)", (shop.supplier_id,))
            await conn.execute("SELECT sweep_attempts()")
            await conn.execute("UPDATE attempts SET due_at = now() - interval '50 seconds' WHERE state = 'prepared'")
            await conn.execute("UPDATE attempts SET due_at = now() + interval '50 seconds' WHERE state = 'unclear'")
            await conn.execute("UPDATE suppliers SET balance = 12345678, paused_until = now() + interval '1 hour'")
        found = await read(client)
    supplier = "Reseller's upstream"
    assert {key: found[key] for key in found if key[0].startswith(("trunkline_orders", "trunkline_attempts"))} == {
        ("trunkline_orders_open", ("accepted",)): 1,
        ("trunkline_orders_open", ("in_progress",)): 2,
        ("trunkline_attempts_open", ("prepared", supplier)): 1,
        ("trunkline_attempts_open", ("unclear", supplier)): 2,
        ("trunkline_attempts_unclear", ()): 2,
    }
    assert found["trunkline_dispatch_lag_seconds", (supplier,)] >= 50
    assert found["trunkline_poll_lag_seconds", (supplier,)] == 0
    assert found["trunkline_find_lag_seconds", (supplier,)] == 0, "what is due later does not wait"
    assert found["trunkline_alarms_open", ("low_balance", "critical")] == 1
    assert found["trunkline_alarms_open", ("audit_break", "critical")] == 0
    assert found["trunkline_workers_seen", ()] == 1
    assert found["trunkline_worker_silence_seconds", ()] < 60
    assert found["trunkline_supplier_balance", ("USD", supplier)] == 12.345678
    assert found["trunkline_supplier_paused", (supplier,)] == 1


async def test_pain_22_the_lag_of_asking_grows_while_orders_are_not_asked_after(
    db: Database, sealer: Sealer, conninfo: str
) -> None:
    lag = ("trunkline_poll_lag_seconds", ("Reseller's upstream",))
    async with server(conninfo, metrics_token=TOKEN) as client:
        shop = await make_shop(db, sealer)
        await buy(db, shop, *(imei(n) for n in range(60)))
        async with db.transaction() as conn:
            await conn.execute("SELECT 1 FROM claim_attempts(%s, 'w', interval '1 hour', 60)", (shop.supplier_id,))
            await conn.execute(
                "UPDATE attempts SET state = 'placed', remote_id = id::text, due_at = now() - make_interval(secs => id)"
            )
        lags = []
        for _ in range(3):
            lags.append((await read(client))[lag])
            await take_polls(db, shop.supplier_id, 20)
        assert lags[0] >= 60
        assert lags[0] - 15 > lags[1] > lags[2] >= 0, "those that wait longest are asked after first"
        assert (await read(client))[lag] == 0
        async with db.transaction() as conn:
            await conn.execute("UPDATE attempts SET due_at = now() - interval '1 hour'")
        assert (await read(client))[lag] >= 3600


async def take_polls(db: Database, supplier_id: int, limit: int) -> None:
    """Take so many orders to ask after, as a worker does."""
    async with db.transaction() as conn:
        await conn.execute("SELECT 1 FROM claim_polls(%s, 'w', interval '1 hour', %s)", (supplier_id, limit))


async def test_with_a_token_only_who_has_it_reads(conninfo: str) -> None:
    async with server(conninfo, metrics_token=TOKEN) as client:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            refused = await client.get("/metrics", headers=header)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert "trunkline_" not in refused.text
        assert (await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200


async def test_without_a_token_only_this_machine_reads(conninfo: str) -> None:
    async with server(conninfo) as client:
        assert (await client.get("/metrics")).status_code == 200
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
            refused = await client.get("/metrics", headers={header: "127.0.0.1"})
            assert refused.status_code == 403, header
            assert "trunkline_" not in refused.text


async def test_what_takes_too_long_is_given_up(db: Database, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.metrics.LONGEST_MS", 100)
    async with server(conninfo) as client, db.transaction() as conn:
        await conn.execute("LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE")
        assert (await client.get("/metrics")).status_code == 503
