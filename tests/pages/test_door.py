"""The door: who gets in, what is refused, and what travels in cookies and headers."""

import re

import httpx2
import pyotp
import pytest

from app.access.guesses import ACCOUNT_TRIES
from app.admin.pages import NOUNS
from app.clock import now
from app.db import Database
from app.main import build_app
from app.pages.forms import safe_next
from tests.pages.conftest import PASSWORD, SurferOf, member, settings_for
from tests.serving import serving


def pages(method: str) -> list[str]:
    """Every path of the admin that answers ``method``, with 1 for every id."""
    return [
        "/admin" + re.sub(r"\{\w+:int\}", "1", route.path)
        for noun in NOUNS
        for route in noun.pages.routes
        if method in (route.methods or ())
    ]


OPEN = {"/admin/sign-in", "/admin/sign-in/code", "/admin/sign-in/back", "/admin/welcome"}


async def test_without_a_session_every_page_leads_to_the_door(surfer: SurferOf) -> None:
    nobody = await surfer(None)
    assert len(pages("GET")) > 8
    for path in set(pages("GET")) - OPEN:
        response = await nobody.get(path)
        assert response.status_code == 303, path
        assert response.headers["location"].startswith("/admin/sign-in"), path
    for path in set(pages("POST")) - OPEN:
        response = await nobody.http.post(path, data={})
        assert response.headers["location"].startswith("/admin/sign-in"), path


async def test_nothing_is_changed_without_the_token_of_the_session(surfer: SurferOf, db: Database) -> None:
    owner, other = await surfer("owner"), await surfer("operator")
    token = re.search(r'name="csrf" value="([^"]+)"', (await other.get("/admin/account")).text)
    assert token
    for path in pages("POST"):
        for fields, headers in (({}, {}), ({"csrf": token[1]}, {}), ({}, {"X-CSRF-Token": token[1]})):
            response = await owner.http.post(path, data=fields, headers=headers)
            assert response.status_code == 403, path
            assert "not of your session" in response.text, path
    assert (await owner.get("/admin/")).status_code == 200


async def test_the_cookie_is_new_at_sign_in_and_out_of_reach(surfer: SurferOf, db: Database) -> None:
    await member(db)
    nobody = await surfer(None)
    first = await nobody.get("/admin/sign-in")
    assert "trunkline-door=" in first.headers["set-cookie"]
    entered = await nobody.sign_in("owner@example.com")
    session = next(one for one in entered.headers.get_list("set-cookie") if one.startswith("trunkline=ss_"))
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "Path=/" in session
    before = nobody.http.cookies["trunkline"]
    again = await nobody.send("/admin/account", "/admin/sign-in", email="owner@example.com", password=PASSWORD)
    assert again.status_code == 303
    assert nobody.http.cookies["trunkline"] != before
    nobody.http.cookies.clear()
    stale = await nobody.http.get("/admin/", headers={"Cookie": f"trunkline={before}"})
    assert stale.status_code == 303


