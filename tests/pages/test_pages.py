"""The pages on the ground floor: staff, alarms, start, errors; each role sees what it may."""

import html
import re

from app.admin.pages import NOUNS
from app.alarms.kinds import AlarmKind
from app.alarms.service import raise_alarm
from app.db import Database
from tests.pages.conftest import SurferOf
from tests.pages.test_door import pages


async def test_the_menu_shows_what_the_role_may(surfer: SurferOf) -> None:
    for role, sees in (("owner", True), ("operator", False), ("finance", False), ("read_only", False)):
        one = await surfer(role)
        start = (await one.get("/admin/")).text
        assert ('href="/admin/staff"' in start) is sees, role
        assert (await one.get("/admin/staff")).status_code == (200 if sees else 403), role
        for link in set(re.findall(r'href="(/admin[^"#]*)"', start)):
            assert (await one.get(link)).status_code in {200, 304}, (role, link)


async def test_every_link_of_every_page_leads_somewhere(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    links: dict[str, str] = {}
    for path in pages("GET"):
        page = await owner.get(path)
        links |= dict.fromkeys(re.findall(r'(?:href|src)="(/[^"#]*)"', page.text), path)
    assert len(links) > 50
    for link, path in links.items():
        assert (await owner.get(html.unescape(link))).status_code in {200, 303}, (path, link)


async def test_a_number_that_no_row_can_have_is_an_address_that_does_not_exist(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    for digits in (18, 19, 30, 5000):
        for path in ("/admin/customers/", "/portal/orders/", "/api/webhooks/", "/files/"):
            number = f"{path}{'9' * digits}" + ("/x/y" if path == "/files/" else "")
            asked = owner.http.post(number) if path == "/api/webhooks/" else owner.get(number)
            assert (await asked).status_code in ({404} if path != "/portal/orders/" else {303, 404}), (path, digits)


async def test_somebody_new_is_added_invited_and_comes_in(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    taken = await owner.send("/admin/staff/new", name="Bob", email="owner@example.com", role="operator")
    assert taken.status_code == 409
    assert 'value="Bob"' in taken.text
    added = await owner.send("/admin/staff/new", name="<b>Bob", email="bob@example.com", role="operator")
    link = re.search(r"/admin/welcome#(iv_\w{43})<", added.text)
    assert link
    bob = await surfer(None)
    words = "words that bob likes"
    short = await bob.send("/admin/welcome", code=link[1], password="short", again="short")
    assert short.status_code == 422  # and the invitation still works
    entered = await bob.send("/admin/welcome", code=link[1], password=words, again=words)
    assert entered.status_code == 303
    start = (await bob.get("/admin/")).text
    assert "&lt;b&gt;Bob" in start
    assert "<b>Bob" not in start
    again = await bob.send("/admin/welcome", code=link[1], password=words, again=words)
    assert again.status_code == 422


async def test_a_suspended_member_is_out_at_once_and_the_last_owner_stays(surfer: SurferOf, db: Database) -> None:
    owner, operator = await surfer("owner"), await surfer("operator")
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT role, id FROM staff")).fetchall()
    ids = {row["role"]: row["id"] for row in rows}
    assert (await owner.send("/admin/staff", f"/admin/staff/{ids['operator']}/suspend")).status_code == 303
    assert (await operator.get("/admin/")).status_code == 303
    assert "is suspended" in (await owner.get("/admin/staff")).text
    assert (await owner.send("/admin/staff", f"/admin/staff/{ids['operator']}/resume")).status_code == 303
    kept = await owner.send("/admin/staff", f"/admin/staff/{ids['owner']}/suspend")
    assert kept.status_code == 409
    assert "last owner" in kept.text
    assert (await owner.send(f"/admin/staff/{ids['owner']}", role="read_only")).status_code == 409
    assert (await owner.send(f"/admin/staff/{ids['operator']}", role="finance")).status_code == 303


async def test_alarms_are_listed_in_pages_acknowledged_and_closed(surfer: SurferOf, db: Database) -> None:
    async with db.transaction() as conn:
        for number in range(60):
            await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, f"supplier {number}", f"<i>gone {number}")
    operator, reader = await surfer("operator"), await surfer("read_only")
    first = await operator.get("/admin/alarms")
    assert first.text.count("&lt;i&gt;gone") == 50
    more = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert more
    rest = await operator.get(html.unescape(more[1]))
    assert rest.text.count("&lt;i&gt;gone") == 10
    assert 'rel="next"' not in rest.text
    part = await operator.http.get("/admin/alarms", headers={"HX-Request": "true", "X-Background": "1"})
    assert part.text.lstrip().startswith('<div id="alarms"')
    assert "I am at it" not in (await reader.get("/admin/alarms")).text
    denied = await reader.send("/admin/account", "/admin/alarms/1/close")
    assert denied.status_code == 403
    assert (await operator.send("/admin/alarms", "/admin/alarms/1/acknowledge")).status_code == 303
    assert (await operator.get("/admin/alarms?state=acknowledged")).text.count("&lt;i&gt;gone") == 1
    await operator.send("/admin/alarms", "/admin/alarms/1/close")
    assert (await operator.get("/admin/alarms?state=closed")).text.count("&lt;i&gt;gone") == 1
    assert (await operator.send("/admin/alarms", "/admin/alarms/999999999999999999999/close")).status_code == 404


async def test_htmx_without_a_session_is_led_to_the_door(surfer: SurferOf) -> None:
    nobody = await surfer(None)
    response = await nobody.http.get("/admin/alarms", headers={"HX-Request": "true"})
    assert response.headers["hx-redirect"] == "/admin/sign-in?next=%2Fadmin%2Falarms"


async def test_what_is_not_there_is_a_page(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    for path in ("/admin/nothing", "/admin/staff/999", "/admin/staff/99999999999999999999999"):
        response = await owner.get(path)
        assert response.status_code == 404, path
        assert "Not found" in response.text
        assert "Sign out" in response.text


async def test_a_number_that_no_row_can_have_is_not_found(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    paths = {route.path for noun in NOUNS for route in noun.pages.routes if ":int}" in route.path}
    assert len(paths) > 50
    found = re.search(r'name="csrf" value="([^"]+)"', (await owner.get("/admin/account")).text)
    assert found
    for path in sorted(paths):
        for number in ("9" * 19, "9" * 5000):  # beyond bigint, and beyond what Python reads
            address = "/admin" + re.sub(r"{[^}]+}", number, path)
            for response in (await owner.get(address), await owner.http.post(address, data={"csrf": found[1]})):
                assert response.status_code == 404, (path, len(number), response.status_code)


async def test_the_start_says_what_comes_next(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    start = (await owner.get("/admin/")).text
    assert re.search(r'aria-current="step">\s*<strong>Add a supplier', start)


async def test_a_page_that_fails_is_a_page_and_says_nothing_of_why(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    async with db.pool.connection() as conn:
        await conn.execute("ALTER TABLE alarms RENAME TO elsewhere")
    response = await owner.get("/admin/alarms")
    assert response.status_code == 500
    assert "it was logged" in response.text
    assert "elsewhere" not in response.text


async def test_a_form_with_files_needs_the_token_too_and_has_its_bounds(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    found = re.search(r'name="csrf" value="([^"]+)"', (await owner.get("/admin/staff/new")).text)
    assert found
    new = {"name": "Bob", "email": "bob@example.com", "role": "operator"}
    files = {"prices": ("prices.csv", b"a;b", "text/csv")}
    assert (await owner.http.post("/admin/staff/new", data=new, files=files)).status_code == 403
    taken = await owner.http.post("/admin/staff/new", data={**new, "csrf": found[1]}, files=files)
    assert "bob@example.com" in taken.text
    assert taken.status_code == 200
    large = {"prices": ("prices.csv", bytes(9 * 1024 * 1024), "text/csv")}
    assert (await owner.http.post("/admin/staff/new", data=new, files=large)).status_code == 413
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await owner.http.post("/admin/staff/new", content=b"--y", headers=broken)).status_code in {400, 403}
