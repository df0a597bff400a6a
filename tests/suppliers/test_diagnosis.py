"""A test of a supplier account says what is wrong, against real sockets and suppliers that really answer."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from app.connectors import registry
from app.connectors.base import Connector
from app.connectors.http import SupplierHttp
from app.suppliers import reaching
from app.suppliers.diagnosis import Diagnosis, Finding, diagnose
from tests.connectors.test_http import _self_signed
from tests.fakes.dhru import FakeDhru, Fault, serving_fake
from tests.fakes.dhru_dialects import FakeGsmFusion
from tests.fakes.sockets import free_port, full_backlog, http_reply, listening, read_request
from tests.serving import serving

Handler = Callable[[Request], Response]


def dhru(base_url: str, **config: object) -> Connector[Any]:
    return registry.build(
        "dhru", {"base_url": base_url, "username": "u", "api_key": "kept to ourselves", "read_seconds": 1, **config}
    )


async def diagnosed(connector: Connector[Any]) -> Diagnosis:
    try:
        found = await diagnose(connector)
    finally:
        await connector.http.aclose()
    assert found.ok is (found.code is Finding.WORKS)
    assert found.ok or (found.diagnosis and found.hint)
    assert "kept to ourselves" not in f"{found}"
    return found


@contextlib.asynccontextmanager
async def site(**answers: Response | Handler) -> AsyncIterator[str]:
    """A site that answers some paths, of which dots and slashes are underscores; every other is a 404 page."""

    async def answer(request: Request) -> Response:
        name = request.url.path.strip("/").replace("/", "_").replace(".", "_") or "root"
        found = answers.get(name) or answers.get("everything") or HTMLResponse("<html>Not Found</html>", 404)
        return found if isinstance(found, Response) else found(request)

    async with serving(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])) as url:
        yield url


def error(text: str, **more: object) -> Response:
    return JSONResponse({"ERROR": [{"MESSAGE": text}], "apiversion": "6.1", **more})


ACCOUNT = {"message": "Your Accout Info", "AccoutInfo": {"credit": "61.20", "mail": "a@b.c", "currency": "USD"}}


def works(request: Request) -> Response:
    del request
    return JSONResponse({"SUCCESS": [{**ACCOUNT, "LIST": []}], "apiversion": "6.1"})


async def test_it_works() -> None:
    fake = FakeDhru()
    async with serving_fake(fake) as url:
        connector = registry.build("dhru", fake.config(url))
        found = await diagnosed(connector)
    assert found.code is Finding.WORKS
    assert found.diagnosis.startswith("Works: balance ")
    assert found.balance is not None
    assert found.services
    assert fake.state()["accepted"] == 0


async def test_a_host_that_nobody_knows() -> None:
    found = await diagnosed(dhru("http://no-such-host.invalid"))
    assert found.code is Finding.UNRESOLVABLE
    assert "no-such-host.invalid" in found.diagnosis


async def test_a_port_on_which_nobody_listens() -> None:
    assert (await diagnosed(dhru(f"http://127.0.0.1:{free_port()}"))).code is Finding.CONNECTION_REFUSED


async def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    async def never(reader: Any, writer: Any) -> None:
        await read_request(reader)

    async with listening(never, tls=_self_signed(tmp_path)) as listener:
        found = await diagnosed(dhru(f"https://127.0.0.1:{listener.port}"))
    assert found.code is Finding.TLS
    assert "self-signed" in found.diagnosis


async def test_a_port_that_speaks_no_tls() -> None:
    async def plain(reader: Any, writer: Any) -> None:
        writer.write(http_reply(b"<html>400 The plain HTTP request"))
        await writer.drain()

    async with listening(plain) as listener:
        assert (await diagnosed(dhru(f"https://127.0.0.1:{listener.port}"))).code is Finding.TLS


async def test_a_host_that_drops_our_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "STEP_SECONDS", 0.3)
    with full_backlog() as port:
        built = dhru(f"http://127.0.0.1:{port}")
        await built.http.aclose()
        connector = type(built)(built.config, SupplierHttp(connect_seconds=0.3))
        assert (await diagnosed(connector)).code is Finding.UNREACHABLE


async def test_a_server_that_says_nothing_and_one_that_is_broken() -> None:
    fake = FakeDhru()
    async with serving_fake(fake) as url:
        for fault, code in (
            ("hang", Finding.NO_ANSWER),
            ("reset", Finding.NO_ANSWER),
            ("status", Finding.SERVER_ERROR),
        ):
            fake.faults.clear()
            fake.script(Fault(fault, times=-1))
            assert (await diagnosed(dhru(url))).code is code, fault


@pytest.mark.parametrize("given", ["", "/panel", "/api/v2", "/api/index.php/api/index.php"])
async def test_a_wrong_path_names_the_one_that_answers(given: str) -> None:
    async with site(public_api_php=works) as url:
        found = await diagnosed(dhru(url + given))
    assert found.code is Finding.WRONG_PATH
    assert f"{url}/public/api.php" in found.hint


async def test_a_right_path_with_a_wrong_key_is_found_behind_a_wrong_one() -> None:
    async with site(api_index_php=error("Authentication Failed")) as url:
        found = await diagnosed(dhru(f"{url}/shop/api.php"))
        assert found.code is Finding.WRONG_PATH
        assert found.hint.endswith(url)
        assert (await diagnosed(dhru(url))).code is Finding.BAD_CREDENTIALS


async def test_a_redirect_says_where_to() -> None:
    async with site(api_index_php=RedirectResponse("https://www.example.com/api/index.php", 301)) as url:
        found = await diagnosed(dhru(url))
    assert found.code is Finding.WRONG_PATH
    assert "https://www.example.com/api/index.php" in found.diagnosis


@pytest.mark.parametrize("kind", ["dhru", "isave", "dhru_pro"])
async def test_a_site_where_nothing_speaks_any_protocol(kind: str) -> None:
    secrets = dict.fromkeys(registry.secret_names(kind), "kept to ourselves")
    async with site(everything=HTMLResponse("<html>Hello</html>")) as url:
        config = {"base_url": url, **secrets, **({"username": "u"} if kind == "dhru" else {})}
        found = await diagnosed(registry.build(kind, config))
    assert found.code is Finding.UNREADABLE


@pytest.mark.parametrize(
    ("reply", "address"),
    [
        (error("Invalid IP request![203.0.113.7]"), "203.0.113.7"),
        (error("Your Server IP is not allowed to use this API"), "127.0.0.1"),
        (PlainTextResponse("IP 203.0.113.9 is not allowed", 403), "203.0.113.9"),
    ],
)
async def test_an_address_that_is_not_allowed_is_told(reply: Response, address: str) -> None:
    async with site(everything=reply) as url:
        found = await diagnosed(dhru(url))
    assert found.code is Finding.ADDRESS_NOT_ALLOWED
    assert address in found.hint


@pytest.mark.parametrize(
    "reply",
    [
        HTMLResponse("<html><title>Just a moment...</title>Cloudflare</html>", 403),
        HTMLResponse("<html>Checking your browser: captcha</html>"),
        JSONResponse({"message": "Access denied by Imunify360 bot-protection. IPs: whitelist"}),
        HTMLResponse("<html>Forbidden</html>", 403),
    ],
)
async def test_a_firewall_is_told_from_the_supplier(reply: Response) -> None:
    async with site(everything=reply) as url:
        found = await diagnosed(dhru(url))
    assert found.code is Finding.FIREWALL
    assert "127.0.0.1" in found.hint


async def test_throttling_and_other_words() -> None:
    async with site(everything=error("You are calling this API too frequently!")) as url:
        assert (await diagnosed(dhru(url))).code is Finding.THROTTLED
    async with site(everything=error("Ask the admin")) as url:
        found = await diagnosed(dhru(url))
    assert found.code is Finding.REFUSED
    assert "Ask the admin" in found.diagnosis


def pro(request: Request) -> Response:
    del request
    return JSONResponse({"status": "error", "message": "Unauthenticated.", "code": 401, "data": None}, 401)


async def test_the_new_protocol_answers_where_the_classic_was_set() -> None:
    async with site(api_reseller_v1_account=pro) as url:
        found = await diagnosed(dhru(url))
    assert found.code is Finding.OTHER_DIALECT
    assert "DHRU Fusion Pro" in found.diagnosis


@pytest.mark.parametrize(
    ("path", "reply", "title"),
    [
        ("api_index_php", error("Authentication Failed"), "DHRU Fusion"),
        ("api_index_php", error("Authentication Failed", apiversion="2023.21"), "GSM Theme"),
        ("api_index_php", error("Authentication Failed", apiversion="1.0"), "GSM EYE"),
        ("public_api_php", error("Authentication Failed", gsmhubsite=1), "GSMHub"),
    ],
)
async def test_a_member_of_the_family_answers_where_the_new_protocol_was_set(
    path: str, reply: Response, title: str
) -> None:
    async with site(**{path: reply}) as url:
        found = await diagnosed(registry.build("dhru_pro", {"base_url": url, "token": "kept to ourselves"}))
    assert found.code is Finding.OTHER_DIALECT
    assert found.hint.startswith(f"Set the supplier up as {title} (kind dhru, dialect ")


async def test_a_dialect_that_is_set_wrongly_is_told() -> None:
    fake = FakeGsmFusion()
    async with serving_fake(fake) as url:
        found = await diagnosed(registry.build("dhru", {**fake.config(url), "dialect": "classic"}))
        assert found.code is Finding.OTHER_DIALECT
        assert "dialect gsmfusion" in found.hint
        auto = await diagnosed(registry.build("dhru", {**fake.config(url), "dialect": "auto"}))
        assert (auto.code, auto.hint) == (Finding.WRONG_PATH, f"Set the base URL to {url}/gsmfusion_api/index.php")
        assert (await diagnosed(registry.build("dhru", fake.config(url)))).code is Finding.WORKS


async def test_what_is_asked_without_need_carries_no_credentials() -> None:
    seen: list[str] = []

    async def answer(request: Request) -> Response:
        seen.append((await request.body()).decode() + str(request.headers))
        return HTMLResponse("<html>Hello</html>")

    async with serving(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])) as url:
        await diagnosed(registry.build("dhru_pro", {"base_url": url, "token": "kept to ourselves"}))
    knocks = [request for request in seen if "accountinfo" in request]
    assert knocks
    assert not any("kept" in request for request in knocks)
