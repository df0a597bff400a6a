"""The pages of suppliers: added by a form of their kind, tested, read, paused; no secret ever comes back."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.admin.pages import supplier_contact
from app.db import Database
from app.sealing import Sealer
from app.simulator import DEFAULT_API_KEY, build_simulator
from app.suppliers import contact
from app.suppliers.diagnosis import Finding
from app.suppliers.diagnosis_steps import ENDS_AT, Verdict, steps_of
from tests.factories import make_remote_service, make_route, make_service, make_supplier
from tests.fakes.sockets import listening, read_request
from tests.pages.conftest import Surfer, SurferOf
from tests.serving import serving

KEY = "the-key-nobody-may-see"
NEW = "/admin/suppliers/new/dhru"


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a supplier that really answers."""
    simulator = build_simulator(tmp_path / "simulator.sqlite", username="us", api_key=KEY, work_seconds=0)
    async with serving(simulator) as address:
        yield address


async def added(surfer: Surfer, url: str, **changes: str) -> str:
    """Add a supplier by the form and return the path of its page."""
    given = {
        "name": "Upstream", "currency": "USD", "config.base_url": url, "config.username": "us", "config.api_key": KEY,
        "config.read_seconds": "5", "config.dialect": "auto", "config.bulk": "yes", "config.body": "form",
        "config.parameters": "xml", **changes,
    }  # fmt: skip
    response = await surfer.send(NEW, **given)
    assert response.status_code == 303, response.text
    return response.headers["location"]


async def sealed(db: Database, sealer: Sealer) -> dict[str, Any]:
    """The secrets of the one supplier."""
    async with db.pool.connection() as conn:
        (row,) = await (await conn.execute("SELECT sealed FROM suppliers")).fetchall()
    found: dict[str, Any] = orjson.loads(sealer.open(row["sealed"]))
    return found


async def column(db: Database, name: str) -> Any:
    """A column of the one supplier."""
    async with db.pool.connection() as conn:
        (row,) = await (await conn.execute(f"SELECT {name} FROM suppliers")).fetchall()
    return row[name]


async def test_added_tested_read_and_looked_through(surfer: SurferOf, upstream: str, db: Database) -> None:
    owner = await surfer("owner")
    empty = (await owner.get("/admin/suppliers")).text
    assert "No supplier yet" in empty
    assert "/admin/suppliers/new" in empty
    page = await added(owner, upstream)
    assert "Test it next" in (await owner.get(page)).text

    tested = (await owner.send(page, f"{page}/test")).text
    assert "Works: balance 10000000.00 USD, 14 services." in tested
    assert tested.count(">passed<") == 7
    assert tested.count(">not needed<") == 1, "nothing is encrypted on loopback"
    synced = (await owner.send(page, f"{page}/sync")).text
    assert "The list was read: 14 services." in synced

    listed = (await owner.get("/admin/suppliers")).text
    assert "works" in listed
    assert "10000000.00 USD" in listed
    services = (await owner.get(f"{page}/services?search=unlock&mapped=no&state=listed")).text
    assert "AT&amp;T USA iPhone Unlock" in services
    assert "GSX Full Report" not in services
    calls = (await owner.get(f"{page}/calls?call=test")).text
    one = re.search(rf'href="({page}/calls/\d+)"', calls)
    assert one
    said = (await owner.get(one[1])).text
    assert "servicelist" in said
    assert "GROUPNAME" in said
    for text in (empty, tested, synced, listed, services, calls, said, (await owner.get(f"{page}/account")).text):
        assert KEY not in text


@pytest.mark.parametrize(
    ("answer", "says", "passed"),
    [
        ({"ERROR": [{"MESSAGE": "Authentication Failed"}]}, "does not accept these credentials", 5),
        ({"ERROR": [{"MESSAGE": "Invalid IP Request"}]}, "blocks us", 3),
        ("<html>Hello</html>", "not this protocol", 4),
        ({"ERROR": [{"MESSAGE": f"bad key {KEY} <script>alert(1)</script>"}]}, "", 0),
    ],
)
async def test_a_supplier_that_says_no_is_explained_step_by_step(
    surfer: SurferOf, answer: Any, says: str, passed: int
) -> None:
    async def reply(_: Request) -> Response:
        return Response(answer, media_type="text/html") if isinstance(answer, str) else JSONResponse(answer)

    operator = await surfer("operator")
    async with serving(Starlette(routes=[Route("/{path:path}", reply, methods=["POST", "GET"])])) as address:
        page = await added(operator, address)
        tested = await operator.send(page, f"{page}/test")
        synced = await operator.send(page, f"{page}/sync")
    assert tested.status_code == synced.status_code == 200
    text = html.unescape(tested.text)
    assert says in text
    if passed:
        assert text.count(">passed<") == passed
    assert text.count(">failed<") == 1
    assert "What we know of it stays as it was" in synced.text
    for shown in (tested.text, synced.text, (await operator.get(f"{page}/calls")).text):
        assert KEY not in shown
        assert "<script>alert" not in shown