async def test_behind_https_the_cookies_insist_on_it(conninfo: str, db: Database) -> None:
    settings = settings_for(conninfo, public_url="https://shop.example")
    async with (
        serving(build_app(settings), graceful=True) as url,
        httpx2.AsyncClient(base_url=url, timeout=30) as client,
    ):
        cookie = (await client.get("/admin/sign-in")).headers["set-cookie"]
    assert cookie.startswith("__Host-trunkline-door=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


async def test_every_page_says_what_browsers_may_do_with_it(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    for path in [*pages("GET"), "/admin/nothing-here", "/admin/staff/999"]:
        response = await owner.get(path)
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy, path
        assert "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert response.headers["x-content-type-options"] == "nosniff", path
        assert response.headers["referrer-policy"] == "no-referrer", path
        assert response.headers["cache-control"] == "no-store", path
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=|<style", response.text), path


async def test_a_lock_out_answers_the_same_for_strangers(surfer: SurferOf, db: Database) -> None:
    await member(db)
    texts = []
    # Last the one who is there: the lock-out that is looked at in the end lasts ten seconds.
    for email in ("nobody@example.com", "owner@example.com"):
        nobody = await surfer(None)
        answers = [await nobody.sign_in(email, "wrong") for _ in range(ACCOUNT_TRIES + 1)]
        assert [answer.status_code for answer in answers] == [422] * ACCOUNT_TRIES + [429]
        assert answers[-1].headers["retry-after"]
        texts.append(re.sub(r"\d+ seconds|value=\"[^\"]*\"", "", answers[0].text + answers[-1].text))
    assert texts[0] == texts[1]
    assert (await (await surfer(None)).sign_in("owner@example.com")).status_code == 429


async def test_with_a_second_factor_nothing_opens_before_it_is_shown(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    page = await owner.get("/admin/account/second-factor")
    found = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page.text)
    assert found
    assert "<svg" in page.text
    secret = found[1].replace(" ", "")
    refused = await owner.send("/admin/account/second-factor", code="12345")
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.text
    enrolled = await owner.send("/admin/account/second-factor", code=pyotp.TOTP(secret).at(now()))
    codes = re.findall(r"<li>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</li>", enrolled.text)
    assert len(codes) == 10

    again = await surfer(None)
    assert (await again.sign_in("owner@example.com")).status_code == 303
    for path in set(pages("GET")) - OPEN:
        assert (await again.get(path)).headers["location"].startswith("/admin/sign-in/code"), path
    assert "Staff" not in (await again.get("/admin/sign-in/code")).text
    entered = await again.send("/admin/sign-in/code", code=codes[0])
    assert entered.headers["location"] == "/admin/"
    assert (await again.get("/admin/")).status_code == 200


async def test_a_session_ended_elsewhere_is_over_here(surfer: SurferOf) -> None:
    here = await surfer("owner")
    there = await surfer(None)
    await there.sign_in("owner@example.com")
    assert (await here.get("/admin/")).status_code == 200
    ended = await there.send("/admin/account", "/admin/account/sessions/end-others")
    assert ended.status_code == 303
    assert "1 other session ended" in (await there.get("/admin/account")).text
    assert (await here.get("/admin/")).status_code == 303


async def test_a_changed_password_ends_every_other_session(surfer: SurferOf) -> None:
    here, there = await surfer("owner"), await surfer(None)
    await there.sign_in("owner@example.com")
    different = await here.send("/admin/account/password", password="other words are too", again="something else")
    assert different.status_code == 422
    assert "other words are too" not in different.text
    changed = await here.send("/admin/account/password", password="other words are too", again="other words are too")
    assert changed.status_code == 303
    assert "The password is changed" in (await here.get("/admin/account")).text
    assert (await there.get("/admin/")).status_code == 303
    assert (await (await surfer(None)).sign_in("owner@example.com")).status_code == 422


async def test_sensitive_acts_ask_again_after_ten_minutes(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    sensitive = [
        "/admin/account/password", "/admin/account/second-factor", "/admin/account/tokens/new", "/admin/staff/new",
    ]  # fmt: skip
    for path in sensitive:
        assert (await owner.get(path)).status_code == 200, path
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
    for path in sensitive:
        for response in (await owner.get(path), await owner.send("/admin/account", path, label="x")):
            assert response.headers["location"].startswith("/admin/prove?next="), path
    asked = f"/admin/prove?next={sensitive[2]}"
    wrong = await owner.send(asked, "/admin/prove", proof="wrong", next=sensitive[2])
    assert wrong.status_code == 422
    right = await owner.send(asked, "/admin/prove", proof=PASSWORD, next=sensitive[2])
    assert right.headers["location"] == sensitive[2]
    made = await owner.send(sensitive[2], label="a laptop", days="30")
    token = re.search(r'id="new-token">(ts_\w{43})<', made.text)
    assert token
    listed = await owner.http.get("/api/admin/alarms", headers={"Authorization": f"Bearer {token[1]}"})
    assert listed.status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "/admin/../../x", "/admin//evil.example",
        "/adminevil", "javascript:alert(1)", "/admin/\r\nSet-Cookie: a=b", "/admin/\\\\evil", "", "/api/admin/orders",
        "/admin/%2E./x",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere(address: str) -> None:
    assert safe_next(address, "/admin") == "/admin/"


@pytest.mark.parametrize("address", ["/admin/", "/admin/alarms?state=open&after=5", "/admin/account/tokens/new"])
def test_pages_of_ours_are_led_back_to(address: str) -> None:
    assert safe_next(address, "/admin") == address


async def test_signed_out_the_cookie_opens_nothing(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    cookie = owner.http.cookies["trunkline"]
    assert (await owner.send("/admin/account", "/admin/sign-out")).headers["location"] == "/admin/sign-in"
    assert (await owner.http.get("/admin/", headers={"Cookie": f"trunkline={cookie}"})).status_code == 303


@pytest.mark.parametrize("changes", [{"second_factor_roles": "owner"}])
async def test_a_role_that_needs_a_second_factor_enrols_first(surfer: SurferOf, changes: dict[str, object]) -> None:
    owner, operator = await surfer("owner"), await surfer("operator")
    assert (await owner.get("/admin/alarms")).headers["location"] == "/admin/account/second-factor"
    assert (await operator.get("/admin/alarms")).status_code == 200
    page = await owner.get("/admin/account/second-factor")
    assert "Your role needs" in page.text
    found = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page.text)
    assert found
    code = pyotp.TOTP(found[1].replace(" ", "")).at(now())
    assert (await owner.send("/admin/account/second-factor", code=code)).status_code == 200
    assert (await owner.get("/admin/alarms")).status_code == 200
    kept = await owner.send("/admin/account", "/admin/account/second-factor/remove")
    assert kept.status_code == 409


async def test_a_number_of_any_length_in_a_path_is_a_page_that_is_not_there(surfer: SurferOf) -> None:
    for root, one in (("/admin", await surfer("owner")), ("/portal", await surfer(None))):
        answer = await one.get(f"{root}/orders/{'9' * 5000}")
        assert answer.status_code == 404
        assert "There is no such page" in answer.text
        assert "default-src" in answer.headers["content-security-policy"]


async def test_what_is_not_a_form_is_refused(surfer: SurferOf) -> None:
    nobody = await surfer(None)
    assert (await nobody.http.post("/admin/sign-in", json={"a": 1})).status_code == 415
    assert (await nobody.http.post("/admin/sign-in", data={"a": "x" * 600_000})).status_code == 413
    assert (await nobody.http.put("/admin/sign-in")).status_code == 405
    assert (await nobody.get("/admin")).headers["location"] == "/admin/"
