"""Brings a database to the newest schema, and tells whether it is there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool, text
from sqlalchemy.engine import make_url

import migrations

# One advisory lock, so that two processes which start together migrate one after the other.
_LOCK = 0x7472756E6B


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


@cache
def newest() -> str:
    """Return the revision that this code expects; read once, since it is the code's own."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("no migrations found")
    return head


def migrate(conninfo: str) -> str:
    """Apply what is missing to the database at ``conninfo`` (libpq URL) and return the revision reached."""
    url = make_url(conninfo).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as lock:
        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        config = _config()
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        with engine.connect() as connection:
            reached = MigrationContext.configure(connection).get_current_revision()
    if reached is None:
        raise RuntimeError("the database has no revision after migrating")
    return reached
