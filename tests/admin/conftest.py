"""The staff API in an app of its own, and clients that hold tokens for it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app.admin import AdminDeps, admin_router, install_error_handlers
from app.db import Database
from app.sealing import Sealer
from app.simulator import build_simulator
from app.staff.service import create_staff, create_token
from tests.serving import serving

BASE = "http://staff.test/api/admin/"
SUPPLIER_USER, SUPPLIER_KEY = "us", "their-secret-key"


@pytest.fixture
def app(db: Database, sealer: Sealer) -> FastAPI:
    """The staff API alone."""
    app = FastAPI(redirect_slashes=False)
    app.include_router(admin_router(AdminDeps(db=db, sealer=sealer, currency="USD")))
    install_error_handlers(app)
    return app


async def token_for(db: Database, sealer: Sealer, role: str) -> str:
    """Return a token of a staff member in this role."""
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email=f"{role}@example.com", name=role, role=role, if_missing=True)
        return (await create_token(conn, sealer, staff_id)).token


@asynccontextmanager
async def client_of(app: FastAPI, token: str | None) -> AsyncIterator[httpx2.AsyncClient]:
    """Lend a client that calls ``app`` with a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # An error that no handler took becomes the reply that a server would send.
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
        yield client


@pytest.fixture
async def owner(app: FastAPI, db: Database, sealer: Sealer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that may do everything."""
    async with client_of(app, await token_for(db, sealer, "owner")) as client:
        yield client


@pytest.fixture
async def as_role(
    app: FastAPI, db: Database, sealer: Sealer
) -> AsyncIterator[Callable[[str], Awaitable[httpx2.AsyncClient]]]:
    """Makes clients of other roles."""
    opened: list[httpx2.AsyncClient] = []

    async def make(role: str) -> httpx2.AsyncClient:
        token = await token_for(db, sealer, role)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url=BASE, headers={"Authorization": f"Bearer {token}"})
        opened.append(client)
        return client

    yield make
    for client in opened:
        await client.aclose()


@pytest.fixture
async def supplier_url(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a supplier that really answers."""
    simulator = build_simulator(
        tmp_path / "simulator.sqlite", username=SUPPLIER_USER, api_key=SUPPLIER_KEY, work_seconds=0
    )
    async with serving(simulator) as url:
        yield url
