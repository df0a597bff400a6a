"""Delivery: each alarm is told once over each channel that wants it, reminded of, ended, bounded, in nobody's way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.alarms.channels import Channel, add_channel, change_channel, get_channel
from app.alarms.configs import ChannelKind
from app.alarms.delivery import deliver, forget_messages, send_test
from app.alarms.kinds import AlarmKind, Severity
from app.alarms.service import acknowledge_alarm, end_alarms, list_alarms, raise_alarm
from app.db import Database
from app.sealing import Sealer
from app.staff.service import create_staff
from tests.fakes.alarm_sinks import WEBHOOK_SECRET, WebhookSink
from tests.serving import serving
from tests.worker.test_order_path import rows

DOWN, SILENT, VANISHED = AlarmKind.SUPPLIER_DOWN, AlarmKind.WORKER_SILENT, AlarmKind.SERVICE_VANISHED


@pytest.fixture
def sink() -> WebhookSink:
    return WebhookSink()


@pytest.fixture
async def url(sink: WebhookSink) -> AsyncIterator[str]:
    async with serving(sink.app()) as base:
        yield f"{base}/alarms"


async def webhook(db: Database, sealer: Sealer, url: str, name: str = "Ops", **options: Any) -> Channel:
    async with db.transaction() as conn:
        config = {"url": url, "secret": WEBHOOK_SECRET}
        return await add_channel(conn, sealer, name=name, kind=ChannelKind.WEBHOOK, config=config, **options)


async def see(db: Database, kind: AlarmKind, subject: str = "supplier 1", text: str = "what was seen") -> None:
    async with db.transaction() as conn:
        await raise_alarm(conn, kind, subject, text)


async def end(db: Database, kind: AlarmKind, subject: str = "supplier 1") -> None:
    async with db.transaction() as conn:
        await end_alarms(conn, [kind], subject)


async def pass_time(db: Database, minutes: float) -> None:
    """Do what the passing of time would do to everything that deliveries look at."""
    async with db.transaction() as conn:
        for table, column in (
            ("alarm_notices", "due_at"),
            ("alarm_messages", "at"),
            ("alarm_channels", "not_before"),
            ("alarm_channels", "lease_until"),
        ):
            await conn.execute(f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)", (minutes * 60,))


async def test_an_alarm_is_told_once_reminded_of_ever_more_rarely_and_ended_once(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    await webhook(db, sealer, url)
    for _ in range(3):
        await see(db, DOWN)
    for _ in range(3):
        await deliver(db, sealer, by="one")
    assert [message["about"] for message in sink.sent] == ["opened"]
    [opened] = sink.sent
    assert opened["title"] == "[warning] A supplier cannot be reached (supplier 1)"
    for part in ("what was seen", "Since: 20", "Seen: 3 times, last 20", "What to do: Test the supplier's connection"):
        assert part in opened["text"]
    assert (opened["alarm"]["kind"], opened["alarm"]["count"]) == ("supplier_down", 3)

    reminded = []
    for minutes in range(0, 40 * 60, 10):
        await pass_time(db, 10)
        if await deliver(db, sealer, by="one"):
            reminded.append(minutes + 10)
    assert reminded == [30, 150, 510, 1950], "half an hour, two, six, then once a day"
    assert {message["about"] for message in sink.sent[1:]} == {"reminder"}
    assert len({message["id"] for message in sink.sent}) == 5

    await end(db, DOWN)
    for _ in range(2):
        await deliver(db, sealer, by="one")
    assert [message["about"] for message in sink.sent[5:]] == ["ended"]
    assert "Until: 20" in sink.sent[-1]["text"]
    await pass_time(db, 60 * 48)
    assert await deliver(db, sealer, by="one") == 0
    assert sink.forged == 0


async def test_nobody_is_reminded_of_what_somebody_took_over_but_its_end_is_told(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    await webhook(db, sealer, url)
    await see(db, DOWN)
    await deliver(db, sealer, by="one")
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="a@b.c", name="A", role="owner")
        [alarm] = await list_alarms(conn, limit=10)
        await acknowledge_alarm(conn, alarm.id, staff_id=staff_id)
    await pass_time(db, 60 * 24)
    assert await deliver(db, sealer, by="one") == 0
    await end(db, DOWN)
    await deliver(db, sealer, by="one")
    assert [message["about"] for message in sink.sent] == ["opened", "ended"]


async def test_a_channel_hears_only_what_it_wants(db: Database, sealer: Sealer, sink: WebhookSink, url: str) -> None:
    await see(db, SILENT, "workers")
    await see(db, DOWN)
    await see(db, AlarmKind.UNKNOWN_STATUS)
    await webhook(db, sealer, url, "Grave", severity=Severity.CRITICAL)
    await webhook(db, sealer, url, "Some", kinds=[DOWN], tell_end=False)
    off = await webhook(db, sealer, url, "Off")
    async with db.transaction() as conn:
        await change_channel(conn, sealer, off.id, active=False)
    await deliver(db, sealer, by="one")
    assert sorted(message["alarm"]["kind"] for message in sink.sent) == ["supplier_down", "worker_silent"]
    await end(db, DOWN)
    await end(db, SILENT, "workers")
    await deliver(db, sealer, by="one")
    assert [message["alarm"]["kind"] for message in sink.sent[2:]] == ["worker_silent"]


async def test_what_is_over_before_it_was_told_is_not_told(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    channel = await webhook(db, sealer, url)
    sink.status = 500
    await see(db, DOWN)
    await deliver(db, sealer, by="one")
    await end(db, DOWN)
    sink.status = 200
    await pass_time(db, 60)
    assert await deliver(db, sealer, by="one") == 0
    async with db.pool.connection() as conn:
        assert (await get_channel(conn, channel.id)).failures == 1


async def test_a_trouble_that_comes_and_goes_is_not_told_each_time(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    await webhook(db, sealer, url, tell_end=False)
    for _ in range(5):
        await see(db, DOWN)
        await deliver(db, sealer, by="one")
        await end(db, DOWN)
        await deliver(db, sealer, by="one")
    assert len(sink.sent) == 1
    await see(db, DOWN)
    await deliver(db, sealer, by="one")
    await pass_time(db, 11)
    await deliver(db, sealer, by="one")
    assert len(sink.sent) == 2, "it stayed, so it is told after all"


async def test_two_processes_at_once_tell_each_alarm_once(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    sink.hold = asyncio.Event()
    await webhook(db, sealer, url)
    for number in range(5):
        await see(db, VANISHED, f"remote service {number}")
    running = [asyncio.create_task(deliver(db, sealer, by=f"process {number}")) for number in range(4)]
    async with asyncio.timeout(30):
        while not sink.asked:  # noqa: ASYNC110  what is waited for happens behind a socket
            await asyncio.sleep(0.01)
    assert await deliver(db, sealer, by="a fifth") == 0
    sink.hold.set()
    assert sum(await asyncio.gather(*running)) == 5
    subjects = [message["alarm"]["subject"] for message in sink.sent]
    assert sorted(subjects) == [f"remote service {number}" for number in range(5)]


async def test_a_process_that_lost_its_lease_sends_nothing_more(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    sink.hold = asyncio.Event()
    await webhook(db, sealer, url)
    for number in range(3):
        await see(db, VANISHED, f"remote service {number}")
    stalled = asyncio.create_task(deliver(db, sealer, by="stalled"))
    async with asyncio.timeout(30):
        while not sink.asked:  # noqa: ASYNC110  what is waited for happens behind a socket
            await asyncio.sleep(0.01)
    async with db.transaction() as conn:
        await conn.execute("UPDATE alarm_channels SET lease_by = 'another'")
    sink.hold.set()
    assert await stalled == 1
    assert len(sink.sent) == 1
    [channel] = await rows(db, "SELECT lease_by FROM alarm_channels")
    assert channel["lease_by"] == "another"


async def test_too_many_at_once_become_one_summary_and_grave_ones_pass(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    await webhook(db, sealer, url, per_hour=3)
    for number in range(50):
        await see(db, VANISHED, f"remote service {number}")
    await deliver(db, sealer, by="one")
    assert [message["about"] for message in sink.sent] == ["opened"] * 3 + ["summary"]
    summary = sink.sent[3]
    assert (summary["title"], summary["total"], len(summary["alarms"])) == ("[summary] 47 alarms", 47, 30)
    assert "and 17 more" in summary["text"]

    for number in range(50, 60):
        await see(db, VANISHED, f"remote service {number}")
    await see(db, SILENT, "workers")
    await deliver(db, sealer, by="one")
    assert [message["alarm"]["subject"] for message in sink.sent[4:]] == ["workers"], "the grave one is not kept back"
    await pass_time(db, 61)
    await deliver(db, sealer, by="one")
    told = {message["alarm"]["subject"] for message in sink.sent[5:] if "alarm" in message}
    assert len(told) == 3
    assert sink.sent[-1]["about"] == "summary"


async def test_a_channel_that_fails_is_left_alone_ever_longer_and_says_why(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    channel = await webhook(db, sealer, url)
    await webhook(db, sealer, url.replace("/alarms", "/nowhere"), "Wrong")
    await see(db, DOWN)
    sink.status = 503
    waits = []
    for number in range(1, 10):
        await deliver(db, sealer, by="one")
        await deliver(db, sealer, by="one")
        assert sink.asked == number, "left alone until its time is over"
        [row] = await rows(
            db,
            "SELECT extract(epoch FROM not_before - clock_timestamp())::float AS wait FROM alarm_channels"
            " WHERE id = %s",
            channel.id,
        )
        waits.append(round(row["wait"] / 30))
        await pass_time(db, row["wait"] / 60)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    asked = sink.asked
    async with db.pool.connection() as conn:
        failing = await get_channel(conn, channel.id)
    assert (failing.failures, failing.last_error) == (9, "HTTP 503")
    sink.status = 200
    await deliver(db, sealer, by="one")
    assert (sink.asked, len(sink.sent)) == (asked + 1, 1)
    async with db.pool.connection() as conn:
        working = await get_channel(conn, channel.id)
    assert (working.failures, working.last_error, working.not_before) == (0, None, None)
    [other] = await rows(db, "SELECT last_error FROM alarm_channels WHERE name = 'Wrong'")
    assert other["last_error"] == "HTTP 404", "one channel's trouble is not another's"


async def test_a_channel_that_hangs_keeps_no_other_waiting(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    stuck = WebhookSink(hold=asyncio.Event())
    async with serving(stuck.app()) as base:
        await webhook(db, sealer, f"{base}/alarms", "Stuck")
        await webhook(db, sealer, url)
        await see(db, DOWN)
        running = asyncio.create_task(deliver(db, sealer, by="one"))
        async with asyncio.timeout(15):
            while not sink.sent:  # noqa: ASYNC110  what is waited for happens behind a socket
                await asyncio.sleep(0.01)
        assert not running.done()
        assert stuck.hold is not None
        stuck.hold.set()
        assert await running == 2


async def test_secrets_that_no_key_opens_are_the_channels_trouble(db: Database, sealer: Sealer, url: str) -> None:
    channel = await webhook(db, sealer, url)
    await see(db, DOWN)
    other = Sealer(["another key that opens none of what was sealed"])
    assert await deliver(db, other, by="one") == 0
    async with db.pool.connection() as conn:
        failing = await get_channel(conn, channel.id)
    assert (failing.failures, failing.last_error) == (1, "no SECRET_KEY opens the channel's secrets; enter them again")


async def test_a_test_message_passes_every_filter_and_is_written_down(
    db: Database, sealer: Sealer, sink: WebhookSink, url: str
) -> None:
    channel = await webhook(db, sealer, url, severity=Severity.CRITICAL, per_hour=1)
    sink.status = 403
    assert await send_test(db, sealer, channel.id) == "HTTP 403"
    sink.status = 200
    assert await send_test(db, sealer, channel.id) == ""
    assert [message["about"] for message in sink.sent] == ["test"]
    [kept] = await rows(db, "SELECT about, title FROM alarm_messages")
    assert kept == {"about": "test", "title": "[test] The alarm channel Ops works"}


async def test_what_was_told_long_ago_is_forgotten(db: Database, sealer: Sealer, sink: WebhookSink, url: str) -> None:
    await webhook(db, sealer, url)
    await see(db, DOWN)
    await see(db, VANISHED)
    await deliver(db, sealer, by="one")
    await end(db, DOWN)
    await deliver(db, sealer, by="one")
    async with db.transaction() as conn:
        await conn.execute("UPDATE alarms SET closed_at = closed_at - interval '91 days' WHERE closed_at IS NOT NULL")
        await conn.execute("UPDATE alarm_messages SET at = at - interval '91 days'")
        assert await forget_messages(conn) == 3
    assert [row["state"] for row in await rows(db, "SELECT state FROM alarm_notices")] == ["told"]
    await pass_time(db, 1)
    assert await deliver(db, sealer, by="one") == 0, "what was told is not told anew"
    assert len(sink.sent) == 3
