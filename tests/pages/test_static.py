"""The assets are there, compressed, kept for a year, and of the right kind."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from app.pages import static
from tests.serving import serving


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    app = Starlette(routes=[Mount("/static", static.static_files())])
    # Graceful: a file may still be open when all of it was sent.
    async with serving(app, graceful=True) as url, httpx2.AsyncClient(base_url=url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("htmx", "text/javascript"), ("tabler.css", "text/css"), ("tabler.js", "text/javascript"),
        ("icons.css", "text/css"), ("chart", "text/javascript"), ("pages.js", "text/javascript"),
        ("pages.css", "text/css"),
    ],
)  # fmt: skip
async def test_an_asset_is_kept_compressed_and_of_its_kind(client: httpx2.AsyncClient, name: str, kind: str) -> None:
    response = await client.get(static.asset(name), headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["x-content-type-options"] == "nosniff"
    if len(response.content) > 1024:
        assert response.headers["content-encoding"] == "gzip"


async def test_the_icons_find_their_font(client: httpx2.AsyncClient) -> None:
    sheet = static.asset("icons.css")
    found = re.search(r'url\("([^"]+)"\)', (await client.get(sheet)).text)
    assert found
    response = await client.get(f"{sheet.rsplit('/', 1)[0]}/{found[1]}")
    assert (response.status_code, response.headers["content-type"]) == (200, "font/woff2")


async def test_nothing_outside_the_folder_is_served(client: httpx2.AsyncClient) -> None:
    for path in ("../templates/base.html", "v-x/../../pages/static.py", "%2e%2e/problems.py", "vendor/", "v-x/"):
        assert (await client.get(f"/static/{path}")).status_code == 404, path


def test_nothing_shipped_is_there_twice_or_loads_from_elsewhere() -> None:
    files = [path for path in static.FOLDER.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".map"]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    for path in files:
        if path.suffix in {".css", ".js"}:
            assert not re.search(r"@import|url\([\"']?https?:|sourceMappingURL", path.read_text()), path
