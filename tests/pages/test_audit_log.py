"""The audit log in a browser and over the staff API and the command line: what each door writes, and who sees it."""

import html
import re

from app.access.guesses import ACCOUNT_TRIES
from app.acts.service import Shown, list_acts
from app.db import Database
from app.sealing import Sealer
from app.staff.service import create_token
from tests.factories import make_service
from tests.pages.conftest import SurferOf, member


async def test_what_is_done_in_a_browser_is_there_with_the_address(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    await owner.send("/admin/staff/new", name="<b>Bob", email="bob@example.com", role="operator")
    page = (await owner.get("/admin/audit-log")).text
    assert "staff member added" in page
    assert "bob@example.com" in page
    assert "&lt;b&gt;Bob" in page
    assert "<b>Bob" not in page
    assert "in a browser, from 127.0.0.1" in page
    assert "signed in" in page


async def test_the_staff_api_is_a_door_too(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    owner = await surfer("owner")
    async with db.transaction() as conn:
        service = await make_service(conn)
        token = (await create_token(conn, sealer, 1)).token
    changed = await owner.http.patch(
        f"/api/admin/services/{service}", json={"price": "7.25"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert changed.status_code == 200, changed.text
    page = (await owner.get(f"/admin/audit-log?kind=service&id={service}")).text
    assert "service changed" in page
    assert "by the staff API, from 127.0.0.1" in page
    assert re.search(r"<del>2.00</del>\s*<ins>7.25</ins>", page)


async def test_wrong_tries_that_lock_out_are_an_act_without_what_was_typed(surfer: SurferOf, db: Database) -> None:
    await member(db)
    nobody = await surfer(None)
    for email in ("owner@example.com", "typed-in-the-wrong-field"):
        for _ in range(ACCOUNT_TRIES + 1):
            await nobody.sign_in(email, "typed-too")
    async with db.pool.connection() as conn:
        found = [act for act in await list_acts(conn, Shown(), limit=50) if act.act.startswith("locked out")]
        everything = str(await list_acts(conn, Shown(), limit=50))
    assert [act.subject_id for act in found] == [None, 1]
    assert found[0].address == "127.0.0.1"
    assert "typed" not in everything


async def test_signing_in_and_out_and_ending_sessions_are_acts(surfer: SurferOf, db: Database) -> None:
    owner, again = await surfer("owner"), await surfer(None)
    await again.sign_in("owner@example.com")
    await owner.send("/admin/account", "/admin/account/sessions/end-others")
    await owner.send("/admin/account", "/admin/sign-out")
    async with db.pool.connection() as conn:
        found = [act for act in await list_acts(conn, Shown(), limit=50) if act.staff_id == 1]
    assert [act.act for act in found] == ["signed out", "other sessions ended", "signed in", "signed in"]


async def test_others_sign_ins_are_for_owners(surfer: SurferOf) -> None:
    await surfer("owner")
    for role in ("operator", "finance", "read_only"):
        one = await surfer(role)
        page = (await one.get("/admin/audit-log")).text
        assert re.findall(r"staff (\d+)", page), role
        assert "owner@example.com" not in page, role
        assert (await one.get("/admin/audit-log?staff=1")).text.count("The owner") == 1, role  # in the filter alone


async def test_pages_follow_each_other_and_odd_filters_are_no_error(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    async with db.pool.connection() as conn:
        await conn.execute(
            "SELECT record_act(NULL, 'act ' || n, 'order', n, '', NULL, NULL) FROM generate_series(1, 120) n"
        )
    seen: list[str] = []
    path: str | None = "/admin/audit-log?kind=order"
    while path:
        page = (await owner.get(path)).text
        seen += re.findall(r"<strong>act (\d+)</strong>", page)
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = html.unescape(found[1]) if found else None
    assert seen == [str(number) for number in range(120, 0, -1)]
    for query in (
        "staff=x&id=-1&from=yesterday&to=9999-12-31&before=abc",
        f"id={'9' * 40}",
        "kind=%00&from=0001-01-01",
    ):
        assert (await owner.get(f"/admin/audit-log?{query}")).status_code == 200, query
    assert "Nothing here" in (await owner.get("/admin/audit-log?kind=order&to=2001-01-01")).text
