"""The staff API in an app of its own, and clients that hold tokens for it."""

import functools
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import structlog
from fastapi import FastAPI

from app import logs
from app.admin import AdminDeps, install_staff_api
from app.db import Database
from app.sealing import Sealer
from app.simulator import build_simulator
from app.staff.service import create_staff, create_token
from tests.serving import serving

BASE = "http://staff.test/api/admin/"
SUPPLIER_USER, SUPPLIER_KEY = "us", "their-secret-key"

ClientOf = Callable[[str | None], Awaitable[httpx2.AsyncClient]]


async def ok(call: Awaitable[httpx2.Response], status: int = 200) -> dict[str, Any]:
    """Return the body of a call that must end with ``status``."""
    response = await call
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


async def refused(call: Awaitable[httpx2.Response], status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Return the problem of a call that must be refused with ``status``, ``code`` and ``field``."""
    response = await call
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body.get("field")) == (status, code, field), body
    assert body["title"]
    assert body["detail"]
    return body


def config(url: str, **changes: object) -> Mapping[str, object]:
    """The settings of an account at the simulator."""
    return {"base_url": url, "username": SUPPLIER_USER, "api_key": SUPPLIER_KEY, **changes}


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Log as the server does, and give the test process its own logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", as_json=True)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def app(db: Database, sealer: Sealer) -> FastAPI:
    """The staff API alone."""
    app = FastAPI(redirect_slashes=False)
    install_staff_api(app, AdminDeps(db=db, sealer=sealer, currency="USD"))
    return app


async def token_for(db: Database, sealer: Sealer, role: str) -> str:
    """Return a token of a staff member in this role."""
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email=f"{role}@example.com", name=role, role=role, if_missing=True)
        return (await create_token(conn, sealer, staff_id)).token


@functools.cache
def documents() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """The replies of every call by the pattern of its path; made once, as it takes seconds."""
    app = FastAPI()
    install_staff_api(app, cast("AdminDeps", None))
    return [
        (
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path)),
            {method.upper(): call["responses"] for method, call in item.items()},
        )
        for path, item in app.openapi()["paths"].items()
    ]


def described() -> Callable[[httpx2.Response], Awaitable[None]]:
    """Return a hook that fails the test when a reply is not among those that the API's description names."""
    patterns = documents()

    async def check(response: httpx2.Response) -> None:
        request = response.request
        for pattern, methods in patterns:
            if pattern.fullmatch(request.url.path) and request.method in methods:
                named = methods[request.method]
                assert str(response.status_code) in named, (request.method, request.url.path, response.status_code)

    return check


@pytest.fixture
async def client_of(app: FastAPI) -> AsyncIterator[ClientOf]:
    """Makes clients that call the app with a token, or with none."""
    opened: list[httpx2.AsyncClient] = []

    async def make(token: str | None) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(
            # An error that no handler took becomes the reply that a server would send.
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False),
            base_url=BASE,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            event_hooks={"response": [described()]},
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        await client.aclose()


@pytest.fixture
async def owner(client_of: ClientOf, db: Database, sealer: Sealer) -> httpx2.AsyncClient:
    """A client that may do everything."""
    return await client_of(await token_for(db, sealer, "owner"))


@pytest.fixture
async def supplier_url(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a supplier that really answers."""
    simulator = build_simulator(
        tmp_path / "simulator.sqlite", username=SUPPLIER_USER, api_key=SUPPLIER_KEY, work_seconds=0
    )
    async with serving(simulator) as url:
        yield url
