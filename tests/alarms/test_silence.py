"""Silence: workers that are gone and work that nobody takes raise an alarm, which reaches people all the same."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import httpx2

from app.alarms.channels import add_channel
from app.alarms.configs import ChannelKind
from app.alarms.service import AlarmRow, list_alarms
from app.alarms.silence import beat, forget_workers, look
from app.db import Database
from app.sealing import Sealer
from tests.factories import imei, make_shop
from tests.fakes.alarm_sinks import WEBHOOK_SECRET, WebhookSink
from tests.fakes.smtp import mail_server
from tests.fakes.sockets import free_port
from tests.processes import running
from tests.serving import serving
from tests.worker.test_order_path import buy, rows, until

SECRET = "a test key that protects nothing but tests"


async def looked(db: Database, *, may_raise: bool = True) -> list[AlarmRow]:
    """Look as a server process does and return the alarms that are live then."""
    async with db.transaction() as conn:
        await look(conn, silent_seconds=60, overdue_seconds=120, may_raise=may_raise)
    async with db.pool.connection() as conn:
        return await list_alarms(conn, limit=10)


async def let_pass(db: Database, table: str, column: str, seconds: int) -> None:
    async with db.transaction() as conn:
        await conn.execute(f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)", (seconds,))


async def sign(db: Database, name: str) -> None:
    async with db.transaction() as conn:
        await beat(conn, name, "1")


async def test_pain_9_no_worker_is_an_alarm_until_one_is_seen(db: Database) -> None:
    assert await looked(db, may_raise=False) == [], "the workers may be about to start"
    [alarm] = await looked(db)
    assert (alarm.kind, alarm.subject, alarm.text) == ("worker_silent", "workers", "No worker was ever seen.")
    await sign(db, "one")
    await sign(db, "two")
    assert await looked(db) == []
    await let_pass(db, "workers", "seen_at", 61)
    await sign(db, "two")
    assert await looked(db) == [], "one that lives is enough"
    await let_pass(db, "workers", "seen_at", 61)
    [alarm] = await looked(db)
    assert alarm.text.startswith("No worker gave a sign of life since 20")


async def test_pain_9_due_work_that_nobody_takes_is_an_alarm_though_a_worker_lives(
    db: Database, sealer: Sealer
) -> None:
    shop = await make_shop(db, sealer)
    await buy(db, shop, imei(1))
    await sign(db, "one")
    await let_pass(db, "attempts", "due_at", 110)
    assert await looked(db) == []
    await let_pass(db, "attempts", "due_at", 11)
    [alarm] = await looked(db)
    assert (alarm.kind, alarm.subject) == ("worker_silent", "due work")
    assert alarm.text.startswith("Work for Reseller's upstream is due since 20")
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET due_at = now() + interval '1 hour'")
    assert await looked(db) == []


async def test_many_who_look_count_an_alarm_once_a_minute(db: Database) -> None:
    for _ in range(5):
        await asyncio.gather(*(looked(db) for _ in range(4)))
    [alarm] = await looked(db)
    assert alarm.count == 1
    await let_pass(db, "alarms", "last_seen", 61)
    [alarm] = await looked(db)
    assert alarm.count == 2


async def test_workers_long_gone_are_forgotten_but_not_the_last(db: Database) -> None:
    await sign(db, "one")
    await let_pass(db, "workers", "seen_at", 10)
    await sign(db, "two")
    await let_pass(db, "workers", "seen_at", 8 * 86_400)
    async with db.transaction() as conn:
        assert await forget_workers(conn) == 1
    assert await rows(db, "SELECT name FROM workers") == [{"name": "two"}]


def process(conninfo: str, *words: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """Run a command of ours on this test's database."""
    environment = {
        **os.environ,
        "DATABASE_URL": conninfo,
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "error",
        "WORKER_SILENT_SECONDS": "10",
    }
    return running(sys.executable, "-m", "app", *words, environment=environment, codes=(0, -signal.SIGTERM))


async def test_pain_9_a_killed_worker_is_told_of_by_mail_and_webhook_and_so_is_its_successor(
    db: Database, sealer: Sealer, conninfo: str
) -> None:
    sink = WebhookSink()
    async with serving(sink.app()) as url, mail_server() as mails:
        async with db.transaction() as conn:
            hook = {"url": f"{url}/alarms", "secret": WEBHOOK_SECRET}
            await add_channel(conn, sealer, name="Hook", kind=ChannelKind.WEBHOOK, config=hook)
            mail = {
                "host": "127.0.0.1",
                "port": mails.port,
                "security": "none",
                "sender": "us@shop.example",
                "recipients": ["ann@shop.example"],
            }
            await add_channel(conn, sealer, name="Mail", kind=ChannelKind.EMAIL, config=mail)
        port = free_port()
        # The worker first: a server process that starts alone would soon have something to tell.
        async with process(conninfo, "worker") as worker:
            await until(lambda: _some(db, "SELECT FROM workers"), 60)
            async with process(conninfo, "serve", "--port", str(port)):
                await until(lambda: _answers(port), 60)
                assert sink.sent == []
                worker.send_signal(signal.SIGKILL)
                await worker.wait()
                await until(_told(lambda: len(sink.sent) > 0 and len(mails.mails) > 0), 60)
                alarm = sink.sent[0]["alarm"]
                assert (sink.sent[0]["about"], alarm["kind"], alarm["subject"]) == (
                    "opened",
                    "worker_silent",
                    "workers",
                )
                assert "What to do: Start a worker" in mails.mails[0].get_content()
                async with process(conninfo, "worker"):
                    await until(_told(lambda: len(sink.sent) > 1), 60)
    assert [message["about"] for message in sink.sent] == ["opened", "ended"]


def _told(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def told() -> bool:
        return condition()

    return told


async def _answers(port: int) -> bool:
    async with httpx2.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False


async def _some(db: Database, query: str) -> bool:
    return bool(await rows(db, query))
