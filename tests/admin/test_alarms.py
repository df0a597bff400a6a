"""Alarms as staff see them: listed, taken over, closed."""

import httpx2

from app.alarms.service import AlarmKind, raise_alarm
from app.db import Database
from tests.admin.conftest import ok, refused


async def test_alarms_are_listed_acknowledged_and_closed(owner: httpx2.AsyncClient, db: Database) -> None:
    async with db.transaction() as conn:
        for number in range(3):
            await raise_alarm(conn, AlarmKind.UNKNOWN_STATUS, f"supplier {number}", "unknown status 'Hold'")
    page = await ok(owner.get("alarms", params={"limit": 2}))
    [first, second] = page["items"]
    assert (first["kind"], first["subject"], first["count"], first["state"]) == (
        "unknown_status",
        "supplier 0",
        1,
        "open",
    )
    [third] = (await ok(owner.get("alarms", params={"cursor": page["next_cursor"]})))["items"]
    assert third["subject"] == "supplier 2"

    taken = await ok(owner.post(f"alarms/{first['id']}/acknowledge"))
    assert (taken["state"], taken["acknowledged_by"]) == ("acknowledged", 1)
    closed = await ok(owner.post(f"alarms/{second['id']}/close"))
    assert (closed["state"], closed["closed_at"] is not None) == ("closed", True)
    assert (await ok(owner.post(f"alarms/{second['id']}/acknowledge")))["state"] == "closed"

    async def shown(**query: str) -> list[int]:
        return [alarm["id"] for alarm in (await ok(owner.get("alarms", params=query)))["items"]]

    assert await shown() == [first["id"], third["id"]]
    assert await shown(state="open") == [third["id"]]
    assert await shown(state="acknowledged") == [first["id"]]
    assert await shown(state="closed") == [second["id"]]
    await refused(owner.get("alarms", params={"state": "gone"}), 422, "invalid", "state")
    for call in ("acknowledge", "close"):
        await refused(owner.post(f"alarms/999/{call}"), 404, "not_found")
