"""The door as an HTTP server: paths, methods, bodies of any kind and size."""

import asyncio
from urllib.parse import urlencode

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.api.dhru import dhru_routes
from app.api.dhru.door import Door
from app.money import MICRO
from tests.dhru.conftest import MAX_BODY_BYTES, Panel, read, xml
from tests.dhru.wire import exchange
from tests.factories import IMEIS
from tests.serving import serving

PATHS = (
    "/api/index.php", "/api/index.php/", "//api/index.php", "//api//index.php//", "/api/index.php/api/index.php",
    "/api/index.php/whatever/else.html", "/api/", "/api", "/api//", "/index.php", "/api.php", "/public/api.php",
    "/api/dhru", "/api/dhru/", "/api/dhru/index.php", "/dhru/api/index.php", "/dhru_api.php", "/dhru-api.php",
    "/api/dhru_bridge", "/supplier_api.php", "/api/api/index.php", "/api.php/api/index.php", "/API/INDEX.PHP",
)  # fmt: skip


async def post(panel: Panel, path: str, body: bytes, *headers: str, method: str = "POST") -> tuple[int, bytes]:
    """Send raw bytes and return status and body."""
    head = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}", *headers]
    status, _, reply = await exchange(str(panel.http.base_url), "\r\n".join(head).encode() + b"\r\n\r\n" + body)
    return status, reply


async def test_every_path_answers_directly(panel: Panel) -> None:
    form = urlencode({"apiaccesskey": panel.shop.key, "action": "accountinfo"}).encode()
    for path in PATHS:
        for prefix, dialect in (("", "6.1"), ("/8.2", "8.2")):
            status, body = await post(panel, prefix + path, form)
            assert status == 200, path
            reply = orjson.loads(body)
            assert reply["SUCCESS"][0]["AccoutInfo"]["credit"] == "1000.00", path
            assert reply["apiversion"] == dialect, path


async def test_the_keys_dialect_counts_where_the_path_says_nothing(panel: Panel) -> None:
    async with panel.door.db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET dialect = '8.2'")
    assert (await panel.call("accountinfo"))["apiversion"] == "8.2"
    reply = await panel.place(panel.shop.imei_service, IMEIS[0])
    assert reply["SUCCESS"][0]["REFERENCEID"] == "1"
    assert (await panel.call("nonsense"))["apiversion"] == "8.2"


async def test_other_paths_are_left_to_others(door: Door) -> None:
    async def other(_: Request) -> PlainTextResponse:
        return PlainTextResponse("other")

    app = Starlette(routes=[*dhru_routes(door), Route("/{path:path}", other)])
    async with serving(app) as url:
        for path in (
            "/",
            "/docs",
            "/healthz",
            "/api/admin",
            "/api/admin/orders",
            "/api/v1/orders",
            "/portal",
            "/public",
            "/8.2",
        ):
            request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            assert (await exchange(url, request))[2] == b"other", path


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_do_nothing(panel: Panel, method: str) -> None:
    query = urlencode(
        {
            "apiaccesskey": panel.shop.key,
            "action": "placeimeiorder",
            "service": panel.shop.imei_service,
            "imei": IMEIS[0],
        }
    )
    status, body = await post(panel, f"/api/index.php?{query}", b"", method=method)
    assert status == 200
    assert method == "HEAD" or b"Only GET and POST" in body
    assert await panel.orders() == []


async def test_the_query_fills_what_the_body_lacks(panel: Panel) -> None:
    query = urlencode({"username": panel.shop.username, "apiaccesskey": panel.shop.key, "action": "nonsense"})
    status, body = await post(panel, f"/api/index.php?{query}", b"action=accountinfo")
    assert (status, "SUCCESS" in orjson.loads(body)) == (200, True)


TYPES = (
    "",
    "text/plain",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/xml",
    ";;=",
)


