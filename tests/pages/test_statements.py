"""Pages ask the database as often in a large house as in a small one: lists are read at once, not row by row."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import build_app
from app.sealing import Sealer
from bench.house import EMAIL, HOUSE, PASSWORD, furnish
from bench.pages import ids_of, paths
from tests.pages.conftest import Surfer, settings_for
from tests.serving import serving

SMALL = replace(HOUSE, customers=2, groups=1, services=4, transfers=20)
LARGE = replace(HOUSE, customers=60, groups=20, services=120, transfers=2_500)


@pytest.fixture
def other(server: str, template: str) -> Iterator[str]:
    """The URL of a second database."""
    name = f"{template}_other"
    with psycopg.connect(server, autocommit=True) as conn:
        clone = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        conn.execute(clone.format(sql.Identifier(name), sql.Identifier(template)))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class Counted:
    """A server that counts the statements of its requests, and not those of what runs beside them."""

    def __init__(self, app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app = app
        self.statements = 0
        self._in_request: ContextVar[bool] = ContextVar("in_request", default=False)
        execute = psycopg.AsyncCursor.execute

        async def counted(cursor: psycopg.AsyncCursor[Any], *words: Any, **more: Any) -> Any:
            self.statements += self._in_request.get()
            return await execute(cursor, *words, **more)

        monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_request.set(scope["type"] == "http")
        await self.app(scope, receive, send)


@asynccontextmanager
async def owner_of(app: ASGIApp) -> AsyncIterator[Surfer]:
    """Lend a browser of the owner, who signed in."""
    async with (
        serving(app, graceful=True) as url,
        httpx2.AsyncClient(base_url=url, timeout=60) as http,
    ):
        one = Surfer(http)
        assert (await one.sign_in(EMAIL, PASSWORD)).status_code == 303
        yield one


async def test_no_page_asks_once_for_each_row(
    conninfo: str, other: str, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[dict[str, int]] = []
    for url, scale in ((conninfo, SMALL), (other, LARGE)):
        await furnish(url, sealer, scale)
        counts = {}
        with monkeypatch.context() as patches:
            server = Counted(build_app(settings_for(url)), patches)
            async with owner_of(server) as owner:
                with psycopg.connect(url) as conn:  # a session that is seen anew each minute costs a statement then
                    conn.execute("UPDATE login_sessions SET seen_at = now() + interval '1 hour'")
                for pattern, path in paths(ids_of(url)):
                    await owner.get(path)  # the first may remember something for a while
                    before = server.statements
                    answer = await owner.get(path)
                    if answer.status_code == 200:
                        counts[pattern] = server.statements - before
        found.append(counts)
    small, large = found
    assert len(large) > 30
    assert min(large.values()) > 0
    more = {path: (small[path], count) for path, count in large.items() if path in small and count > small[path]}
    assert more == {}
    assert max(large.values()) < 25
