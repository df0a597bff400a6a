"""A real Postgres for every test: one template database migrated once, one clone per test, real commits.

``TEST_DATABASE_URL`` names a server to use (its user may create databases); unset, an embedded one is started in a
temporary folder, one for each test process. The folder lies in memory where the machine has room for it: a clone is
nine hundred small files, and writing them to a disk takes twenty times as long as the median test.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy.engine import make_url

from app import embedded
from app.clock import now
from app.db import Database
from app.migrate import migrate
from app.sealing import Sealer

MEMORY = Path("/dev/shm")  # a folder of our own is made in it
MEMORY_NEEDED = 6 << 30  # two test processes, each with its write-ahead log
HOUR_LEFT = 60  # seconds; longer than any test that asks for it takes

# How long an example takes says how busy the machine is, and nothing about what is tested.
# What decides about a change (.ci/run sets CI) draws the same examples each time; everybody else draws new ones.
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("tests")

# Each HTTP client reads the authorities it trusts, which takes longer than most tests; on loopback it needs none.
os.environ.setdefault("SSL_CERT_DIR", str(Path(__file__).parent))


def _where() -> Path | None:
    """Return where to put a database server's files, None for the usual place."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED
    return MEMORY if roomy else None


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a database on the server under test, from which others can be created."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql").render_as_string(hide_password=False)
        return
    folder = Path(tempfile.mkdtemp(prefix="trunkline-test-", dir=_where()))
    folder.chmod(0o755)  # started as root, the server runs as another user, who has to get in
    try:
        # Crashes of the machine are not what these tests are about, so their disk need not keep up.
        with embedded.start(folder / "postgres", fsync=False) as postgres:
            yield postgres.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(server: str, statement: str, name: str, *more: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(sql.SQL(statement).format(*(sql.Identifier(word) for word in (name, *more))))


def _url(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """The name of a migrated database that nobody is connected to."""
    name = f"trunkline_template_{secrets.token_hex(4)}"
    _run(server, "CREATE DATABASE {}", name)
    migrate(_url(server, name))
    yield name
    _run(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def conninfo(server: str, template: str) -> Iterator[str]:
    """The URL of this test's own migrated database."""
    name = f"trunkline_test_{secrets.token_hex(6)}"
    _run(server, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
    yield _url(server, name)
    _run(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
async def db(conninfo: str) -> AsyncIterator[Database]:
    """This test's own database, opened."""
    database = Database(conninfo, pool_size=10)
    database.pool.timeout = 120  # a test has hundreds wait for ten connections, on a machine that is busy besides
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def within_an_hour() -> None:
    """Let a test that counts by days or hours begin and end in the same one: near an hour's end it waits for the next.

    What it counts is stamped by the database's own clock, which no test can hold.
    """
    left = 3600 - now().timestamp() % 3600
    if left < HOUR_LEFT:
        await asyncio.sleep(left + 0.1)


@pytest.fixture
def sealer() -> Sealer:
    """Seals and hashes with a key of this test run."""
    return Sealer(["a test key that protects nothing but tests"])
