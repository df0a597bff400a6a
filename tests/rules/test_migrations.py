"""The models and the migrations describe the same database."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from app.migrate import migrate, newest
from app.tables import metadata
from migrations.names import is_ours


def test_models_equal_migrations(conninfo: str) -> None:
    engine = create_engine(make_url(conninfo).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"target_metadata": metadata, "compare_server_default": True, "include_object": is_ours}
        )
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_migrating_again_changes_nothing(conninfo: str) -> None:
    assert migrate(conninfo) == newest()
