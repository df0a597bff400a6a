"""Staff by the JSON API: added, invited, given another role, suspended; there is always an owner left."""

import httpx2

from tests.admin.conftest import ok, refused


async def test_a_member_is_added_invited_changed_and_suspended(owner: httpx2.AsyncClient) -> None:
    made = await ok(owner.post("staff", json={"email": "bob@example.com", "name": "Bob", "role": "operator"}), 201)
    bob = f"staff/{made['id']}"
    await refused(owner.post("staff", json={"email": "bob@example.com", "name": "B", "role": "owner"}), 409, "conflict",
                  "email")  # fmt: skip
    invited = await ok(owner.post(f"{bob}/invite"))
    assert invited["code"].startswith("iv_")
    assert (await ok(owner.put(f"{bob}/role", json={"role": "finance"})))["role"] == "finance"
    await refused(owner.put(f"{bob}/role", json={"role": "king"}), 422, "invalid", "role")
    assert (await ok(owner.post(f"{bob}/suspend")))["state"] == "suspended"
    await refused(owner.post(f"{bob}/invite"), 409, "conflict")
    assert (await ok(owner.post(f"{bob}/resume")))["state"] == "active"
    listed = await ok(owner.get("staff"))
    assert [one["email"] for one in listed["items"]] == ["owner@example.com", "bob@example.com"]


async def test_the_last_owner_stays(owner: httpx2.AsyncClient) -> None:
    (me,) = (await ok(owner.get("staff")))["items"]
    await refused(owner.post(f"staff/{me['id']}/suspend"), 409, "conflict")
    await refused(owner.put(f"staff/{me['id']}/role", json={"role": "read_only"}), 409, "conflict")
    await refused(owner.post("staff/999/suspend"), 404, "not_found")
