"""Alarm channels as staff see them: set up by owners, tried out, with what they told and why they fail."""

from typing import Any

import httpx2
import pytest

from app.alarms.channels import list_channels, opened, reseal_channels
from app.alarms.delivery import deliver
from app.alarms.service import AlarmKind, raise_alarm
from app.db import Database
from app.errors import Conflict
from app.sealing import Sealer
from tests.admin.conftest import ClientOf, ok, refused, token_for
from tests.fakes.alarm_sinks import BOT_TOKEN, WEBHOOK_SECRET, TelegramFake, WebhookSink
from tests.fakes.smtp import mail_server
from tests.serving import serving

WEBHOOK: dict[str, Any] = {
    "name": "Ops",
    "kind": "webhook",
    "config": {"url": "https://ops.example/a", "secret": WEBHOOK_SECRET},
}
MAIL: dict[str, Any] = {
    "name": "Mail",
    "kind": "email",
    "config": {
        "host": "mail.example",
        "sender": "us@shop.example",
        "recipients": ["ann@shop.example"],
        "username": "us",
        "password": "a-mail-password",
    },
}
TELEGRAM: dict[str, Any] = {
    "name": "Chat",
    "kind": "telegram",
    "config": {"chat_id": "-100200300", "bot_token": BOT_TOKEN},
}


async def test_secrets_go_in_and_never_come_out(owner: httpx2.AsyncClient, db: Database) -> None:
    for body, secret in ((WEBHOOK, WEBHOOK_SECRET), (MAIL, "a-mail-password"), (TELEGRAM, BOT_TOKEN)):
        added = await owner.post("alarm-channels", json=body)
        assert added.status_code == 201, added.text
        changed = await owner.patch(f"alarm-channels/{added.json()['id']}", json={"per_hour": 5})
        listed = await owner.get("alarm-channels")
        for response in (added, changed, listed):
            assert secret not in response.text
        async with db.pool.connection() as conn:
            rows = await (await conn.execute("SELECT c::text AS row FROM alarm_channels c")).fetchall()
        assert not any(secret in row["row"] for row in rows)
    assert [channel["config"].keys() for channel in (await ok(owner.get("alarm-channels")))["items"]] == [
        {"url"},
        {"host", "port", "security", "sender", "recipients", "username"},
        {"chat_id", "api_url"},
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"kind": "fax"}, "kind"),
        ({"config": {"url": "https://ops.example"}}, "config.secret"),
        ({"config": {"url": "https://ops.example", "secret": "short"}}, "config.secret"),
        ({"config": {"url": "file:///etc/passwd", "secret": WEBHOOK_SECRET}}, "config.url"),
        ({"config": {"url": "https://user:pass@ops.example", "secret": WEBHOOK_SECRET}}, "config.url"),
        ({"config": {**WEBHOOK["config"], "more": 1}}, "config.more"),
        ({"kinds": ["nonsense"]}, "kinds.0"),
        ({"severity": "loud"}, "severity"),
        ({"per_hour": 0}, "per_hour"),
        ({"kind": "email", "config": {**MAIL["config"], "recipients": ["a@b\r\nBcc: c@d"]}}, "config.recipients.0"),
        ({"kind": "email", "config": {**MAIL["config"], "security": "none"}}, "config"),
        ({"kind": "telegram", "config": {"chat_id": "1", "bot_token": "1:../../x?y"}}, "config.bot_token"),
    ],
)
async def test_what_cannot_work_is_turned_down(owner: httpx2.AsyncClient, change: dict[str, Any], field: str) -> None:
    problem = await refused(owner.post("alarm-channels", json={**WEBHOOK, **change}), 422, "invalid", field)
    assert WEBHOOK_SECRET not in str(problem)


async def test_a_channel_is_changed_and_removed(owner: httpx2.AsyncClient) -> None:
    first = await ok(owner.post("alarm-channels", json=MAIL), 201)
    await ok(owner.post("alarm-channels", json=WEBHOOK), 201)
    path = f"alarm-channels/{first['id']}"
    await refused(owner.post("alarm-channels", json=MAIL), 409, "conflict", "name")
    await refused(owner.patch(path, json={"name": "Ops"}), 409, "conflict", "name")
    changed = await ok(
        owner.patch(
            path,
            json={
                "name": "Night",
                "config": {"recipients": ["bob@shop.example"], "port": None},
                "severity": "critical",
                "kinds": ["audit_break", "worker_silent"],
                "tell_end": False,
                "active": False,
            },
        )
    )
    assert (changed["name"], changed["severity"], changed["tell_end"], changed["active"], changed["per_hour"]) == (
        "Night",
        "critical",
        False,
        False,
        20,
    )
    assert (changed["config"]["recipients"], changed["config"]["port"]) == (["bob@shop.example"], 587)
    assert (await ok(owner.patch(path, json={"kinds": []})))["kinds"] == []
    assert (await ok(owner.get(path)))["name"] == "Night"
    await refused(owner.patch(path, json={"config": {"host": "evil.example"}}), 422, "invalid", "config.password")
    await ok(owner.patch(path, json={"config": {"host": "other.example", "password": "another"}}))
    await ok(owner.delete(path))
    for method, below in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/messages")):
        body: dict[str, Any] | None = {} if method == "PATCH" else None
        await refused(owner.request(method, f"{path}{below}", json=body), 404, "not_found")


