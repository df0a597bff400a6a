"""Runs the migrations against the connection that ``app.migrate`` hands over, or the URL of ``alembic -x url=…``."""

from alembic import context
from sqlalchemy import Connection, create_engine, pool

from app.tables import metadata
from migrations.names import is_ours


def run(connection: Connection) -> None:
    """Apply the migrations on ``connection`` in one transaction."""
    context.configure(
        connection=connection, target_metadata=metadata, include_object=is_ours, compare_server_default=True
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.get_x_argument(as_dictionary=True)["url"]
    with create_engine(url, poolclass=pool.NullPool).connect() as opened:
        run(opened)
