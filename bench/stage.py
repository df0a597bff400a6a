"""What runs while something is measured: a PostgreSQL of its own, the server under test, the floor beside it."""

import asyncio
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app import embedded
from app.db import Database
from app.migrate import migrate
from app.sealing import Sealer
from bench.children import serving
from bench.load import Generator
from bench.scale import Scale
from bench.shop import Buyer, Shop, complete_half, devices, fill, open_shop

POOL_SIZE = 10
"""Connections of the server under test and of the floor; the default of DATABASE_POOL_SIZE."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A PostgreSQL that keeps its promises (fsync on), in a folder that goes away with it."""

    scale: Scale
    folder: Path
    postgres: embedded.EmbeddedPostgres
    secret_key: str

    def database(self, name: str) -> str:
        """Make a migrated database and return its address."""
        with psycopg.connect(self.postgres.url, autocommit=True) as conn:
            conn.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        url = self.postgres.url_for(name)
        migrate(url)
        return url

    def sealer(self) -> Sealer:
        """Return what seals and hashes with the key of this run."""
        return Sealer([self.secret_key])

    def environment(self, database_url: str) -> dict[str, str]:
        """Return the environment of our processes: everything else at its default, as in production."""
        return {
            "DATABASE_URL": database_url,
            "DATABASE_POOL_SIZE": str(POOL_SIZE),
            "SECRET_KEY": self.secret_key,
            "VAR_DIR": str(self.folder),
        }


@contextlib.contextmanager
def ground(scale: Scale) -> Iterator[Ground]:
    """Lend a PostgreSQL of our own; it is stopped and its folder removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-bench-"))
    try:
        folder.chmod(0o711)  # the server's user passes through it; what is secret inside has a mode of its own
        with embedded.start(folder / "postgres", fsync=True) as postgres:
            yield Ground(scale, folder, postgres, secrets.token_urlsafe(48))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Server:
    """A process that answers."""

    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Stage:
    """The server under test and the floor, on one database with a shop in it and orders from before."""

    scale: Scale
    database_url: str
    shop: Shop
    old_orders: dict[int, list[int]]
    imeis: Iterator[str]
    generator: Generator
    server: Server
    floor: Server

    def buyers(self, count: int) -> Iterator[Buyer]:
        """Yield ``count`` buyers, all of them in turn."""
        everybody: Sequence[Buyer] = self.shop.buyers
        return (everybody[number % len(everybody)] for number in range(count))


@contextlib.contextmanager
def stage(on: Ground) -> Iterator[Stage]:
    """Lend a stage on a new database of this PostgreSQL."""
    url = on.database("stage")
    imeis = devices(0)
    shop, old_orders = asyncio.run(_furnish(on, url, imeis))
    environment = on.environment(url)
    floor_words = ["--pool-size", str(POOL_SIZE), "--catalog-version", str(shop.catalog_version)]
    with (
        serving("app", ["serve", "--workers", "1"], environment, on.folder / "server.log", ready="/readyz") as server,
        serving("bench.floor", floor_words, environment, on.folder / "floor.log", ready="/ready") as floor,
        Generator(on.scale.connections, on.scale.turn_seconds) as generator,
    ):
        yield Stage(on.scale, url, shop, old_orders, imeis, generator, Server(*server), Server(*floor))


async def _furnish(on: Ground, url: str, imeis: Iterator[str]) -> tuple[Shop, dict[int, list[int]]]:
    db = Database(url, pool_size=2)
    await db.open()
    try:
        shop = await open_shop(db, on.sealer(), on.scale)
        old_orders = await fill(db, shop, on.scale.old_orders, imeis)
        await complete_half(db)
        return shop, old_orders
    finally:
        await db.close()