async def test_a_supplier_that_never_answers_keeps_nobody_and_no_transaction(
    surfer: SurferOf, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (contact, supplier_contact):
        monkeypatch.setattr(module, "WAITING_SECONDS", 1.5)  # in which the request has arrived
    operator = await surfer("operator")
    open_meanwhile: list[int] = []

    async def never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        async with db.pool.connection() as conn:
            for _ in range(20):  # the server's watch has one open for a moment, ours would stay
                cursor = await conn.execute(
                    "SELECT FROM pg_stat_activity"
                    " WHERE datname = current_database() AND state LIKE 'idle in transaction%%'"
                )
                if cursor.rowcount == 0:
                    break
                await asyncio.sleep(0.02)
        open_meanwhile.append(cursor.rowcount)
        await asyncio.Event().wait()

    async with listening(never) as listener:
        page = await added(operator, listener.url)
        tested = html.unescape((await operator.send(page, f"{page}/test")).text)
        synced = html.unescape((await operator.send(page, f"{page}/sync")).text)
    assert "the test was ended after 1.5 seconds" in tested
    assert tested.count(">failed<") == 1
    assert "it took more than 1.5 seconds" in synced
    assert open_meanwhile == [0, 0]
    assert "broken off" in (await operator.get(f"{page}/calls?call=sync")).text


async def test_a_supplier_that_is_not_there_is_explained(surfer: SurferOf) -> None:
    operator = await surfer("operator")
    page = await added(operator, "http://127.0.0.1:9")
    tested = html.unescape((await operator.send(page, f"{page}/test")).text)
    assert "the connection is refused" in tested
    assert tested.count(">passed<") == 1
    assert tested.count(">not reached<") == 5
    calls = (await operator.get(f"{page}/calls?failed=yes")).text
    assert "no answer" in calls


def test_every_finding_ends_at_a_step() -> None:
    assert set(ENDS_AT) == set(Finding)
    for finding in Finding:
        verdicts = [step.verdict for step in steps_of(finding, "https://a.example")]
        assert verdicts.count(Verdict.FAILED) == (finding is not Finding.WORKS)
    assert steps_of(Finding.WORKS, "") == []
    tls = [step.verdict for step in steps_of(Finding.WORKS, "http://a.example")]
    assert tls.count(Verdict.NOT_NEEDED) == 1


async def test_a_list_that_shrank_is_held_and_believed_once(surfer: SurferOf, upstream: str, db: Database) -> None:
    operator = await surfer("operator")
    page = await added(operator, upstream)
    async with db.transaction() as conn:
        for number in range(60):
            await make_remote_service(conn, 1, remote_id=f"old-{number}")
    held = (await operator.send(page, f"{page}/sync")).text
    assert "60 services are kept although the list lacks them" in held
    believed = (await operator.send(page, f"{page}/sync", believe="yes")).text
    assert "60 services are kept" not in believed
    assert (await operator.get(f"{page}/services?state=removed")).text.count(">gone<") == 60


async def test_paused_with_a_reason_and_resumed(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    page = await added(operator, "http://127.0.0.1:9")
    nameless = await operator.send(f"{page}/pause", because=" ")
    assert 'id="wrong-because"' in nameless.text
    assert (await operator.send(f"{page}/pause", because="they <b>cheat")).status_code == 303
    assert await column(db, "state") == "paused"
    shown = (await operator.get(page)).text
    assert "Paused by staff: they &lt;b&gt;cheat" in shown
    assert "paused by staff" in (await operator.get("/admin/suppliers")).text
    for _ in range(2):
        assert (await operator.send(page, f"{page}/resume")).status_code == 303
    assert (await column(db, "state"), await column(db, "paused_because")) == ("active", "")


async def test_circuits_are_shown_and_tried_again(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    page = await added(operator, "http://127.0.0.1:9")
    async with db.transaction() as conn:
        remote_id = await make_remote_service(conn, 1)
        for table in ("suppliers", "remote_services"):
            await conn.execute(
                f"UPDATE {table} SET paused_until = now() + interval '1 hour', pause_reason = 'no funds: ' || %s",
                (KEY,),
            )
    shown = (await operator.get(page)).text
    assert "no funds: ***" in shown
    assert "left alone for now" in shown
    assert KEY not in shown + (await operator.get(f"{page}/services?state=paused")).text
    one = f"{page}/services/{remote_id}/try-again"
    assert (await operator.send(page, one)).status_code == 303
    assert "Services that are left alone" not in (await operator.get(page)).text
    assert (await operator.send(page, f"{page}/services/999/try-again")).status_code == 404
    assert await column(db, "paused_until") is not None
    assert (await operator.send(page, f"{page}/try-again")).status_code == 303
    assert await column(db, "paused_until") is None
    assert await column(db, "state") == "active"


async def test_who_may_what(surfer: SurferOf, db: Database) -> None:
    owner = await surfer("owner")
    page = await added(owner, "http://127.0.0.1:9")
    acts = [f"{page}/{act}" for act in ("test", "sync", "resume", "try-again", "words/forget")]
    forms = [NEW, *(f"{page}/{form}" for form in ("account", "pause", "limits"))]
    looks = ["/admin/suppliers", page, *(f"{page}/{one}" for one in ("services", "calls", "words", "performance"))]
    for role in ("finance", "read_only"):
        one = await surfer(role)
        for path in looks:
            shown = await one.get(path)
            assert shown.status_code == 200, (role, path)
            assert not re.search(r"<form method=\"post\" action=\"/admin/suppliers", shown.text), (role, path)
            assert "/limits" not in shown.text
        for path in forms:
            assert (await one.get(path)).status_code == 403, (role, path)
        for path in [*acts, *forms, f"{page}/words", "/admin/suppliers/simulator"]:
            assert (await one.send("/admin/account", path)).status_code == 403, (role, path)
    assert await column(db, "state") == "active"
    for path in (*looks[1:], f"{page}/calls/1"):
        assert (await owner.get(path.replace(page, "/admin/suppliers/99999999999999999999"))).status_code == 404, path
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
    for path in (NEW, f"{page}/account"):
        for response in (await owner.get(path), await owner.send("/admin/suppliers/new", path, name="x")):
            assert response.headers["location"].startswith("/admin/prove?next="), path


async def test_remote_services_come_in_pages_and_say_what_is_mapped(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    async with db.transaction() as conn:
        supplier_id = await make_supplier(conn, sealer)
        ids = [await make_remote_service(conn, supplier_id, remote_id=f"r{number}") for number in range(130)]
        await make_route(conn, await make_service(conn), ids[3])
        await conn.execute("UPDATE remote_services SET name = %s WHERE id = %s", ("100%_<i>sure", ids[7]))
    reader = await surfer("read_only")
    path = f"/admin/suppliers/{supplier_id}/services"
    first = await reader.get(path)
    assert first.text.count("<tr>") == 101
    more = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert more
    rest = (await reader.get(html.unescape(more[1]))).text
    assert rest.count("<tr>") == 31
    assert 'rel="next"' not in rest
    assert (await reader.get(f"{path}?mapped=yes")).text.count("1 route<") == 1
    for search, rows in (("100%_", 1), ("%", 1), ("r12", 11), ("Remote R128", 1), ("nothing", 0), ("\x00", 100)):
        shown = (await reader.http.get(path, params={"search": search})).text
        assert max(0, shown.count("<tr>") - 1) == rows, search
    assert "<i>sure" not in (await reader.get(f"{path}?search=100")).text


@pytest.mark.parametrize("changes", [{"simulator_url": "http://127.0.0.1:9100"}])
async def test_newcomers_are_offered_the_simulator_that_runs(
    surfer: SurferOf, db: Database, sealer: Sealer, changes: dict[str, object]
) -> None:
    owner = await surfer("owner")
    assert "Try it with the built-in simulator" in (await owner.get("/admin/suppliers")).text
    answers = [await owner.send("/admin/suppliers/new", "/admin/suppliers/simulator") for _ in range(2)]
    assert [answer.headers["location"] for answer in answers] == ["/admin/suppliers/1"] * 2
    assert (await column(db, "config"))["base_url"] == changes["simulator_url"]
    assert await sealed(db, sealer) == {"api_key": DEFAULT_API_KEY}


async def test_without_a_simulator_none_is_offered(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    assert "simulator" not in (await owner.get("/admin/suppliers")).text.lower()
    assert (await owner.send("/admin/suppliers/new", "/admin/suppliers/simulator")).status_code == 404