async def test_channels_are_sealed_anew_with_a_new_key(owner: httpx2.AsyncClient, db: Database, sealer: Sealer) -> None:
    await ok(owner.post("alarm-channels", json=WEBHOOK), 201)
    newest = "a new key that takes over from the old one"
    async with db.transaction() as conn:
        assert await reseal_channels(conn, Sealer([newest, "a test key that protects nothing but tests"])) == 1
        [channel] = await list_channels(conn)
        assert opened(channel, Sealer([newest])).model_dump()["secret"].get_secret_value() == WEBHOOK_SECRET
        with pytest.raises(Conflict, match="alarm channel Ops"):
            await reseal_channels(conn, Sealer(["a third key that never sealed anything at all"]))


async def test_a_test_message_says_how_it_went(owner: httpx2.AsyncClient) -> None:
    sink, telegram = WebhookSink(status=403), TelegramFake()
    async with serving(sink.app()) as url, serving(telegram.app()) as api, mail_server() as server:
        config = {"url": f"{url}/alarms", "secret": WEBHOOK_SECRET}
        webhook = await ok(owner.post("alarm-channels", json={**WEBHOOK, "config": config}), 201)
        path = f"alarm-channels/{webhook['id']}/test"
        assert await ok(owner.post(path)) == {"ok": False, "error": "HTTP 403"}
        sink.status = 200
        assert await ok(owner.post(path)) == {"ok": True, "error": ""}

        chat = {**TELEGRAM, "config": {"chat_id": "-100200300", "bot_token": BOT_TOKEN, "api_url": api}}
        bot = await ok(owner.post("alarm-channels", json=chat), 201)
        assert await ok(owner.post(f"alarm-channels/{bot['id']}/test")) == {"ok": True, "error": ""}

        mailing = {
            "host": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "sender": "us@shop.example",
            "recipients": ["ann@shop.example"],
        }
        mail = await ok(owner.post("alarm-channels", json={**MAIL, "config": mailing}), 201)
        assert await ok(owner.post(f"alarm-channels/{mail['id']}/test")) == {"ok": True, "error": ""}
    assert [message["about"] for message in sink.sent] == ["test"]
    assert telegram.sent[0]["text"].startswith("[test] The alarm channel Chat works")
    assert server.mails[0]["Subject"] == "Trunkline [test] The alarm channel Mail works"


async def test_staff_see_what_was_told_and_what_fails(
    owner: httpx2.AsyncClient, client_of: ClientOf, db: Database, sealer: Sealer
) -> None:
    reader = await client_of(await token_for(db, sealer, "read_only"))
    sink = WebhookSink()
    async with serving(sink.app()) as url:
        config = {"url": f"{url}/alarms", "secret": WEBHOOK_SECRET}
        channel = await ok(owner.post("alarm-channels", json={**WEBHOOK, "config": config}), 201)
        path = f"alarm-channels/{channel['id']}"
        async with db.transaction() as conn:
            for number in range(3):
                await raise_alarm(conn, AlarmKind.SERVICE_VANISHED, f"remote service {number}", "gone")
        await deliver(db, sealer)
        page = await ok(reader.get(f"{path}/messages", params={"limit": 2}))
        rest = await ok(reader.get(f"{path}/messages", params={"limit": 2, "cursor": page["next_cursor"]}))
        told = page["items"] + rest["items"]
        assert [message["alarm_id"] for message in told] == [3, 2, 1]
        assert {message["about"] for message in told} == {"opened"}
        assert rest["next_cursor"] is None

        sink.status = 500
        async with db.transaction() as conn:
            await raise_alarm(conn, AlarmKind.LOW_BALANCE, "supplier 1", "used up")
        await deliver(db, sealer)
    shown = await ok(reader.get(path))
    assert (shown["failures"], shown["last_error"]) == (1, "HTTP 500")
    assert shown["not_before"] > shown["failed_at"]
    changed = await ok(owner.patch(path, json={"active": True}))
    assert (changed["failures"], changed["not_before"], changed["last_error"]) == (0, None, "HTTP 500")
