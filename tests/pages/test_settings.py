"""Settings, rates and alarm channels in a browser: they count at once, errors stand beside fields, nothing leaks."""

import pytest

from app.db import Database
from app.errors import Invalid
from app.house.service import CHANGEABLE, House, change, read
from app.sealing import Sealer
from tests.factories import make_customer
from tests.fakes.alarm_sinks import BOT_TOKEN, TelegramFake
from tests.pages.conftest import SECRET, SurferOf, settings_for
from tests.serving import serving


async def account_info(one: SurferOf, username: str, key: str) -> str:
    """Return what the DHRU door answers to a key."""
    nobody = await one(None)
    fields = {"username": username, "apiaccesskey": key, "action": "accountinfo", "requestformat": "JSON"}
    return (await nobody.http.post("/api/index.php", data=fields)).text


async def test_a_change_counts_at_once_and_is_taken_back(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        _, username, key, _ = await make_customer(conn, sealer)
    owner = await surfer("owner")
    page = (await owner.get("/admin/settings")).text
    assert "From the environment: 600." in page
    assert SECRET not in page
    assert "set, and never shown" in page
    saved = await owner.send("/admin/settings", brand="<b>House", dhru_requests_per_minute="1")
    assert saved.status_code == 303, saved.text
    page = (await owner.get("/admin/settings")).text
    assert "&lt;b&gt;House</title>" in page
    assert "<b>House" not in page
    first, second = [await account_info(surfer, username, key) for _ in range(2)]
    assert "SUCCESS" in first
    assert "SUCCESS" not in second
    await owner.send("/admin/settings", brand="", dhru_requests_per_minute="")
    assert "SUCCESS" in await account_info(surfer, username, key)
    assert "House</title>" not in (await owner.get("/admin/settings")).text
    log = (await owner.get("/admin/audit-log?kind=setting")).text
    assert log.count("setting added") == 2
    assert log.count("setting removed") == 2


async def test_what_cannot_be_is_refused_beside_its_field(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    for field, value in (
        ("session_hours", "0"), ("session_hours", "long"), ("four_eyes_above", "much"), ("brand", "x" * 61),
        ("duplicate_window_seconds", "-1"), ("dhru_requests_per_minute", "1" * 500),
    ):  # fmt: skip
        refused = await owner.send("/admin/settings", **{"brand": "Kept", field: value})
        assert refused.status_code == 422, field
        assert f'id="wrong-{field}"' in refused.text, field
    async with db.transaction() as conn:
        assert await read(conn) == {}
        with pytest.raises(Invalid):
            await change(conn, settings_for("postgresql://x/y"), {"secret_key": "mine now"})
    for role in ("operator", "finance", "read_only"):
        assert (await (await surfer(role)).get("/admin/settings")).status_code == 403, role


async def test_other_processes_follow(db: Database, conninfo: str) -> None:
    class Follower:
        brand = "Trunkline"

    environment = settings_for(conninfo)
    house, follower = House(db, environment), Follower()
    house.follow(follower, brand=lambda now: now.brand)
    async with db.transaction() as conn:
        await change(conn, environment, {"brand": "Elsewhere"})
    await house.refresh()
    assert (follower.brand, house.now.brand, house.environment.brand) == ("Elsewhere", "Elsewhere", "Trunkline")
    async with db.transaction() as conn:
        await change(conn, environment, {"brand": None})
    await house.refresh()
    assert follower.brand == "Trunkline"
    assert set(CHANGEABLE) <= set(type(environment).model_fields)


async def test_rates_are_entered_by_who_operates(surfer: SurferOf) -> None:
    operator, reader = await surfer("operator"), await surfer("read_only")
    wrong = [("IDR", "x"), ("IDR", "0"), ("IDR", "NaN"), ("Rupiah", "1"), ("USD", "1")]
    for fields in ({"currency": currency, "rate": rate} for currency, rate in wrong):
        assert (await operator.send("/admin/rates/new", **fields)).status_code == 422, fields
    assert (await operator.send("/admin/rates/new", currency="idr", rate="0.0000615")).status_code == 303
    page = (await reader.get("/admin/rates")).text
    assert "0.0000615" in page
    assert "Enter a rate" not in page
    assert (await reader.get("/admin/rates/new")).status_code == 403


async def test_a_channel_is_added_tried_changed_and_removed(surfer: SurferOf, db: Database) -> None:
    owner, operator = await surfer("owner"), await surfer("operator")
    telegram = TelegramFake()
    async with serving(telegram.app()) as api_url:
        fields = {"name": "Night", "config.chat_id": "-100200300", "config.bot_token": BOT_TOKEN,
                  "config.api_url": api_url, "severity": "warning", "per_hour": "20", "tell_end": "yes"}  # fmt: skip
        new = "/admin/alarm-channels/new/telegram"
        wrong = await owner.send(new, **{**fields, "config.chat_id": "not a chat"})
        assert wrong.status_code == 422
        assert 'id="wrong-config.chat_id"' in wrong.text
        assert BOT_TOKEN not in wrong.text
        added = await owner.send(new, **fields)
        assert added.status_code == 303, added.text
        here = added.headers["location"]
        assert BOT_TOKEN not in (await owner.get(here)).text
        await owner.send(here, f"{here}/test")
        assert len(telegram.sent) == 1
        assert "The test was taken" in (await owner.get(here)).text
        changed = {**fields, "name": "Day", "config.bot_token": "", "active": "yes"}
        assert (await owner.send(here, **changed)).status_code == 303
        await owner.send(here, f"{here}/test")
        assert len(telegram.sent) == 2  # the token stayed
    page = (await operator.get("/admin/alarm-channels")).text
    assert "Day" in page
    assert (await operator.get(here)).status_code == 403
    await owner.send(here, f"{here}/remove")
    assert "Nobody is told" in (await owner.get("/admin/alarm-channels")).text
    assert (await owner.get(here)).status_code == 404
    assert (await owner.get("/admin/alarm-channels/new/pigeon")).status_code == 404