async def test_the_content_type_may_be_wrong_or_missing(panel: Panel) -> None:
    values = {"apiaccesskey": panel.shop.key, "action": "accountinfo"}
    parts = "".join(f'--xx\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in values.items())
    bodies = (
        urlencode(values).encode(),
        orjson.dumps(values),
        b"\xef\xbb\xbf" + orjson.dumps(values),
        f"{parts}--xx--\r\n".encode(),
        f"<r><key>{panel.shop.key}</key><action>accountinfo</action></r>".encode(),
    )
    for body in bodies:
        for content_type in TYPES:
            headers = [f"Content-Type: {content_type}"] if content_type else []
            status, reply = await post(panel, "/api/index.php", body, *headers)
            assert status == 200
            assert b"AccoutInfo" in reply, (body, content_type)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_ten_megabytes_gets_a_clear_error(panel: Panel, chunked: bool) -> None:
    body = urlencode(
        {"apiaccesskey": panel.shop.key, "action": "placeimeiorder", "service": 1, "imei": IMEIS[0]}
    ).encode()
    body += b"&x=" + b"y" * 10_000_000

    async def pieces() -> object:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    response = await panel.http.post(panel.path, content=pieces() if chunked else body)  # type: ignore[arg-type]  # an async iterator
    [error] = read(response)["ERROR"]
    assert error == {"MESSAGE": "Request too large", "FULL_DESCRIPTION": f"A request may have {MAX_BODY_BYTES} bytes."}
    assert await panel.orders() == []


async def test_a_large_body_within_the_limit_is_read(panel: Panel) -> None:
    values = {"ID": str(panel.shop.imei_service), "IMEI": IMEIS[0], "NOTE": "y" * (MAX_BODY_BYTES - 2_000)}
    assert "SUCCESS" in await panel.call("placeimeiorder", parameters=xml(values))


async def test_the_rest_goes_on_while_a_large_body_is_parsed(panel: Panel) -> None:
    large = "&".join(f"x{number}=%41%42%43" for number in range(4_000)) + "&z=" + "%41" * 290_000
    slow = asyncio.create_task(panel.http.post(panel.path, content=large))
    await asyncio.gather(*(panel.call("accountinfo") for _ in range(5)))
    assert "ERROR" in read(await slow)


BROKEN_MULTIPART = (
    b"",
    b"--xx",
    b"--xx--",
    b"--xx\r\n",
    b"--yy\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\nplaceimeiorder\r\n--yy--\r\n",
    b"--xx\r\n\r\nno headers\r\n--xx--\r\n",
    b"--xx\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--xx--\r\n",
    b"--xx\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nempty name\r\n--xx--\r\n",
    b"--xx\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\nbreaks off",
    b"--xx\nContent-Disposition: form-data; name=\"action\"\n\nbare line feeds\n--xx--\n",
    b"--xx\r\n: nothing\r\n\r\nx\r\n--xx--\r\n",
    b"--xx\r\nContent-Disposition: form-data; name=\"a\xff\"\r\n\r\nx\r\n--xx--\r\n",
    b"--xx\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\n\xff\r\n--xx--\r\n",
)  # fmt: skip


async def test_broken_multipart_gets_an_error(panel: Panel) -> None:
    for body in BROKEN_MULTIPART:
        for boundary in ("xx", '"', ""):
            status, reply = await post(panel, "/api", body, f"Content-Type: multipart/form-data; boundary={boundary}")
            assert status == 200
            assert "ERROR" in orjson.loads(reply), body


async def test_a_file_part_counts_as_its_text(panel: Panel) -> None:
    file = {"apiaccesskey": ("key.txt", panel.shop.key.encode(), "text/plain")}
    assert "SUCCESS" in read(await panel.http.post(panel.path, data={"action": "accountinfo"}, files=file))


async def test_a_client_that_hangs_up_costs_nothing(panel: Panel) -> None:
    reader, writer = await asyncio.open_connection(panel.http.base_url.host, panel.http.base_url.port)
    writer.write(b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\naction=placeimeiorder")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    assert (await panel.call("accountinfo"))["SUCCESS"]
    assert await panel.balance() == 1000 * MICRO
